// A decision with every rule that was considered, for `strait explain`.

package import StraitCore

/// A decision and how it was come to.
package struct RouteExplanation: Hashable, Sendable {
    /// A rule that was considered.
    package struct Step: Hashable, Sendable {
        /// What was asked, for people.
        package let rule: String
        /// What the answer was, for people.
        package let outcome: String
    }

    /// In the order in which they were considered; the last one decided.
    package let steps: [Step]
    /// What ``RouteTable/route(arrival:scope:name:offered:)`` answers to the same question.
    package let decision: RouteDecision
}

extension RouteTable {
    /// Where a connection goes, and why; asked like ``route(arrival:scope:name:offered:)``.
    package func explain(
        arrival: Arrival, scope: ListenerScope, name: HostName?, offered: Span<UInt8>
    ) -> RouteExplanation {
        var trace = EventTrace()
        let decision = self.compiled.decide(arrival, scope, name, offered, &trace)
        var steps: [RouteExplanation.Step] = []
        for event in trace.events {
            let (rule, outcome) = self.compiled.text(event, name, offered)
            steps.append(RouteExplanation.Step(rule: rule, outcome: outcome))
        }
        return RouteExplanation(steps: steps, decision: decision)
    }
}

/// Keeps every step.
private struct EventTrace: RouteTrace {
    var events: [RouteEvent] = []

    mutating func note(_ event: RouteEvent) { self.events.append(event) }
}

extension CompiledRules {
    /// Rule and outcome; without `default:`, so that a new event must get its words.
    fileprivate func text(
        _ event: RouteEvent, _ name: HostName?, _ offered: Span<UInt8>
    ) -> (String, String) {
        let host = name.map { "\($0)" } ?? "(no name)"
        switch event {
        case .nameAbsent: return ("the ClientHello names a host", "it does not")
        case .exactName(let target):
            return ("a host name equals \(host)", target.map(self.text(target:)) ?? "none does")
        case .wildcardName(let target):
            return ("a wildcard covers \(host)", target.map(self.text(target:)) ?? "none does")
        case .listenerTenant(let tenant, let isItsName):
            return (
                "the listener knows the names of \(self.text(tenant: tenant)) only",
                isItsName ? "this is one" : "this is none of them"
            )
        case .listenerService(let service, let suits):
            guard let service else { return ("the listener leads to a service", "it does not") }
            let text = self.text(service: service)
            return ("the listener leads to \(text)", suits ? "taken" : "it speaks another protocol")
        case .listenerDefault(let serviceProtocol, let service):
            return (
                "the listener has a default service for \(serviceProtocol.rawValue)",
                service.map(self.text(service:)) ?? "it has none"
            )
        case .tenantDefault(let serviceProtocol, let tenant, let service):
            let owner = self.text(tenant: tenant)
            return (
                "\(owner) has a default service for \(serviceProtocol.rawValue)",
                service.map(self.text(service:)) ?? "it has none"
            )
        case .afterSSLRequest, .onlyACME, .offeredNothing, .offeredUnchecked, .offeredCommon,
            .offeredDisjoint, .offeredNames, .builtIn:
            return self.protocolText(event, offered)
        }
    }

    private func protocolText(_ event: RouteEvent, _ offered: Span<UInt8>) -> (String, String) {
        switch event {
        case .afterSSLRequest(let service, let suits):
            return (
                "an SSLRequest leads to Postgres services only",
                "\(self.text(service: service)) is \(suits ? "one" : "none")"
            )
        case .onlyACME(let service, let isAllowed):
            return (
                "an offer of acme-tls/1 alone reaches only a service with that very name",
                service.map { "\(self.text(service: $0)): \(isAllowed ? "taken" : "not allowed")" }
                    ?? "the name is a tenant's own"
            )
        case .offeredNothing: return ("the offered protocols suit the service", "none is offered")
        case .offeredUnchecked(let service):
            return (
                "the offered protocols suit \(self.text(service: service))",
                "not checked: it passes TLS through and configures no list"
            )
        case .offeredCommon(let service, let range):
            return (
                "the offered protocols suit \(self.text(service: service))",
                "\(Self.text(range, offered)) is accepted"
            )
        case .offeredDisjoint(let service):
            let accepted = self.services[service].accepted.map(\.text).joined(separator: " ")
            return (
                "the offered protocols suit \(self.text(service: service))",
                "nothing in common; it accepts \(accepted)"
            )
        case .offeredNames(let range, let serviceProtocol):
            return (
                "the offered \(Self.text(range, offered)) names a protocol",
                serviceProtocol?.rawValue ?? "it does not"
            )
        case .builtIn(let tenant, let isTaken):
            return (
                "otherwise the own name of \(self.text(tenant: tenant)) leads to what is built in",
                isTaken ? "taken" : "it speaks HTTP only"
            )
        case .nameAbsent, .exactName, .wildcardName, .listenerTenant, .listenerService,
            .listenerDefault, .tenantDefault:
            return self.text(event, nil, offered)
        }
    }

    private func text(target: NameTarget) -> String {
        switch target.kind {
        case .service: self.text(service: target.index)
        case .tenant: "the own name of \(self.text(tenant: target.index))"
        case .kubernetesAlias: "the Kubernetes alias of \(self.text(tenant: target.index))"
        }
    }

    private func text(tenant index: Int) -> String {
        self.tenants.element(index).map { "tenant \($0.name)" } ?? "tenant number \(index)"
    }

    private func text(service index: Int) -> String {
        let service = self.services[index]
        return "service \(self.tenants[service.tenant].name)/\(service.name)"
    }

    private static func text(_ range: Range<Int>, _ offered: Span<UInt8>) -> String {
        "\"\(escapedText(offered.extracting(range), bytesMax: 255))\""
    }
}
