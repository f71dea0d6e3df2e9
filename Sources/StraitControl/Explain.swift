// `strait explain`: a decision, dry, with every rule that was considered. The same code answers
// from a file and from the live snapshot.

internal import StraitCore
internal import StraitRouting
package import StraitSnapshot

/// Why nothing could be explained: the question names something that is not there.
package struct ExplainFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong, for people.
    package let description: String
}

/// A connection that might come.
package struct ExplainQuery: Codable, Hashable, Sendable {
    /// How it begins: `tls`, `postgres` (SSLRequest first), `ssh` (plain), `cancel`, `raw`.
    package enum Opening: String, Codable, Hashable, Sendable, CaseIterable {
        case tls, postgres, ssh, cancel, raw
    }

    /// The name that was asked for (SNI).
    package var serverName: String?
    /// ALPN, in the downstream's order.
    package var applicationProtocols: [String]
    /// The listener's name.
    package var listener: String?
    /// The listener's port.
    package var port: UInt16?
    /// The address that the connection comes from.
    package var from: String?
    /// How it begins.
    package var opening: Opening

    /// - Parameters:
    ///   - serverName: SNI.
    ///   - applicationProtocols: ALPN, in the downstream's order.
    ///   - listener: The listener's name.
    ///   - port: The listener's port, where no name is given.
    ///   - from: The address that the connection comes from.
    ///   - opening: How it begins.
    package init(
        serverName: String?, applicationProtocols: [String], listener: String?, port: UInt16?,
        from: String?, opening: Opening
    ) {
        self.serverName = serverName
        self.applicationProtocols = applicationProtocols
        self.listener = listener
        self.port = port
        self.from = from
        self.opening = opening
    }
}

/// A decision and how it was come to.
package struct ExplainAnswer: Codable, Hashable, Sendable {
    /// One rule that was considered.
    package struct Step: Codable, Hashable, Sendable {
        /// The phase that considers it.
        package var phase: String
        /// What was asked.
        package var rule: String
        /// What the answer was.
        package var outcome: String
    }

    /// `service` or `refuse`.
    package var decision: String
    /// One line for people.
    package var text: String
    /// The revision that decided.
    package var revision: UInt64
    /// The listener's name.
    package var listener: String
    /// The tenant's name.
    package var tenant: String?
    /// The service's name.
    package var service: String?
    /// `passthrough` or `terminate`.
    package var mode: String?
    /// The addresses, in the order in which they are tried.
    package var upstreams: [String]
    /// The close reason of a refusal.
    package var reason: String?
    /// What would have let it pass.
    package var remedy: String?
    /// In the order in which they were considered.
    package var steps: [Step]
}

extension ExplainAnswer {
    /// Says that a connection as in `query` is refused, and what would have let it pass.
    fileprivate mutating func refuse(_ reason: CloseReason.Kind, of query: ExplainQuery) {
        var facts = RefusalFacts()
        facts.serverName = query.serverName
        facts.listener = self.listener
        facts.tenant = self.tenant
        facts.peer = query.from
        self.reason = reason.rawValue
        self.text = "refused: \(reason.rawValue)"
        self.remedy = facts.remedy(for: reason)
    }
}

extension ExplainQuery {
    /// What `snapshot` does with such a connection.
    package func answer(from snapshot: Snapshot) throws(ExplainFailure) -> ExplainAnswer {
        let listener = try self.listener(in: snapshot)
        var steps = [
            ExplainAnswer.Step(
                phase: "accept", rule: "the listener is \(listener.name)",
                outcome: listener.address.description)
        ]
        var answer = ExplainAnswer(
            decision: "refuse", text: "", revision: snapshot.revision, listener: listener.name,
            tenant: nil, service: nil, mode: nil, upstreams: [], reason: nil, remedy: nil,
            steps: [])
        try self.decide(listener, snapshot, &answer, &steps)
        answer.steps = steps
        return answer
    }

    private func decide(
        _ listener: ListenerPlan, _ snapshot: Snapshot, _ answer: inout ExplainAnswer,
        _ steps: inout [ExplainAnswer.Step]
    ) throws(ExplainFailure) {
        if let refusal = try self.peek(listener, &steps) {
            answer.refuse(refusal, of: self)
            return
        }
        let name = try self.hostName(&steps)
        if let problem = name.problem {
            answer.refuse(problem, of: self)
            return
        }
        let offered = try self.offeredBytes()
        let arrival = listener.protocols.contains(.raw) ? .unread : self.arrival
        let explanation = snapshot.routes.explain(
            arrival: arrival,
            scope: listener.scope, name: name.name, offered: offered.span)
        steps += explanation.steps.map {
            ExplainAnswer.Step(phase: "route", rule: $0.rule, outcome: $0.outcome)
        }
        self.conclude(explanation.decision, arrival, snapshot, &answer, &steps)
    }

