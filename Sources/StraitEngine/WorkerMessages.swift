// The two doors of a worker: commands in, reports out. Nothing else crosses the thread's border.

package import StraitCore
internal import StraitPosix
package import StraitSnapshot
internal import StraitState

/// A bound, listening socket that every worker shares.
package struct ListenerSocket: Hashable, Sendable {
    /// The ``ListenerPlan/id`` that it serves, or a number that says that it is of tenants' ports.
    package var id: Int
    /// The descriptor, owned by the control plane, which closes it after every worker has let go.
    package var descriptor: Int32

    /// A socket that is bound, listens and does not block.
    package init(id: Int, descriptor: Int32) {
        self.id = id
        self.descriptor = descriptor
    }

    /// Numbers from here on are of sockets of ``Snapshot/portListener``, which may have many.
    static let firstOfPorts = 1 << 24

    /// One of the sockets of tenants' ports, 0 to 65,535 and a few.
    package init(ofPorts place: Int, descriptor: Int32) {
        self.init(id: Self.firstOfPorts + place, descriptor: descriptor)
    }

    /// Whether a number is of a socket of tenants' ports.
    static func isOfPorts(_ id: Int) -> Bool { id >= self.firstOfPorts }
}

/// What the control plane asks of a worker.
package enum WorkerCommand: Sendable {
    /// Obey this snapshot from now on; `sockets` is the whole list, what is missing is let go.
    case apply(Snapshot, sockets: [ListenerSocket])
    /// Accept nothing more; end what is still open when `deadline` (monotonic) has passed.
    case drain(deadline: Instant)
    /// Take a drain back; a snapshot that comes next says where to listen again.
    case resume
    /// Answer, to show that the loop turns.
    case ping(token: UInt64)
    /// Report the counters.
    case collectMetrics(token: UInt64)
    /// Report open connections, at most `limit`.
    case listConnections(token: UInt64, limit: Int)
    /// Report what is known of one connection, open or lately ended.
    case findConnection(token: UInt64, id: ConnectionID)
    /// End one connection.
    case closeConnection(token: UInt64, id: ConnectionID)
    /// Another worker holds a CancelRequest whose key was given out here: tell it what it stands
    /// for.
    case askCancelTarget(CancelQuestion)
    /// The answer to one's own question.
    case tellCancelTarget(CancelQuestion, CancelTarget?)
    /// Report what a cancel key stands for that another process of this router was asked for.
    case findCancelTarget(token: UInt64, CancelKey)
    /// End the thread once nothing is open, or at once.
    case stop
}

/// What a worker tells the control plane.
package enum WorkerReport: Sendable {
    /// The snapshot is obeyed, and the sockets that it no longer names are let go.
    case applied(worker: Int, revision: UInt64)
    /// Nothing is open any more after a drain.
    case drained(worker: Int)
    /// Answer to `ping`.
    case pong(token: UInt64, worker: Int)
    /// Answer to `collectMetrics`.
    case metrics(token: UInt64, WorkerMetrics)
    /// Answer to `listConnections`.
    case connections(token: UInt64, [ConnectionSummary])
    /// Answer to `findConnection`: the access record as JSON, and whether it is still open. Nil:
    /// not known.
    case found(token: UInt64, FoundConnection?)
    /// Answer to `closeConnection`: whether it was open.
    case closed(token: UInt64, Bool)
    /// Answer to `findCancelTarget`; nil where the key was not given out by this worker.
    case cancelTarget(token: UInt64, FoundCancelTarget?)
    /// A CancelRequest whose key nobody here has given out; another process of this router may
    /// have. To be answered by ``WorkerCommand/tellCancelTarget(_:_:)``.
    case cancelUnknown(CancelQuestion)
    /// Whole access records, one JSON object a line.
    case accessRecords([UInt8])
    /// Something that an operator should read. Rate-limited by the worker.
    case log(WorkerLog)
    /// An address of a service stands otherwise than before. Rate-limited.
    case health(HealthTurn)
    /// The thread has ended.
    case stopped(worker: Int)
}

