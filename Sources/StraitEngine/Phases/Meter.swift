// Meter: what a tenant's limits, and those of each source, let a connection do. Who may not begin
// is refused; who is open and sends or gets too much waits, and nothing is read for it meanwhile.
//
// Reading is what is put off: back-pressure does the rest. A direction that is held waits in a
// queue that is fair by the limit that holds it; ten milliseconds later the limit lets go of as
// many as it has room for. What has been read is charged afterwards, so a limit is passed by no
// more than one read of each worker, and made up for.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState

/// What a connection uses of its tenant's limits: apart, since many tenants have none.
final class MeteredUse {
    let limits: TenantLimits
    /// Where its source is counted; nil where sources are not limited, or it is not counted any
    /// more.
    var place: SourceTable.Place?
    /// Since when each direction is held; ``Instant/zero``: it is not.
    var upHeldSince = Instant.zero
    var downHeldSince = Instant.zero
    /// How long directions were held in all.
    var heldNanoseconds: UInt64 = 0

    init(_ limits: TenantLimits) { self.limits = limits }

    /// Since when a direction is held.
    subscript(direction: RelayDirection) -> Instant {
        get { direction.isUp ? self.upHeldSince : self.downHeldSince }
        set {
            if direction.isUp { self.upHeldSince = newValue } else { self.downHeldSince = newValue }
        }
    }
}

/// The limit that holds a direction: a tenant's, or that of one source.
struct HeldFlow: Hashable {
    var limits: ObjectIdentifier
    var place: SourceTable.Place?
    var isUp: Bool
}

/// A direction of a connection that is held.
struct HeldDirection {
    var token: SlabToken
    var direction: RelayDirection
    var isOfSource: Bool
}

extension Worker {
    /// How long a direction that is held waits at least.
    static var meterTickNanoseconds: UInt64 { 10_000_000 }
    /// Directions that one limit lets go in a turn; beyond, the next turn goes on.
    private static var resumesPerTurn: Int { 256 }

    // MARK: Admission

    /// Which limit a connection would pass, after what it uses was counted; nil: none.
    ///
    /// Those of the source come first: one source that floods takes nothing from what its tenant's
    /// others may do.
    mutating func exceededLimit(
        _ index: Int, _ limits: TenantLimits, open: Int, signs: Bool
    ) -> CloseReason.Kind? {
        let connection = self.connections.reference(index)
        let use = MeteredUse(limits)
        connection.value.metered = use
        connection.value.limitsBytes = limits.limitsBytes
        if let address = connection.value.clientAddress?.address,
            let (place, count) = limits.opened(SourcePrefix(address), at: self.now)
        {
            use.place = place
            let most = limits.perSource.connections
            if most > 0, count > most { return .sourceConnectionLimit }
            guard limits.admitsConnection(of: place, at: self.now) else { return .sourceRateLimit }
        }
        let most = limits.whole.connections
        if most > 0, open > most { return .connectionLimit }
        guard limits.admitsConnection(at: self.now) else { return .rateLimit }
        guard signs else { return nil }
        if let place = use.place, !limits.admitsHandshake(of: place, at: self.now) {
            return .sourceHandshakeLimit
        }
        return limits.admitsHandshake(at: self.now) ? nil : .handshakeLimit
    }

    // MARK: Bytes

    /// How many bytes may be read now in a direction; nil: none, and it is held.
    mutating func room(_ index: Int, _ direction: RelayDirection) -> Int? {
        let connection = self.connections.reference(index)
        guard let use = connection.value.metered else { return self.buffer.count }
        guard use[direction] == .zero else { return nil }
        let (count, isOfSource) = use.limits.availableBytes(
            isUp: direction.isUp, use.place, at: self.now)
        guard count == 0 else { return Int(clamping: count) }
        use[direction] = self.now
        self.forgetEndedHeld()
        let held = HeldDirection(
            token: self.connections.token(index), direction: direction, isOfSource: isOfSource)
        self.held.append(
            held,
            of: HeldFlow(
                limits: ObjectIdentifier(use.limits), place: isOfSource ? use.place : nil,
                isUp: direction.isUp))
        if self.meterTick == .never {
            self.meterTick = self.now.advanced(byNanoseconds: Self.meterTickNanoseconds)
        }
        return nil
    }

    /// Charges what was read.
    func meter(_ index: Int, _ direction: RelayDirection, _ count: Int) {
        let connection = self.connections.reference(index)
        guard let use = connection.value.metered else { return }
        use.limits.chargeBytes(count, isUp: direction.isUp, use.place, at: self.now)
    }

    /// Lets directions go that were held, one limit after the other.
    mutating func runHeld() {
        guard self.meterTick <= self.now else { return }
        self.meterTick = .never
        var isUnfinished = false
        for _ in 0..<self.held.flowCount {
            guard let flow = self.held.nextTurn() else { break }
            isUnfinished = self.release(flow) || isUnfinished
        }
        guard !self.held.isEmpty else { return }
        let wait = isUnfinished ? 0 : Self.meterTickNanoseconds
        self.meterTick = self.now.advanced(byNanoseconds: wait)
    }

    /// Lets directions go that a limit holds, until it holds one again.
    ///
    /// True: it might let more go in the next turn.
    private mutating func release(_ flow: HeldFlow) -> Bool {
        for _ in 0..<Self.resumesPerTurn {
            guard let held = self.held.popFirst(of: flow) else { return false }
            guard let index = self.connections.index(of: held.token) else { continue }
            let connection = self.connections.reference(index)
            guard let use = connection.value.metered, connection.value.phase == .relay else {
                continue
            }
            let wait = self.now.nanoseconds(since: use[held.direction])
            use[held.direction] = .zero
            use.heldNanoseconds &+= wait
            let key = WorkerMetrics.DelayKey(
                slot: connection.value.metricsSlot, isUp: held.direction.isUp,
                isOfSource: held.isOfSource)
            self.metrics.limitDelays[key, default: 0] &+= wait
            connection.value.lastActivity = self.now
            self.relay(index)
            // Its slot may be empty by now; the value of its use is good still.
            if use[held.direction] != .zero { return false }
        }
        return true
    }

    /// Connections that end while they are held stay in the queue until their turn: once those are
    /// more than half of it, they go.
    private mutating func forgetEndedHeld() {
        guard self.held.count > 2 * self.connections.count + 256 else { return }
        var kept = FairQueue<HeldFlow, HeldDirection>()
        while let flow = self.held.nextTurn() {
            guard let held = self.held.popFirst(of: flow) else { continue }
            if self.connections.index(of: held.token) != nil { kept.append(held, of: flow) }
        }
        self.held = kept
    }
}

extension Connection {
    /// Whether a limit holds a direction.
    func isHeld(_ direction: RelayDirection) -> Bool {
        self.limitsBytes && (self.metered?[direction] ?? .zero) != .zero
    }
}
