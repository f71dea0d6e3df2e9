// `strait watch`: changes of the registry as they come.

internal import ArgumentParser
internal import Foundation
package import StraitControl
internal import StraitPosix

struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch",
        abstract: "Tell changes of the registry as they come, until interrupted.",
        discussion: """
            EXAMPLES
              strait watch
              strait watch --tenant acme
              strait watch --after 4711 --format json | jq .resource

            A line each: revision, what has become of it, the resource, its tenant; and
            "live" once every worker obeys. After a restart of the router it goes on where it
            was. Where the changes since then are not all kept, it says so ("compacted"): then
            list anew.
            """)

    @Option(help: "Only what is this tenant's.")
    var tenant: String?

    @Option(help: "Begin behind this revision; else with what comes now.")
    var after: UInt64?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    /// Three times the silence that the router allows itself.
    private static let silenceMilliseconds: Int32 = 45_000
    /// Between two tries to reach a router that was there.
    private static let pause = 1.0

    func run() async throws {
        let target = self.target
        let endpoint = try self.admin.endpoint()
        AdminOptions.announce(endpoint, isChange: false)
        let after = self.after.map(String.init)
        let isJSON = self.format.format == .json
        try await untilSignal {
            try Self.follow(target, at: endpoint, after: after) { event in
                let line = isJSON ? WatchLine.json(event) : WatchLine.text(event)
                try LineOutput(.standardOutput).write(Array((line + "\n").utf8))
            }
        }
    }

    private var target: String {
        self.tenant.map { "/v1/watch?tenant=\(AdminOptions.escaped($0))" } ?? "/v1/watch"
    }

    /// Asks again and again; returns when nobody reads what is printed.
    private static func follow(
        _ target: String, at endpoint: AdminEndpoint, after: String?,
        _ print: (EventStreamReader.Event) throws -> Void
    ) throws {
        var lastID = after
        var wasThere = false
        var isLost = false
        while true {
            do throws(EventExchange.Failure) {
                var exchange = try EventExchange.open(
                    target, at: endpoint, after: lastID, milliseconds: Self.silenceMilliseconds)
                if isLost { writeError("strait: the router is there again\n") }
                (wasThere, isLost) = (true, false)
                while let events = Self.next(&exchange) {
                    for event in events {
                        // Nobody reads any more: that is an end like any other.
                        do { try print(event) } catch { return }
                    }
                }
                lastID = exchange.lastID ?? lastID
            } catch {
                guard wasThere else { throw Self.failure(error, endpoint) }
                if case .refused(let status, let body) = error, status < 500 {
                    throw CommandFailure(.refused, AdminOptions.sentence(status, body))
                }
            }
            if !isLost { writeError("strait: the router is away; asking again\n") }
            isLost = true
            Foundation.Thread.sleep(forTimeInterval: Self.pause)
        }
    }

    /// Nil: it has ended.
    private static func next(_ exchange: inout EventExchange) -> [EventStreamReader.Event]? {
        do throws(EventExchange.Failure) { return try exchange.next() } catch { return nil }
    }

    private static func failure(
        _ failure: EventExchange.Failure, _ endpoint: AdminEndpoint
    ) -> CommandFailure {
        switch failure {
        case .noAnswer(let reason): AdminOptions.failure(reason, endpoint)
        case .refused(let status, let body):
            CommandFailure(.refused, AdminOptions.sentence(status, body))
        case .ended: CommandFailure(.unreachable, "the router at \(endpoint) ended its answer")
        }
    }
}

/// How an event is printed.
package enum WatchLine {
    private struct Facts: Decodable {
        var resource: String?
        var tenant: String?
        var action: String?
        var revision: UInt64?
        var milliseconds: Double?
        var reason: String?
    }

    /// One line for people.
    package static func text(_ event: EventStreamReader.Event) -> String {
        let facts: Facts
        do {
            facts = try AnswerJSON.decode(Facts.self, from: Array(event.data.utf8))
        } catch {
            return "\(event.kind)  \(event.data)"
        }
        let revision = facts.revision.map { "\($0)" } ?? "-"
        switch event.kind {
        case "live":
            let after = facts.milliseconds.map { " after \($0) ms" } ?? ""
            return "\(revision)  live    on all workers\(after)"
        case "compacted":
            return "\(revision)  compacted  changes are missing: list anew; goes on from here"
        case "ended": return "-  ended   \(facts.reason ?? "")"
        default:
            let action = (facts.action ?? "-").padding(
                toLength: 6, withPad: " ", startingAt: 0)
            let owner = facts.tenant.map { "  (\($0))" } ?? ""
            return "\(revision)  \(action)  \(facts.resource ?? event.kind)\(owner)"
        }
    }

    /// The event's data with its type, as one object.
    package static func json(_ event: EventStreamReader.Event) -> String {
        let rest = event.data.hasPrefix("{") ? event.data.dropFirst() : "}"
        let separator = rest == "}" ? "" : ","
        return "{\"event\":\"\(event.kind)\"\(separator)\(rest)"
    }
}
