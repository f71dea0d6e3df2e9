// The access record: what happened to one connection, in the names of OpenTelemetry's conventions
// and our own.
//
// Kept as a value, written as JSON only where somebody reads it. Never payload, query text or
// secrets. Names that a stranger chose are canonical or escaped, and cut.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState

/// What is told of one connection, taken from its slot when it ends, or while it is open.
struct AccessRecord {
    var wallNanoseconds: UInt64
    var now: Instant
    var router: String
    var region: String
    var id: ConnectionID
    var listenerName: String
    var listenerPort: UInt16
    var clientAddress: SocketAddress?
    var peerAddress: SocketAddress?
    var serverName: HostName?
    var unreadableName: String?
    var nameKind: UInt8
    /// Names and not the plan itself, which would keep a removed tenant's keys in memory.
    var tenant: String?
    var serviceName: String?
    var mode: ServiceMode?
    var serviceProtocol: ServiceProtocol?
    var revision: UInt64
    var upstream: SocketAddress?
    /// Addresses that were tried.
    var attempts: Int
    var isCancel: Bool
    var tls: TLSFacts?
    var phase: Phase
    var reason: CloseReason?
    var alert: UInt8?
    var detail: String?
    var downstreamReceived: UInt64
    var downstreamSent: UInt64
    var upstreamReceived: UInt64
    var upstreamSent: UInt64
    var milestones: Milestones
    /// How long limits of bytes have held its directions; 0: they have not.
    var heldNanoseconds: UInt64
}

extension Worker {
    /// Keeps the record of a connection that ends, and writes it where that is asked for.
    mutating func record(_ index: Int) {
        let plan = self.snapshot?.access ?? AccessPlan()
        guard plan.isWritten || plan.recent > 0 else { return }
        self.log.append(
            self.accessRecord(index), isWritten: plan.isWritten, recentMax: plan.recent)
    }

    /// The record as things stand now.
    func accessRecord(_ index: Int) -> AccessRecord {
        let connection = self.connections.reference(index)
        let listener = self.listeners[connection.value.listener]?.plan
        let hasDialled = connection.value.milestones.connectStarted > .zero
        let hasEnded = connection.value.reason != nil
        return AccessRecord(
            wallNanoseconds: wallClockNanoseconds(), now: self.now,
            router: self.snapshot?.router ?? "", region: self.snapshot?.region ?? "",
            id: connection.value.id, listenerName: listener?.name ?? "",
            listenerPort: connection.value.port > 0
                ? connection.value.port : listener?.address.port ?? 0,
            clientAddress: connection.value.clientAddress,
            peerAddress: connection.value.peerAddress, serverName: connection.value.serverName,
            unreadableName: connection.value.unreadableName,
            nameKind: connection.value.nameKind, tenant: connection.value.service?.tenant.name,
            serviceName: connection.value.service?.name, mode: connection.value.service?.mode,
            serviceProtocol: connection.value.service?.serviceProtocol,
            revision: connection.value.revision,
            upstream: hasDialled ? connection.value.upstreamPlan?.address : nil,
            attempts: connection.value.connect.attempts,
            isCancel: connection.value.isCancel, tls: connection.value.tlsFacts,
            phase: hasEnded ? connection.value.endedIn : connection.value.phase,
            reason: connection.value.reason, alert: connection.value.alert,
            detail: connection.value.detail,
            downstreamReceived: connection.value.downstream.received,
            downstreamSent: connection.value.downstream.sent,
            upstreamReceived: connection.value.upstream.received,
            upstreamSent: connection.value.upstream.sent, milestones: connection.value.milestones,
            heldNanoseconds: connection.value.metered?.heldNanoseconds ?? 0)
    }
}

extension AccessRecord {
    /// The record as one JSON object.
    var json: [UInt8] {
        var json = JSONWriter(capacity: 1024)
        json.member("timestamp", ascii: timestampText(wallNanoseconds: self.wallNanoseconds))
        json.member("event.name", "strait.connection")
        json.member("service.name", "strait")
        json.member("service.instance.id", self.router)
        json.member("strait.region", self.region)
        json.member("strait.connection.id", ascii: self.id.textBytes)
        json.member("strait.final", self.reason != nil)
        self.writeAddresses(&json)
        self.writeRoute(&json)
        self.writeTLS(&json)
        self.writeEnd(&json)
        self.writeCounts(&json)
        json.end()
        return json.bytes
    }