    private var arrival: Arrival {
        switch self.opening {
        case .tls: .tls
        case .postgres: .tlsAfterPostgres
        case .ssh: .ssh
        case .cancel: .postgresCancel
        case .raw: .unread
        }
    }

    private func listener(in snapshot: Snapshot) throws(ExplainFailure) -> ListenerPlan {
        let names = snapshot.downstreamListeners.map { "\($0.name) (\($0.address))" }.joined(
            separator: ", ")
        if let wanted = self.listener {
            guard let found = snapshot.downstreamListeners.first(where: { $0.name == wanted })
            else {
                throw ExplainFailure(
                    description: "there is no listener \"\(wanted)\"; there are \(names)")
            }
            return found
        }
        if let port = self.port {
            let listener = snapshot.downstreamListeners.first { $0.address.port == port }
            guard let found = listener ?? snapshot.listener(ofPort: port) else {
                throw ExplainFailure(
                    description: "no listener has port \(port); there are \(names)")
            }
            return found
        }
        guard let only = snapshot.downstreamListeners.first, snapshot.downstreamListeners.count == 1
        else {
            throw ExplainFailure(
                description: "there are several listeners; name one with --port or --listener: "
                    + names)
        }
        return only
    }

    /// What happens before a name is looked up: PROXY header, and whether the listener takes such
    /// an opening.
    private func peek(
        _ listener: ListenerPlan, _ steps: inout [ExplainAnswer.Step]
    ) throws(ExplainFailure) -> CloseReason.Kind? {
        if let from = self.from {
            guard let address = IPAddress(from) else {
                throw ExplainFailure(description: "\"\(from)\" is no IP address")
            }
            switch listener.proxyHeader {
            case .absent:
                steps.append(
                    ExplainAnswer.Step(
                        phase: "peek", rule: "\(address) may connect",
                        outcome: "there are no address lists"))
            case .required(let trusted):
                let block = trusted.first { $0.contains(address) }
                steps.append(
                    ExplainAnswer.Step(
                        phase: "peek",
                        rule: "a PROXY header must come from a trusted address; is \(address) one",
                        outcome: block.map { "yes, \($0)" } ?? "no"))
                if block == nil { return .proxySourceUntrusted }
            }
        }
        guard !listener.protocols.contains(.raw) else {
            steps.append(
                ExplainAnswer.Step(
                    phase: "peek", rule: "the listener looks at the first bytes",
                    outcome: "no, it belongs to one service"))
            return nil
        }
        let needed: ListenerProtocols
        let word: String
        switch self.opening {
        case .raw: return Self.silence(listener, &steps)
        case .tls: (needed, word) = (.tls, "tls")
        case .postgres, .cancel: (needed, word) = (.postgres, "postgres")
        case .ssh: (needed, word) = (.ssh, "ssh")
        }
        let takes = listener.protocols.contains(needed)
        steps.append(
            ExplainAnswer.Step(
                phase: "peek", rule: "the listener takes \(word)", outcome: takes ? "yes" : "no"))
        return takes ? nil : .protocolNotAllowed
    }

    /// A downstream that says nothing is connected only where the server speaks first.
    private static func silence(
        _ listener: ListenerPlan, _ steps: inout [ExplainAnswer.Step]
    ) -> CloseReason.Kind? {
        let rule = "the listener connects who says nothing (server_first)"
        guard let first = listener.serverFirst else {
            steps.append(ExplainAnswer.Step(phase: "peek", rule: rule, outcome: "no"))
            return .firstByteTimeout
        }
        let wait = first.waitNanoseconds / 1_000_000
        steps.append(
            ExplainAnswer.Step(
                phase: "peek", rule: rule,
                outcome: "yes, to \(first.serviceProtocol.rawValue) after \(wait) ms"))
        return nil
    }

    private func hostName(
        _ steps: inout [ExplainAnswer.Step]
    ) throws(ExplainFailure) -> (name: HostName?, problem: CloseReason.Kind?) {
        guard let text = self.serverName else { return (nil, nil) }
        do throws(HostName.Problem) {
            return (try HostName(canonicalizing: Array(text.utf8).span), nil)
        } catch {
            steps.append(
                ExplainAnswer.Step(
                    phase: "peek", rule: "the server name can be read",
                    outcome: "no: \(error)"))
            return (nil, .nameMalformed)
        }
    }

