// One accepted downstream and everything that happens to it. Lives in a slab slot of its worker.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import Synchronization

/// One side of a connection: a socket, TLS on it or not, and what it could not take yet.
struct Endpoint: ~Copyable {
    // Says nothing: an atomic member makes the compiler reach endpoints, and so connections, by
    // their address. Without it every read through the subscript by side copies the whole
    // connection, 1 KB, and allocates room for an endpoint (Swift 6.3.1).
    private let place = Atomic<UInt8>(0)
    var socket = OwnedDescriptor()
    /// TLS of ours on this side.
    var tls: TLSSession?
    /// What edge-triggered epoll has announced and no call has contradicted since.
    var isReadable = false
    var isWritable = true
    /// A FIN, RST or urgent data was announced: a read that brings less than asked for is not taken
    /// for the last.
    var sawReadStop = false
    /// Both directions are over, or the connection is broken.
    var sawHangup = false
    /// The socket has failed: nothing goes either way, whether or not it is read from.
    var sawError = false
    /// FIN follows once the pending close_notify has gone.
    var endsAfterFlush = false
    var isRegistered = false
    var isRegisteredForWriting = false
    /// Bytes that come are not announced: there are some already, and the other side takes none.
    var isMuted = false
    /// An event of this side waits in ``Worker/setups``.
    var waitsForSetup = false
    /// Bytes for this side that it could not take, from `pendingOffset` on; at most one receive
    /// buffer.
    var pending: [UInt8] = []
    var pendingOffset = 0
    /// Bytes of payload from and to this side, without TLS.
    var received: UInt64 = 0
    var sent: UInt64 = 0

    var hasPending: Bool { self.pendingOffset < self.pending.count }
}

extension Endpoint {
    /// Decrypts into the worker's buffer, `bytesMax` at most.
    ///
    /// Without TLS there is nothing to decrypt.
    mutating func decrypt(
        into buffer: inout TransferBuffer, bytesMax: Int, _ channel: inout TLSChannel
    ) throws(TLSFailure) -> TLSReadOutcome {
        let number = self.socket.number
        var room = buffer.mutableSpan(bytesMax: bytesMax)
        return try self.tls?.read(
            into: &room, descriptor: number, channel: &channel, endMayHaveCome: self.sawReadStop)
            ?? .wantsRead
    }

    /// Encrypts and sends the first `count` bytes of the buffer; tells how many TLS has taken.
    mutating func encrypt(
        _ buffer: borrowing TransferBuffer, _ count: Int, _ channel: inout TLSChannel
    ) throws(TLSFailure) -> Int {
        let number = self.socket.number
        return try self.tls?.write(
            buffer.span(0..<count), descriptor: number, channel: &channel) ?? 0
    }
}

/// When things happened; ``Instant/zero`` where they did not.
struct Milestones {
    var accepted = Instant.zero
    var firstByte = Instant.zero
    var routed = Instant.zero
    var handshakeStarted = Instant.zero
    var handshaken = Instant.zero
    var connectStarted = Instant.zero
    var connected = Instant.zero
    var firstUpstreamByte = Instant.zero
}

/// What is known of TLS with the downstream once its handshake is done: apart, as many have none.
final class TLSFacts {
    var version = ""
    var cipher = ""
    var group: String?
    var isResumed = false
    var applicationProtocol: [UInt8]?
    var clientCommonName: String?
    var clientFingerprint: String?
    /// DER; kept for the operators' API only.
    var clientCertificate: [UInt8] = []
}

/// The machine that reads the first bytes: apart, since a connection outlives it and is kept small.
final class Peeking {
    var machine: PeekMachine

    init(_ machine: PeekMachine) { self.machine = machine }
}

/// The beginning of a MySQL connection whose TLS ends here: apart, since few have one.
final class MySQLPrelude {
    var machine: MySQLMachine
    /// What each side has sent and the machine has not dealt with.
    var fromDownstream: [UInt8] = []
    var fromUpstream: [UInt8] = []
    /// The upstream's greeting as the downstream gets it.
    var greeting: [UInt8] = []
    /// The upstream's error, which it sent instead.
    var rejection: [UInt8] = []
    /// The downstream's ClientHello is awaited.
    var awaitsHello = false
    /// TLS with the upstream is under way.
    var securesUpstream = false
    /// Packets that have gone to the other side, by who had sent them.
    var passed: (downstream: Int, upstream: Int) = (0, 0)
    /// The rest is the relay's, once both sides have what they were sent.
    var isDone = false

    init(_ machine: MySQLMachine) { self.machine = machine }
}

