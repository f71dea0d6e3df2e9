// An access record, told as the phases of one connection.

internal import Foundation
internal import StraitControl
internal import StraitCore

/// What happened to one connection, for people.
struct ConnectionStory {
    private let fields: [String: Any]

    /// - Parameter record: The access record, one JSON object.
    /// - Throws: ``CommandFailure`` where it is something else.
    init(record: [UInt8]) throws {
        guard
            let fields = try JSONSerialization.jsonObject(with: Data(record)) as? [String: Any]
        else { throw CommandFailure(.refused, "the router's answer is no access record") }
        self.fields = fields
    }

    /// One line for the whole, one for each phase that it went through.
    var text: String {
        var lines = [self.headline]
        self.add("peek", self.peek, &lines)
        self.add("route", self.route, &lines)
        self.add("handshake", self.handshake, &lines)
        self.add("connect", self.connect, &lines)
        self.add("relay", self.relay, &lines)
        lines.append(self.ending)
        if let remedy = self.remedy { lines.append("it would have passed with \(remedy)") }
        return lines.map { $0 + "\n" }.joined()
    }

    private func add(_ phase: String, _ words: [String?], _ lines: inout [String]) {
        let present = words.compactMap { $0 }
        guard !present.isEmpty else { return }
        let label = phase.padding(toLength: 12, withPad: " ", startingAt: 0)
        lines.append("  \(label)  \(present.joined(separator: ", "))")
    }

    private var headline: String {
        let source = self.endpoint("client.address", "client.port") ?? "unknown"
        let name = self.word("server.address") ?? "(no name)"
        let port = self.word("server.port").map { ":\($0)" } ?? ""
        return [
            self.word("strait.connection.id"), self.word("timestamp"),
            [self.word("strait.region"), self.word("service.instance.id")].compactMap { $0 }
                .filter { !$0.isEmpty }.joined(separator: " "),
            "\(source) -> \(name)\(port)", self.word("network.protocol.name"),
        ].compactMap { $0 }.filter { !$0.isEmpty }.joined(separator: "  ")
    }

    private var peek: [String?] {
        [
            self.word("strait.listener").map { "listener \($0)" },
            self.endpoint("network.peer.address", "network.peer.port").map { "PROXY from \($0)" },
            self.word("strait.name.unreadable").map { "unreadable name \($0)" },
            self.time("strait.phases.peek_us"),
        ]
    }

    private var route: [String?] {
        guard let service = self.word("strait.service") else { return [] }
        return [
            self.word("strait.name.kind").map { "\($0) name" },
            "\(self.word("strait.tenant") ?? "?")/\(service)", self.word("strait.mode"),
            self.word("strait.revision").map { "revision \($0)" },
        ]
    }

    private var handshake: [String?] {
        guard let version = self.word("tls.protocol.version") else { return [] }
        return [
            "TLS \(version)", self.word("tls.cipher"), self.word("tls.curve"),
            self.word("tls.resumed") == "true" ? "resumed" : "full",
            self.word("tls.next_protocol").map { "ALPN \($0)" },
            self.word("tls.client.subject").map { "certificate of \($0)" },
            self.time("strait.phases.handshake_us"),
        ]
    }

    private var connect: [String?] {
        [self.word("strait.upstream.address"), self.time("strait.phases.connect_us")]
    }

    private var relay: [String?] {
        guard let received = self.word("strait.bytes.downstream.received"),
            let sent = self.word("strait.bytes.downstream.sent")
        else { return [] }
        return [
            "in \(received) B", "out \(sent) B", self.time("duration_us"),
            self.time("strait.limits.delay_us").map { "of these \($0) held by limits" },
        ]
    }

    private var ending: String {
        guard let reason = self.word("strait.reason") else {
            return "open, in phase \(self.word("strait.phase") ?? "?")"
        }
        let detail = [
            self.word("strait.detail"), self.word("strait.tls.alert").map { "TLS alert \($0)" },
        ].compactMap { $0 }
        let more = detail.isEmpty ? "" : ": \(detail.joined(separator: ", "))"
        let check = self.word("strait.check").map { " (check \($0))" } ?? ""
        return "\(reason) by \(self.word("strait.side") ?? "?") in phase "
            + "\(self.word("strait.phase") ?? "?")\(check)\(more)"
    }

    /// What would have let a refused connection pass.
    private var remedy: String? {
        guard let kind = self.word("strait.reason").flatMap({ CloseReason.Kind(rawValue: $0) })
        else { return nil }
        var facts = RefusalFacts()
        facts.serverName = self.word("server.address")
        facts.listener = self.word("strait.listener")
        facts.tenant = self.word("strait.tenant")
        facts.peer = self.word("network.peer.address") ?? self.word("client.address")
        facts.upstream = self.word("strait.upstream.address")
        return facts.remedy(for: kind)
    }

    private func endpoint(_ address: String, _ port: String) -> String? {
        guard let host = self.word(address) else { return nil }
        guard let number = self.word(port), number != "0" else { return host }
        return host.contains(":") ? "[\(host)]:\(number)" : "\(host):\(number)"
    }

    private func time(_ key: String) -> String? {
        guard let micros = self.fields[key] as? NSNumber else { return nil }
        let tenths = micros.int64Value / 100
        return micros.int64Value < 1000
            ? "\(micros.int64Value) us" : "\(tenths / 10).\(tenths % 10) ms"
    }

    private func word(_ key: String) -> String? {
        switch self.fields[key] {
        case let text as String: text
        // A JSON true is an NSNumber, too; only its type tells.
        case let flag as Bool where self.isFlag(key): flag ? "true" : "false"
        case let number as NSNumber: number.stringValue
        default: nil
        }
    }

    private func isFlag(_ key: String) -> Bool { key == "tls.resumed" || key == "strait.final" }
}