/// One line for the operator's log.
package struct WorkerLog: Sendable {
    /// Whether something is about to go wrong, or has.
    package enum Level: Sendable { case warning, error }
    /// How bad it is.
    package var level: Level
    /// Index of the worker that says it, from 0.
    package var worker: Int
    /// One sentence without line breaks, secrets and payload.
    package var message: String
    /// How many of the same kind were left out since the last one.
    package var suppressed: UInt64

    /// A line; `suppressed` is 0 where none of its kind was left out.
    package init(level: Level, worker: Int, message: String, suppressed: UInt64 = 0) {
        self.level = level
        self.worker = worker
        self.message = message
        self.suppressed = suppressed
    }
}

/// One connection in a list.
package struct ConnectionSummary: Sendable {
    /// Its id, as records carry it.
    package var id: ConnectionID
    /// Index of the worker that holds it, from 0.
    package var worker: Int
    /// Where it is in its life.
    package var phase: Phase
    /// Who dialled us: after a trusted PROXY header its source; nil where unknown.
    package var clientAddress: SocketAddress?
    /// The host name that was asked for, canonical; nil where none was.
    package var serverName: String?
    /// The tenant's name, once routed.
    package var tenant: String?
    /// The service's name, once routed.
    package var service: String?
    /// The address that is dialled or was reached.
    package var upstream: SocketAddress?
    /// How long ago it was accepted.
    package var ageNanoseconds: UInt64
    /// Bytes that came from the downstream.
    package var bytesReceived: UInt64
    /// Bytes that went to the downstream.
    package var bytesSent: UInt64

    /// One row of the list; see the properties.
    package init(
        id: ConnectionID, worker: Int, phase: Phase, clientAddress: SocketAddress?,
        serverName: String?, tenant: String?, service: String?, upstream: SocketAddress?,
        ageNanoseconds: UInt64, bytesReceived: UInt64, bytesSent: UInt64
    ) {
        self.id = id
        self.worker = worker
        self.phase = phase
        self.clientAddress = clientAddress
        self.serverName = serverName
        self.tenant = tenant
        self.service = service
        self.upstream = upstream
        self.ageNanoseconds = ageNanoseconds
        self.bytesReceived = bytesReceived
        self.bytesSent = bytesSent
    }
}

/// What a worker knows of one connection.
package struct FoundConnection: Sendable {
    /// Whether it is open; otherwise it is among the latest that ended.
    package var isOpen: Bool
    /// The access record as it stands now: one JSON object.
    package var recordJSON: [UInt8]

    /// An answer; `recordJSON` has no line break.
    package init(isOpen: Bool, recordJSON: [UInt8]) {
        self.isOpen = isOpen
        self.recordJSON = recordJSON
    }
}

/// One worker's question to another, or to another process.
package struct CancelQuestion: Sendable {
    /// The worker that asks.
    package var asker: Int
    /// Its connection that holds the CancelRequest.
    var token: SlabToken
    /// What is asked for.
    package var key: CancelKey
    /// What its source may do; see ``CancelBudget``.
    var permit: CancelBudget.Permit
    /// Whether other processes have been asked.
    var wasAskedElsewhere = false
}

/// What a CancelRequest names.
package struct CancelKey: Hashable, Sendable {
    /// The upstream's, which the downstream was told.
    package var processID: UInt32
    /// 4 to 256 bytes that we gave out.
    package var bytes: [UInt8]

    /// See the properties.
    package init(processID: UInt32, bytes: [UInt8]) {
        self.processID = processID
        self.bytes = bytes
    }
}

/// What a cancel key that we gave out stands for.
package struct CancelTarget: Sendable {
    var service: ServicePlan
    var upstream: UpstreamPlan
    /// The upstream's own key.
    var key: [UInt8]
    /// Where the query's connection came from.
    var source: SourcePrefix

    /// See the properties.
    package init(
        service: ServicePlan, upstream: UpstreamPlan, key: [UInt8], source: SourcePrefix
    ) {
        self.service = service
        self.upstream = upstream
        self.key = key
        self.source = source
    }
}

/// The same for another process, whose plans are its own.
package struct FoundCancelTarget: Sendable {
    /// The tenant's name.
    package var tenant: String
    /// The service's name.
    package var service: String
    /// Where the query runs.
    package var upstream: SocketAddress
    /// The upstream's own key.
    package var key: [UInt8]
    /// Where the query's connection came from.
    package var source: SourcePrefix

    init(_ target: CancelTarget) {
        self.tenant = target.service.tenant.name
        self.service = target.service.name
        self.upstream = target.upstream.address
        self.key = target.key
        self.source = target.source
    }
}
