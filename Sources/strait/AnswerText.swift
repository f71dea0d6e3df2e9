// What the router answers, as text for people.

package import StraitControl

/// Answers as text; each ends with a line feed.
package enum AnswerText {
    /// What is live: a line for the router, then listeners, services and certificates.
    package static func status(_ answer: StatusAnswer) -> String {
        let names = [answer.router, answer.region.isEmpty ? "" : "(\(answer.region))"]
            .filter { !$0.isEmpty }.joined(separator: " ")
        let reload =
            answer.lastReloadSuccessful ? "" : "  last reload REFUSED (strait reload says why)"
        var text =
            "router \(names)  \(answer.status)  revision \(answer.revision) live on "
            + "\(answer.workersLive)/\(answer.workers) workers  up \(answer.uptimeSeconds)s  "
            + "\(answer.openConnections) open  version \(answer.version)  pid \(answer.pid)"
            + "\(reload)\n"
        if let registry = answer.registry { text += Self.registry(registry) }
        for process in answer.draining {
            text += "draining process \(process.pid)  --admin \(process.admin)\n"
        }
        for listener in answer.listeners {
            text += "listener \(listener.name)  \(listener.address)\n"
        }
        if let ports = answer.ports { text += Self.portStatus(ports) }
        guard !answer.services.isEmpty else { return text }
        var table = TextTable("service", "protocol", "mode", "upstreams", "open")
        for service in answer.services {
            table.add(
                "\(service.tenant)/\(service.service)", service.protocol, service.mode,
                service.upstreams.map(\.address).joined(separator: " "),
                service.open.map { "\($0)" } ?? "")
        }
        let left = (answer.servicesTotal ?? 0) - answer.services.count
        if left > 0 { table.add("and \(left) more", "", "", "", "") }
        text += table.text + Self.upstreams(answer.services)
        for certificate in answer.certificates {
            text += "certificate \(certificate.name)  valid until \(certificate.notAfter)\n"
        }
        return text
    }

    private static func registry(_ registry: StatusAnswer.Registry) -> String {
        var text =
            "registry revision \(registry.revision) live on all workers since "
            + "\(registry.liveSince)  \(registry.tenants) tenants\n"
        if let failure = registry.failure {
            text += "registry CANNOT BE FOLLOWED: \(failure)\n"
        }
        if !registry.refused.isEmpty {
            let names = registry.refused.joined(separator: " ")
            text += "registry REFUSED, as they were before: \(names) (strait tenant problems)\n"
        }
        return text
    }

    /// How addresses stand, where anything tells.
    private static func upstreams(_ services: [StatusAnswer.Service]) -> String {
        var table = TextTable("upstream", "of", "health", "since", "open", "why")
        var isEmpty = true
        for service in services {
            for upstream in service.upstreams {
                guard let health = upstream.health else { continue }
                isEmpty = false
                let name = upstream.name.map { " (\($0))" } ?? ""
                table.add(
                    upstream.address + name, "\(service.tenant)/\(service.service)",
                    health + (upstream.backup ? ", backup" : ""), upstream.since ?? "",
                    upstream.open.map { "\($0)" } ?? "", upstream.why ?? "")
            }
        }
        return isEmpty ? "" : table.text
    }

    /// Open connections as a table.
    package static func connections(_ rows: [ConnectionAnswer]) -> String {
        var table = TextTable(
            "id", "age", "phase", "from", "name", "service", "upstream", "in", "out")
        for row in rows {
            let service = row.service.map { "\(row.tenant ?? "?")/\($0)" }
            table.add(
                row.id, "\(row.ageSeconds)s", row.phase, row.downstream ?? "",
                row.serverName ?? "", service ?? "", row.upstream ?? "",
                "\(row.bytesReceived)", "\(row.bytesSent)")
        }
        return table.text
    }

    /// Every rule that was considered, then the decision.
    package static func explanation(_ answer: ExplainAnswer) -> String {
        let width = answer.steps.map(\.phase.count).max() ?? 0
        let steps = answer.steps.map { step in
            let phase = step.phase + String(repeating: " ", count: width - step.phase.count)
            return "  \(phase)  \(step.rule): \(step.outcome)\n"
        }
        return steps.joined()
            + "\(answer.text)  (revision \(answer.revision), listener \(answer.listener))\n"
            + (answer.remedy.map { "it would pass with \($0)\n" } ?? "")
    }

    /// What happened to one connection.
    ///
    /// - Parameter record: Its access record, one JSON object.
    /// - Returns: A line for the whole, and one for each phase that it went through.
    /// - Throws: ``CommandFailure`` where the record is something else.
    package static func story(ofRecord record: [UInt8]) throws -> String {
        try ConnectionStory(record: record).text
    }
}
