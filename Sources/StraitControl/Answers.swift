// What the operator API answers: one value for JSON and for text, so that the two cannot disagree.

internal import Foundation
package import StraitConfig
internal import StraitCore
internal import StraitEngine

/// The answer of `/v1/status`.
package struct StatusAnswer: Codable, Hashable, Sendable {
    /// A listener and the address that it has.
    package struct Listener: Codable, Hashable, Sendable {
        /// Its name.
        package var name: String
        /// Its address.
        package var address: String
    }

    /// An address of a service, and how it stands.
    package struct Upstream: Codable, Hashable, Sendable {
        /// Where it is dialled.
        package var address: String
        /// The name that led there.
        package var name: String?
        /// `up`, `returning`, `down` or `ejected`; nil where nothing is asked that could tell.
        package var health: String?
        /// Since when, RFC 3339; nil where it has not changed since the start.
        package var since: String?
        /// What the last change was for.
        package var why: String?
        /// How much it gets beside the others.
        package var weight: Int
        /// Whether it is used only while no other address is healthy.
        package var backup: Bool
        /// Connections that are open or on their way; nil where it is the only address.
        package var open: Int?
    }

    /// A service and what is open there.
    package struct Service: Codable, Hashable, Sendable {
        /// The tenant's name.
        package var tenant: String
        /// The service's name.
        package var service: String
        /// The service's protocol.
        package var `protocol`: String
        /// `passthrough` or `terminate`.
        package var mode: String
        /// The addresses, in the order of the configuration.
        package var upstreams: [Upstream]
        /// Nil where the tenant has no series of its own.
        package var open: Int?
    }

    /// How many services are listed.
    package static let servicesMax = 1000

    /// How the registry and what is live of it stand.
    package struct Registry: Codable, Hashable, Sendable {
        /// Every change up to it is obeyed by every worker.
        package var revision: UInt64
        /// Since when that is so, RFC 3339.
        package var liveSince: String
        /// Tenants.
        package var tenants: Int
        /// Tenants whose rows cannot be used, the first hundred; what was good before stays.
        package var refused: [String]
        /// Why it cannot be followed now.
        package var failure: String?
    }

    /// A certificate and its end.
    package struct Certificate: Codable, Hashable, Sendable {
        /// The tenant's name.
        package var tenant: String
        /// Its name.
        package var name: String
        /// `listener` or `upstream`.
        package var kind: String
        /// When it ends, RFC 3339.
        package var notAfter: String
    }

    /// The release.
    package var version: String
    /// The router's name.
    package var router: String
    /// The router's region.
    package var region: String
    /// As readiness has it.
    package var status: String
    /// The revision that is live.
    package var revision: UInt64
    /// How many workers there are.
    package var workers: Int
    /// How many of them obey the revision.
    package var workersLive: Int
    /// When the process began, RFC 3339.
    package var started: String
    /// How long the process has run, in seconds.
    package var uptimeSeconds: UInt64
    /// Connections that are open now.
    package var openConnections: Int
    /// The process.
    package var pid: Int32
    /// Other processes of this router that finish what is open in them.
    package var draining: [DrainingProcess]
    /// Whether the last configuration that was read went live.
    package var lastReloadSuccessful: Bool
    /// In the order of the configuration.
    package var listeners: [Listener]
    /// In the order of the configuration; the first ``servicesMax`` of them.
    package var services: [Service]
    /// How many services there are; nil from a router before there were registries.
    package var servicesTotal: Int?
    /// Nil where the file has the tenants.
    package var registry: Registry?
    /// Those of tenants with series of their own.
    package var certificates: [Certificate]
    /// Ports of tenants' own; nil where there are none.
    package var ports: PortStatus?
}

/// One row of `/v1/connections`.
package struct ConnectionAnswer: Codable, Hashable, Sendable {
    /// `c-` and 13 characters.
    package var id: String
    /// The worker that holds it.
    package var worker: Int
    /// Where it is in its life.
    package var phase: String
    /// The address of the downstream; after PROXY, the true one.
    package var downstream: String?
    /// The name that was asked for (SNI).
    package var serverName: String?
    /// The tenant's name.
    package var tenant: String?
    /// The service's name.
    package var service: String?
    /// The address that it was connected to.
    package var upstream: String?
    /// How long it has been open, in seconds.
    package var ageSeconds: Double
    /// Bytes from the downstream.
    package var bytesReceived: UInt64
    /// Bytes to the downstream.
    package var bytesSent: UInt64

    init(_ summary: ConnectionSummary) {
        self.id = summary.id.description
        self.worker = summary.worker
        self.phase = summary.phase.name
        self.downstream = summary.clientAddress?.description
        self.serverName = summary.serverName
        self.tenant = summary.tenant
        self.service = summary.service
        self.upstream = summary.upstream?.description
        self.ageSeconds = Double(summary.ageNanoseconds / 1_000_000) / 1000
        self.bytesReceived = summary.bytesReceived
        self.bytesSent = summary.bytesSent
    }
}

