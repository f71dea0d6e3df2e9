// A worker's counters. Plain values of its own; the control plane asks for a copy and adds the
// workers up.

package import StraitCore
internal import StraitWire

/// Everything that one worker has counted since it started.
///
/// "Slot" is ``ServicePlan/metricsSlot``; slot 0 stands for connections that no service is known
/// of.
package struct WorkerMetrics: Sendable {
    /// What closed connections are counted by.
    package struct CloseKey: Hashable, Sendable {
        /// The service's slot when it ended.
        package var slot: Int
        /// The phase in which it ended.
        package var phase: Phase
        /// Who ended it, and why.
        package var reason: CloseReason
        /// One series of ``closed``.
        package init(slot: Int, phase: Phase, reason: CloseReason) {
            self.slot = slot
            self.phase = phase
            self.reason = reason
        }
    }
    /// What completed TLS handshakes with downstreams are counted by.
    package struct HandshakeKey: Hashable, Sendable {
        /// The service's slot.
        package var slot: Int
        /// `1.2` or `1.3`.
        package var version: String
        /// Whether a ticket took the place of certificates.
        package var isResumed: Bool
        /// Whether a verified certificate of the downstream belongs to the connection.
        package var hasClientCertificate: Bool
        /// One series of ``handshakes``.
        package init(slot: Int, version: String, isResumed: Bool, hasClientCertificate: Bool) {
            self.slot = slot
            self.version = version
            self.isResumed = isResumed
            self.hasClientCertificate = hasClientCertificate
        }
    }
    /// What TLS alerts are counted by.
    package struct AlertKey: Hashable, Sendable {
        /// The service's slot; 0 where none was known yet.
        package var slot: Int
        /// Who sent the alert.
        package var side: CloseReason.Side
        /// The alert's number, where RFC 8446 §6 or RFC 5246 §7.2 has a name for it; nil: some
        /// other one, which peers may choose at will.
        package let alert: UInt8?
        /// One series of ``alerts``.
        package init(slot: Int, side: CloseReason.Side, alert: UInt8) {
            self.slot = slot
            self.side = side
            self.alert = TLSAlert(rawValue: alert)?.rawValue
        }
    }
    /// What the durations of phases are counted by.
    package struct PhaseKey: Hashable, Sendable {
        /// The service's slot.
        package var slot: Int
        /// The phase that lasted.
        package var phase: Phase
        /// One series of ``phaseDuration``.
        package init(slot: Int, phase: Phase) {
            self.slot = slot
            self.phase = phase
        }
    }
    /// What failed attempts to connect are counted by.
    package struct ConnectErrorKey: Hashable, Sendable {
        /// ``UpstreamPlan/metricsSlot`` of the address.
        package var slot: Int
        /// Why this address did not do.
        package var reason: CloseReason.Kind
        /// One series of ``connectErrors``.
        package init(slot: Int, reason: CloseReason.Kind) {
            self.slot = slot
            self.reason = reason
        }
    }
    /// What the time is counted by that limits held reading back.
    package struct DelayKey: Hashable, Sendable {
        /// The service's slot.
        package var slot: Int
        /// Whether bytes from the downstream were held.
        package var isUp: Bool
        /// Whether it was the limit of a source and not of the whole tenant.
        package var isOfSource: Bool
        /// One series of ``limitDelays``.
        package init(slot: Int, isUp: Bool, isOfSource: Bool) {
            self.slot = slot
            self.isUp = isUp
            self.isOfSource = isOfSource
        }
    }
    /// Bytes of one service; advanced while its connections are open.
    package struct Bytes: Sendable {
        /// Bytes from downstreams, of what is relayed: inside TLS where TLS ends here.
        package var downstreamReceived: UInt64 = 0
        /// Bytes to downstreams, with what refusals say in plain text.
        package var downstreamSent: UInt64 = 0
        /// Bytes from upstreams, of what is relayed.
        package var upstreamReceived: UInt64 = 0
        /// Bytes to upstreams, of what is relayed.
        package var upstreamSent: UInt64 = 0
        /// Nothing yet.
        package init() {}
    }
    /// Counts in log2 buckets of microseconds: bucket i counts values below 2^i µs, i in 0..<48.
    package struct Histogram: Sendable {
        /// Not cumulative; the last one counts all that is longer, too.
        package var buckets: [UInt64] = Array(repeating: 0, count: 48)
        /// The sum of all values.
        package var sumNanoseconds: UInt64 = 0
        /// Nothing yet.
        package init() {}

        /// Counts one value.
        package mutating func record(nanoseconds: UInt64) {
            let micros = nanoseconds / 1000
            let bucket = min(64 - micros.leadingZeroBitCount, self.buckets.count - 1)
            self.buckets[bucket] += 1
            self.sumNanoseconds &+= nanoseconds
        }
    }

    /// Index of the worker, from 0.
    package var worker: Int
    /// Connections accepted, by ``ListenerPlan/id``.
    package var accepted: [Int: UInt64] = [:]
    /// Open connections by slot.
    package var open: [Int: Int] = [:]
    /// Open connections that are not routed yet.
    package var unrouted = 0
    /// Connections that have ended.
    package var closed: [CloseKey: UInt64] = [:]
    /// TLS handshakes with downstreams that were completed.
    package var handshakes: [HandshakeKey: UInt64] = [:]
    /// TLS alerts that were sent or came.
    package var alerts: [AlertKey: UInt64] = [:]
    /// By slot.
    package var bytes: [Int: Bytes] = [:]
    /// Nanoseconds that relays waited for a limit of bytes.
    package var limitDelays: [DelayKey: UInt64] = [:]
    /// Attempts that failed.
    package var connectErrors: [ConnectErrorKey: UInt64] = [:]
    /// Attempts at another address after one had failed, by ``ServicePlan/metricsSlot``.
    package var connectRetries: [Int: UInt64] = [:]
    /// Sockets to upstreams by TCP that are open, by ``UpstreamPlan/metricsSlot``: a source's port
    /// each.
    package var upstreamSockets: [Int: Int] = [:]
    /// Connects that found no port left at a source, or no such source.
    package var sourcesExhausted: UInt64 = 0
    /// By ``UpstreamPlan/metricsSlot`` of the address that answered: from the first attempt on any
    /// address to the start of the relay.
    package var connectDuration: [Int: Histogram] = [:]
    /// Whole connections, from accept to close, by slot.
    package var connectionDuration: [Int: Histogram] = [:]
    /// How long phases lasted.
    package var phaseDuration: [PhaseKey: Histogram] = [:]
    /// Time that was not spent waiting for events.
    package var busyNanoseconds: UInt64 = 0
    /// How long turns of the loop took, from waking with events to waiting again.
    package var turnDuration = Histogram()
    /// Lines for the operator that were left out because the same was said lately.
    package var logLinesSuppressed: UInt64 = 0
    /// How often accepting paused because descriptors or memory had run out.
    package var acceptPauses: UInt64 = 0
    /// Listeners that are known: those that are open, and those that are not but that open
    /// connections came by.
    package var listeners = 0
    /// Messages that found no room in this worker's mailbox.
    package var mailboxRefusals: UInt64 = 0
    /// TLS contexts that are kept; at most ``Limits/tlsContextsMax``.
    package var tlsContexts = 0
    /// Splice pipes in use; at most ``Limits/pipesMax``.
    package var pipesOpen = 0
    /// Names that led nowhere, all in one number.
    package var unknownNames: UInt64 = 0

    /// A worker that has just started.
    package init(worker: Int) { self.worker = worker }
}