    /// The content of a ProtocolNameList, RFC 7301 §3.1.
    private func offeredBytes() throws(ExplainFailure) -> [UInt8] {
        var bytes: [UInt8] = []
        for text in self.applicationProtocols {
            let id = Array(text.utf8)
            guard (1...255).contains(id.count) else {
                throw ExplainFailure(description: "an ALPN identifier has 1 to 255 bytes")
            }
            bytes.append(UInt8(id.count))
            bytes += id
        }
        return bytes
    }

    private func conclude(
        _ decision: RouteDecision, _ arrival: Arrival, _ snapshot: Snapshot,
        _ answer: inout ExplainAnswer, _ steps: inout [ExplainAnswer.Step]
    ) {
        let service: ServicePlan
        var kind = NameKind.exact
        switch decision {
        case .service(let index, let found):
            service = snapshot.services[index]
            kind = found
        case .builtIn(let tenant):
            answer.tenant = snapshot.tenants[tenant].name
            guard let builtIn = snapshot.builtIn else {
                answer.refuse(.alpnMismatch, of: self)
                return
            }
            service = builtIn.service(of: snapshot.tenants[tenant])
        case .refuse(let refusal, let tenant):
            answer.tenant = tenant.map { snapshot.tenants[$0].name }
            answer.refuse(Self.reason(refusal), of: self)
            return
        }
        self.conclude(service, kind, arrival, &answer, &steps)
    }

    private func conclude(
        _ service: ServicePlan, _ kind: NameKind, _ arrival: Arrival,
        _ answer: inout ExplainAnswer, _ steps: inout [ExplainAnswer.Step]
    ) {
        answer.tenant = service.tenant.name
        answer.service = service.name
        answer.mode = service.mode.rawValue
        answer.upstreams = service.upstreams.map { upstream in
            (upstream.tls == nil ? "" : "tls://") + upstream.address.description
        }
        steps.append(
            ExplainAnswer.Step(
                phase: "route", rule: "the name was found", outcome: Self.word(kind)))
        // MySQL's TLS comes within its own words.
        let mayHaveTLS = arrival.hasTLS || service.endsTLSOfMySQL
        guard mayHaveTLS || service.clientCertificate != .required else {
            steps.append(
                ExplainAnswer.Step(
                    phase: "admit", rule: "the service requires a certificate",
                    outcome: "without TLS none can be shown"))
            answer.refuse(.clientCertificateMissing, of: self)
            return
        }
        answer.decision = "service"
        let mode =
            mayHaveTLS || service.mode == .passthrough
            ? service.mode.rawValue : "without TLS"
        answer.text =
            "\(service.tenant.name)/\(service.name), \(mode), "
            + "to \(answer.upstreams.joined(separator: " or "))"
        self.addAfterRoute(service, arrival, &steps)
    }

    /// What a connection meets after its route is known; a handshake only where TLS came.
    private func addAfterRoute(
        _ service: ServicePlan, _ arrival: Arrival, _ steps: inout [ExplainAnswer.Step]
    ) {
        let limits = service.tenant.limits?.descriptions(
            open: service.tenant.usage.openConnections)
        steps.append(
            ExplainAnswer.Step(
                phase: "admit", rule: "limits of tenant \(service.tenant.name)",
                outcome: limits?.joined(separator: ", ") ?? "none set"))
        guard service.mode == .terminate, arrival.hasTLS || service.endsTLSOfMySQL else { return }
        steps.append(
            arrival.hasTLS
                ? ExplainAnswer.Step(
                    phase: "handshake", rule: "TLS ends here; offered",
                    outcome: service.applicationProtocols.map(\.text).joined(separator: " "))
                : ExplainAnswer.Step(
                    phase: "prelude", rule: "TLS ends here, behind the upstream's greeting",
                    outcome: "who asks for none is refused"))
        steps.append(
            ExplainAnswer.Step(
                phase: "authenticate", rule: "a certificate of the tenant's user authority",
                outcome: service.clientCertificate.rawValue))
    }

    private static func word(_ kind: NameKind) -> String {
        switch kind {
        case .none: "without a name"
        case .exact: "exactly"
        case .wildcard: "by a wildcard"
        case .alias: "by an alias"
        }
    }

    private static func reason(_ refusal: RouteRefusal) -> CloseReason.Kind {
        switch refusal {
        case .nameMissing: .nameMissing
        case .nameUnknown: .nameUnknown
        case .alpnMismatch: .alpnMismatch
        case .noDefaultService: .noDefaultService
        }
    }
}

extension Snapshot {
    /// Where tenants' connections arrive.
    fileprivate var downstreamListeners: [ListenerPlan] {
        self.listeners.filter { !$0.isForOperators }
    }
}