/// One problem, as `/v1/reload` and `strait check` tell it.
package struct ProblemAnswer: Codable, Hashable, Sendable {
    /// `error` or `warning`.
    package var severity: String
    /// Never reused; `E` or `W` and a number.
    package var code: String
    /// As it was named to the reader.
    package var file: String
    /// From 1; 0 for the whole file.
    package var line: Int
    /// From 1; 0 for the whole file.
    package var column: Int
    /// `tenants[0].services[1]`; empty for the whole file.
    package var path: String
    /// What stands there.
    package var found: String
    /// What could stand there.
    package var expected: String
    /// What to do.
    package var remedy: String
    /// For people.
    package var text: String

    /// The same as plain text.
    package init(_ problem: ConfigurationProblem) {
        self.severity = problem.severity.rawValue
        self.code = problem.code.rawValue
        self.file = problem.file
        self.line = problem.line
        self.column = problem.column
        self.path = problem.path
        self.found = problem.found
        self.expected = problem.expected
        self.remedy = problem.remedy
        self.text = problem.text
    }
}

/// The answer of `/v1/reload`.
package struct ReloadAnswer: Codable, Hashable, Sendable {
    /// `applied`, `unchanged`, `refused` or `draining`.
    package var result: String
    /// The revision that is live.
    package var revision: UInt64
    /// One sentence for people.
    package var text: String
    /// What the change came to, where it went live.
    package var verdict: ReloadVerdict?
    /// Why it was refused.
    package var problems: [ProblemAnswer]

    /// What came of a reload.
    package init(_ outcome: ReloadOutcome) {
        self.problems = []
        switch outcome {
        case .applied(let verdict):
            self.result = "applied"
            self.revision = verdict.revision
            self.text = verdict.text
            self.verdict = verdict
        case .unchanged(let revision):
            self.result = "unchanged"
            self.revision = revision
            self.text = "nothing changed; revision \(revision) stays"
        case .refused(let revision, let problems):
            self.result = "refused"
            self.revision = revision
            self.problems = problems.map(ProblemAnswer.init)
            let errors = problems.count { $0.severity == .error }
            self.text =
                "configuration refused: \(errors) error\(errors == 1 ? "" : "s"); "
                + "revision \(revision) stays live"
        case .draining:
            self.result = "draining"
            self.revision = 0
            self.text = "the router is draining and takes no changes"
        }
    }
}

/// An answer that is one sentence.
package struct SentenceAnswer: Codable, Hashable, Sendable {
    /// The sentence.
    package var text: String

    /// See the properties.
    package init(text: String) { self.text = text }
}

/// Why a request was refused (RFC 9457).
package struct RefusalAnswer: Codable, Hashable, Sendable {
    /// One thing that is wrong with what was sent.
    package struct Item: Codable, Hashable, Sendable {
        /// `error` or `warning`.
        package var severity: String
        /// As the reference lists it.
        package var code: String
        /// From the top of what was sent.
        package var path: String
        /// What stands there.
        package var found: String
        /// What could stand there.
        package var expected: String
        /// What to do.
        package var remedy: String
    }

    /// What kind of refusal it is.
    package var title: String
    /// The status, once more.
    package var status: Int
    /// What, and why.
    package var detail: String
    /// Each thing that is wrong.
    package var problems: [Item]?

    /// For people, without a line feed at the end.
    package var text: String {
        guard let problems, !problems.isEmpty else { return "\(self.title): \(self.detail)" }
        return ([self.title] + problems.map(\.text)).joined(separator: "\n")
    }
}

extension RefusalAnswer.Item {
    fileprivate var text: String {
        """
        \(self.path.isEmpty ? "(the whole)" : self.path)  \(self.severity) \(self.code)
            found     \(self.found)
            expected  \(self.expected)
            remedy    \(self.remedy)
        """
    }
}

/// The answer of `/version`.
package struct VersionAnswer: Codable, Hashable, Sendable {
    /// The release.
    package var version: String
    /// The commit that it was built from.
    package var commit: String
    /// The linked libssl's version.
    package var openssl: String
    /// The compiler's version.
    package var swift: String

    /// Of this program.
    package static var current: VersionAnswer {
        VersionAnswer(
            version: BuildInformation.version, commit: BuildInformation.commit,
            openssl: BuildInformation.openssl, swift: BuildInformation.swift)
    }
}

/// JSON as the API writes and the command line reads it: snake_case, keys in order.
package enum AnswerJSON {
    /// One line, without a line feed.
    package static func encode(_ answer: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(answer))
    }

    /// The inverse.
    package static func decode<Answer: Decodable>(
        _: Answer.Type, from bytes: [UInt8]
    ) throws -> Answer {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        return try decoder.decode(Answer.self, from: Data(bytes))
    }
}
