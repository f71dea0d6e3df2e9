// One address under judgement, and the check of it that is under way. Stays on the judge's thread.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS

/// An address of a service, as its judge sees it.
final class HealthTarget {
    let standing: UpstreamStanding
    var service: ServicePlan
    var upstream: UpstreamPlan
    var machine: UpstreamHealthMachine
    /// When the next check begins; ``Instant/never`` where none does, or one is under way.
    var nextCheck = Instant.never

    // The check that is under way.

    /// Counts checks: an event of one that has ended finds another number.
    var number: UInt32 = 0
    var isChecking = false
    /// Whose check it is; nil where none is under way.
    var payer: ObjectIdentifier?
    var deadline = Instant.never
    var connect = ConnectMachine(attemptsMax: 0)
    /// The step of the connect that is under way; none once bytes may go.
    var step = ConnectSteps()
    var socket = OwnedDescriptor()
    var tls: TLSSession?
    /// What the upstream has said so far, at most ``Limits/healthAnswerBytesMax`` bytes.
    var answer: [UInt8] = []

    init(_ service: ServicePlan, _ upstream: UpstreamPlan) {
        self.standing = upstream.standing
        self.service = service
        self.upstream = upstream
        self.machine = UpstreamHealthMachine(HealthRules(service.health))
    }

    /// Sends what is left of the question, and reads.
    func decrypt(
        into buffer: inout TransferBuffer, _ channel: inout TLSChannel
    ) throws(TLSFailure) -> TLSReadOutcome {
        let number = self.socket.number
        _ = try self.tls?.flush(descriptor: number, channel: &channel)
        var room = buffer.mutableSpan
        return try self.tls?.read(into: &room, descriptor: number, channel: &channel)
            ?? .wantsRead
    }

    /// When something is to be done, if no event comes before.
    var wakeTime: Instant {
        min(min(self.nextCheck, self.deadline), self.machine.nextDeadline)
    }

    /// Whether a check speaks TLS.
    var speaksTLS: Bool {
        switch self.service.health.check {
        case .tls, .https: true
        // MySQL's greeting comes before its TLS.
        case .greeting where self.service.serviceProtocol == .mysql: false
        case .off, .tcp, .greeting, .postgres, .http: self.upstream.tls != nil
        }
    }

    /// What a check does before bytes may go, as a connection would.
    var steps: ConnectSteps {
        var steps = ConnectSteps()
        switch self.upstream.proxyHeader {
        case .none: break
        case .v1, .v2: steps.insert(.proxyHeader)
        }
        if self.service.health.check == .tcp { return steps }
        if self.speaksTLS { steps.insert(.tls) }
        let isPostgres = self.service.serviceProtocol == .postgres && self.speaksTLS
        if isPostgres || self.service.health.check == .postgres { steps.insert(.postgresRequest) }
        return steps
    }

    /// TLS settings of a check: the address's own, or such as look at no certificate.
    var tlsSettings: UpstreamPlan.TLS {
        if let tls = self.upstream.tls { return tls }
        let host = self.service.health.host
        return UpstreamPlan.TLS(
            policy: ContentDigest(only: 1), serverName: host,
            serverNameIsAddress: host.isEmpty || IPAddress(host) != nil, verifies: false,
            authoritiesPEM: nil)
    }

    /// What a check offers by ALPN.
    var applicationProtocols: [[UInt8]] {
        switch self.service.health.check {
        case .http, .https: [Array("http/1.1".utf8)]
        case .off, .tcp, .greeting, .postgres, .tls:
            self.service.applicationProtocols.map(\.bytes)
        }
    }

    /// The request of a check that asks for a page.
    var request: [UInt8] {
        let plan = self.service.health
        let host = plan.host.isEmpty ? self.upstream.address.description : plan.host
        return Array(
            """
            GET \(plan.path) HTTP/1.1\r
            Host: \(host)\r
            User-Agent: strait-health\r
            Accept: */*\r
            Connection: close\r
            \r

            """.utf8)
    }
}