/// A connection's state.
///
/// A blank one owns nothing.
struct Connection: ~Copyable, SlabElement {
    var id = ConnectionID(rawValue: 0)
    var phase = Phase.accept
    /// ``ListenerPlan/id`` of where it arrived.
    var listener = -1
    /// The tenant's own port that was dialled; 0 where it came by another listener.
    var port: UInt16 = 0
    var downstream = Endpoint()
    var upstream = Endpoint()

    /// The address that policy, records and PROXY headers speak of: after a trusted PROXY header
    /// its source.
    var clientAddress: SocketAddress?
    /// The socket's own peer.
    var peerAddress: SocketAddress?
    /// Where the downstream connected to, when a PROXY header said so.
    var destinationAddress: SocketAddress?

    var peek: Peeking?
    /// All bytes so far while peeking; then those that the upstream, or our TLS, must still get.
    var replay: [UInt8] = []
    var arrivedByPostgresRequest = false
    /// Requests for encryption that were declined inside TLS: 1 is TLS, 2 GSSAPI.
    var declinedRequests: UInt8 = 0
    var serverName: HostName?
    /// A name that could not be read, escaped for the record.
    var unreadableName: String?
    var nameKind: UInt8 = 0
    /// A ClientHello came: TLS may end here, and refusals before it is up are alerts.
    var offersTLS = false
    var tlsFacts: TLSFacts?

    var service: ServicePlan?
    var connect = ConnectMachine(attemptsMax: 0)
    /// Whether it counts among the open connections of the address that it tries or has.
    var countsForUpstream = false
    /// The step that is under way with the upstream's address.
    var connectStep = ConnectSteps()
    /// Addresses to use instead of the service's: a cancel's target.
    var onlyUpstream: UpstreamPlan?
    var isCancel = false
    /// Our own key in the registry of cancels.
    var cancelKey: CancelKey?
    var keyRewriter: KeyRewriter?
    /// A refusal that waits for the handshake, because only then the protocol's own error can be
    /// sent.
    var deferredRefusal: CloseReason.Kind?

    /// From the upstream's greeting to the end of authentication.
    var mysql: MySQLPrelude?

    var relay = RelayMachine()
    var upMode = TransferMode()
    var downMode = TransferMode()
    var upPipe: PipePool.Box?
    var downPipe: PipePool.Box?

    var milestones = Milestones()
    var lastActivity = Instant.zero
    var deadline = Instant.never
    var hasKeepalive = false
    /// Whether the record is written and the end counted: once.
    var isRecorded = false
    var isQueued = false
    /// What it uses of its tenant's limits, where there are some.
    var metered: MeteredUse?
    /// Whether the bytes that it relays are limited.
    var limitsBytes = false
    /// Whether it counts among the tenant's open connections.
    var countsForTenant = false
    /// What its tenant's totals have of its bytes already.
    var countedIn: UInt64 = 0
    var countedOut: UInt64 = 0
    var revision: UInt64 = 0

    /// Why it ends; set once, when ending begins.
    var reason: CloseReason?
    /// The phase in which ending began.
    var endedIn = Phase.accept
    /// A sentence for the operator: what a library or the kernel said.
    var detail: String?
    /// Whether the downstream is read from after our FIN, so that a refusal reaches it.
    var lingers = true
    /// Bytes read while lingering.
    var lingeredBytes = 0
    /// One side is broken, and the other gets what had come before.
    var delivery: DeliveryMachine?
    /// The alert that ended TLS, and who sent it.
    var alert: UInt8?
    var alertSide = CloseReason.Side.local

    init() {}
}

/// Which endpoint of a connection.
enum EndpointSide: UInt8 {
    case downstream = 0
    case upstream = 1

    var other: EndpointSide { self == .downstream ? .upstream : .downstream }
}

extension Connection {
    /// The endpoint of one side.
    subscript(side: EndpointSide) -> Endpoint {
        _read {
            switch side {
            case .downstream: yield self.downstream
            case .upstream: yield self.upstream
            }
        }
        _modify {
            switch side {
            case .downstream: yield &self.downstream
            case .upstream: yield &self.upstream
            }
        }
    }

    /// The upstream address that is being tried, or was reached.
    var upstreamPlan: UpstreamPlan? {
        if let only = self.onlyUpstream { return only }
        guard let service = self.service, self.connect.address < service.upstreams.count else {
            return nil
        }
        return service.upstreams[self.connect.address]
    }

    /// Whether large reads come one after the other, in either direction.
    var isBulk: Bool { self.upMode.isBulk || self.downMode.isBulk }

    /// Whose turn its work is, where turns are by tenant.
    var flow: ObjectIdentifier? { self.service.map { ObjectIdentifier($0.tenant.usage) } }

    /// The counters that this connection belongs to.
    var metricsSlot: Int { self.service?.metricsSlot ?? 0 }
}