    private func writeAddresses(_ json: inout JSONWriter) {
        if let source = self.clientAddress {
            json.member("client.address", source.address?.description ?? source.description)
            json.member("client.port", UInt64(source.port))
            json.member("network.type", source.address.map { $0.isIPv4 ? "ipv4" : "ipv6" })
        }
        if let peer = self.peerAddress, peer != self.clientAddress {
            json.member("network.peer.address", peer.address?.description ?? peer.description)
            json.member("network.peer.port", UInt64(peer.port))
        }
        json.member("strait.listener", self.listenerName)
        json.member("server.port", UInt64(self.listenerPort))
    }

    private func writeRoute(_ json: inout JSONWriter) {
        json.member("server.address", self.serverName?.description)
        json.member("strait.name.unreadable", self.unreadableName)
        if let kind = NameKind(rawValue: self.nameKind), kind != .none {
            json.member("strait.name.kind", "\(kind)")
        }
        json.member("strait.tenant", self.tenant)
        json.member("strait.service", self.serviceName)
        json.member("strait.mode", self.mode?.rawValue)
        json.member("network.protocol.name", self.serviceProtocol?.networkName)
        json.member("strait.revision", self.revision)
        json.member("strait.upstream.address", self.upstream?.description)
        if self.attempts > 0 { json.member("strait.upstream.attempts", UInt64(self.attempts)) }
        if self.isCancel { json.member("strait.postgres.cancel", true) }
    }

    private func writeTLS(_ json: inout JSONWriter) {
        guard let facts = self.tls else { return }
        json.member("tls.protocol.version", facts.version)
        json.member("tls.cipher", facts.cipher)
        json.member("tls.curve", facts.group)
        json.member("tls.resumed", facts.isResumed)
        if let chosen = facts.applicationProtocol {
            json.member("tls.next_protocol", escapedText(chosen.span, bytesMax: 64))
        }
        if let name = facts.clientCommonName {
            json.member("tls.client.subject", name)
            json.member("user.name", name)
        }
        json.member("tls.client.hash.sha256", facts.clientFingerprint)
    }

    private func writeEnd(_ json: inout JSONWriter) {
        json.member("strait.phase", self.phase.name)
        guard let reason = self.reason else { return }
        json.member("strait.side", reason.side.name)
        json.member("strait.reason", reason.kind.rawValue)
        json.member("strait.check", reason.kind.check?.rawValue)
        if !reason.isOrderly { json.member("error.type", reason.kind.rawValue) }
        json.member("strait.tls.alert", self.alert.map(UInt64.init))
        json.member("strait.detail", self.detail)
    }

    private func writeCounts(_ json: inout JSONWriter) {
        json.member("strait.bytes.downstream.received", self.downstreamReceived)
        json.member("strait.bytes.downstream.sent", self.downstreamSent)
        json.member("strait.bytes.upstream.received", self.upstreamReceived)
        json.member("strait.bytes.upstream.sent", self.upstreamSent)
        if self.heldNanoseconds > 0 {
            json.member("strait.limits.delay_us", self.heldNanoseconds / 1000)
        }
        let times = self.milestones
        func micros(_ start: Instant, _ end: Instant) -> UInt64? {
            start > .zero && end >= start ? end.nanoseconds(since: start) / 1000 : nil
        }
        json.member("strait.phases.peek_us", micros(times.accepted, times.routed))
        json.member("strait.phases.handshake_us", micros(times.handshakeStarted, times.handshaken))
        json.member("strait.phases.connect_us", micros(times.connectStarted, times.connected))
        json.member("strait.phases.first_byte_us", micros(times.accepted, times.firstUpstreamByte))
        json.member("duration_us", micros(times.accepted, self.now))
    }
}

extension ServiceProtocol {
    /// The registered name, as OpenTelemetry's `network.protocol.name` has it.
    fileprivate var networkName: String {
        switch self {
        case .ssh: "ssh"
        case .kubernetes: "kubernetes"
        case .postgres: "postgresql"
        case .mysql: "mysql"
        case .web: "http"
        case .tcp: "tcp"
        }
    }
}
