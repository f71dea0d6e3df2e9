// One thread, one loop, and all that it owns. Born on its thread; nothing of it leaves but reports.
//
// A turn: wait for events, bring established connections as far as they go, one tenant after the
// other, then for a while those that are being made, a handshake step, large reads, timers,
// commands. What a connection does in each phase stands in Phases/.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS

/// A worker's state.
struct Worker: ~Copyable {
    let index: Int
    let mailboxes: [Mailbox<WorkerCommand>]
    let shared: SharedCounts
    let health: Mailbox<HealthCommand>
    let reports: @Sendable (WorkerReport) -> Void

    let poller: Poller
    var connections: Slab<Connection>
    var timers: TimerWheel
    var buffer = TransferBuffer(count: Limits.receiveBufferBytes)
    var channel: TLSChannel
    var contexts = TLSContextCache()
    var pipes: PipePool
    var cancels: CancelRegistry
    var cancelBudget = CancelBudget()
    /// The addresses that a choice is made among; empty between choices.
    var candidates: [UpstreamCandidate] = []
    var chance = Chance()

    var snapshot: Snapshot?
    var listeners: [Int: ListenerState] = [:]
    var metrics: WorkerMetrics
    var log: AccessLog
    var complaints = ComplaintLimiter()

    /// The loop's time, read once a turn.
    var now = monotonicNow()
    /// Connections whose handshake has something to do: fair by tenant, oldest first.
    var handshakes = FairQueue<ObjectIdentifier?, SlabToken>()
    /// Established connections that something happened to: fair by tenant, oldest first.
    var relays = FairQueue<ObjectIdentifier?, SlabToken>()
    /// Whom the turn's other events were of.
    var others: [UInt64] = []
    /// Events of connections that are being made, for which a turn had no time: fair by tenant.
    var setups = FairQueue<ObjectIdentifier?, UInt64>()
    /// Relays with large reads: behind the small messages of a turn, fair by tenant.
    var bulk = FairQueue<ObjectIdentifier?, SlabToken>()
    /// Connections whose budget for this turn was used up.
    var unfinished = TokenQueue()
    var expired: [Int] = []
    var nextConnectionNumber: UInt64
    /// Connections that may be driven out by others.
    var unrouted = UnroutedTable()
    /// Directions of relays that wait until a limit lets them read.
    var held = FairQueue<HeldFlow, HeldDirection>()
    /// When those are looked at again; ``Instant/never``: there are none.
    var meterTick = Instant.never
    var acceptPausedUntil: Instant?
    var drainDeadline: Instant?
    var saidDrained = false
    /// Questions after cancel keys that wait for other processes.
    var cancelsAskedElsewhere = 0
    var isStopping = false

    /// The body of a worker's thread.
    static func live(_ setup: WorkerSetup) {
        do {
            var worker = try Worker(setup)
            worker.run()
            setup.reports(.stopped(worker: setup.index))
        } catch {
            setup.reports(
                .log(WorkerLog(level: .error, worker: setup.index, message: "worker: \(error)")))
            setup.reports(.stopped(worker: setup.index))
        }
    }

    private init(_ setup: WorkerSetup) throws {
        let poller = try Poller(eventsMax: Limits.eventsPerTurn)
        let connections = try Slab<Connection>(capacity: setup.shared.connectionsMax)
        let channel = try TLSChannel()
        try poller.addLevel(
            setup.mailboxes[setup.index].descriptor, token: EventToken.mailbox.rawValue)
        self.index = setup.index
        self.cancels = CancelRegistry(worker: setup.index, workers: setup.mailboxes.count)
        self.mailboxes = setup.mailboxes
        self.shared = setup.shared
        self.health = setup.health
        self.reports = setup.reports
        self.poller = poller
        self.connections = connections
        self.timers = TimerWheel(now: self.now)
        self.channel = channel
        self.pipes = PipePool(
            idleMax: Limits.pooledPipesMax, usedMax: setup.shared.pipesMax,
            bytes: Limits.pipeBytes)
        self.metrics = WorkerMetrics(worker: setup.index)
        self.log = AccessLog(reports: setup.reports)
        // Ids of successive processes differ: they begin at the wall clock's microsecond.
        self.nextConnectionNumber = wallClockNanoseconds() / 1000 << 3
    }

    private mutating func run() {
        while !self.isStopping || self.connections.count > 0 {
            let count = self.poller.wait(milliseconds: self.waitMilliseconds())
            let woken = monotonicNow()
            self.now = woken
            // What is established goes first, whatever is being made meanwhile.
            self.others.removeAll(keepingCapacity: true)
            self.takeEvents(count, isRepeated: false)
            self.runRelays()
            self.runSetups()
            self.runHandshakes()
            self.runBulk()
            self.runUnfinished()
            self.runHeld()
            self.runTimers()
            self.endDrained()
            self.resumeAccepting()
            self.log.flush()
            self.reportDrained()
            let done = monotonicNow()
            self.metrics.busyNanoseconds &+= done.nanoseconds(since: woken)
            if count > 0 {
                self.metrics.turnDuration.record(nanoseconds: done.nanoseconds(since: woken))
            }
        }
        self.log.flush()
    }

    private func waitMilliseconds() -> Int32 {
        if !self.relays.isEmpty || !self.setups.isEmpty || !self.handshakes.isEmpty
            || !self.bulk.isEmpty || !self.unfinished.isEmpty
        {
            return 0
        }
        var next = self.timers.nextDeadline() ?? .never
        next = min(next, self.meterTick)
        if let paused = self.acceptPausedUntil { next = min(next, paused) }
        if let drained = self.drainDeadline, self.connections.count > 0 {
            next = min(next, drained)
        }
        guard next < .never else { return -1 }
        let nanoseconds = next.nanoseconds(since: monotonicNow())
        return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    /// Sorts what came: established connections serve theirs, or wait for it where many have some.
    ///
    /// - Parameters:
    ///   - count: How many events came.
    ///   - isRepeated: Whether the turn has looked before; listeners and the mailbox are announced
    ///     until they are served, once a turn.
    private mutating func takeEvents(_ count: Int, isRepeated: Bool) {
        let isFew = count <= Limits.relaysUnqueuedMax && self.relays.isEmpty
        for number in 0..<count {
            let event = self.poller.event(number)
            guard case .connection(let token, let side) = EventToken(rawValue: event.token).target
            else {
                if !isRepeated { self.others.append(event.token) }
                continue
            }
            guard let index = self.index(of: token) else { continue }
            // At once: what an upstream's descriptor said is nothing to the next one's.
            let isRelay = self.connections.reference(index).value.phase == .relay
            self.note(index, side, event.readiness)
            if !isRelay {
                self.others.append(event.token)
            } else if isFew {
                self.advance(index, because: side)
            } else {
                self.queueRelay(index)
            }
        }
    }

    /// Serves established connections one tenant after the other, and looks for new messages
    /// meanwhile: one that many connections of another tenant came before waits for one of them.
    private mutating func runRelays() {
        guard !self.relays.isEmpty else { return }
        let end = self.now.advanced(byNanoseconds: Limits.relayNanosecondsPerTurn)
        var look = self.now.advanced(byNanoseconds: Limits.relayNanosecondsPerLook)
        while let token = self.relays.popFirst() {
            guard let index = self.connections.index(of: token) else { continue }
            self.connections.reference(index).value.isQueued = false
            self.advance(index, because: .downstream)
            let time = monotonicNow()
            guard time < end else { return }
            guard time >= look else { continue }
            look = time.advanced(byNanoseconds: Limits.relayNanosecondsPerLook)
            self.takeEvents(self.poller.wait(milliseconds: 0), isRepeated: true)
        }
    }

    private mutating func dispatchListener(_ token: UInt64) {
        switch EventToken(rawValue: token).target {
        case .mailbox:
            for command in self.mailboxes[self.index].takeAll() { self.obey(command) }
        case .listener(let id): self.accept(listener: id)
        case .connection: return
        }
    }

    private mutating func dispatchSetup(_ event: UInt64, until end: Instant) {
        guard case .connection(let token, let side) = EventToken(rawValue: event).target,
            let index = self.index(of: token)
        else { return }
        guard self.setups.isEmpty, monotonicNow() < end else {
            let connection = self.connections.reference(index)
            guard !connection.value[side].waitsForSetup else { return }
            connection.value[side].waitsForSetup = true
            return self.setups.append(event, of: connection.value.flow)
        }
        self.advance(index, because: side)
    }

    /// Serves the turn's other events, and goes on with connections that are being made, for as
    /// long as a turn has for that, however long the established ones took: one at least.
    private mutating func runSetups() {
        guard !self.others.isEmpty || !self.setups.isEmpty else { return }
        for event in self.others.indices { self.dispatchListener(self.others[event]) }
        // Who has been accepted takes nothing from those that were accepted before.
        let end = monotonicNow().advanced(byNanoseconds: Limits.setupNanosecondsPerTurn)
        for event in self.others.indices { self.dispatchSetup(self.others[event], until: end) }
        var isFirst = true
        while isFirst || monotonicNow() < end, let event = self.setups.popFirst() {
            isFirst = false
            guard case .connection(let token, let side) = EventToken(rawValue: event).target,
                let index = self.index(of: token)
            else { continue }
            self.connections.reference(index).value[side].waitsForSetup = false
            self.advance(index, because: side)
        }
    }

    /// The slot that an event's token names; nil when that connection has ended.
    private func index(of token: SlabToken) -> Int? {
        let index = Int(token.index)
        guard index < self.connections.touched,
            self.connections.token(index).generation & EventToken.generationMask == token.generation
        else { return nil }
        return index
    }

    private mutating func note(_ index: Int, _ side: EndpointSide, _ readiness: Readiness) {
        let connection = self.connections.reference(index)
        if readiness.saysBytesOnly, connection.value[side].isReadable {
            self.muteHeldBack(index, side)
        }
        if readiness.allowsReading { connection.value[side].isReadable = true }
        if readiness.mayStopReads { connection.value[side].sawReadStop = true }
        if readiness.saysBroken { connection.value[side].sawHangup = true }
        if readiness.saysError { connection.value[side].sawError = true }
        if readiness.allowsWriting { connection.value[side].isWritable = true }
        if side == .upstream, connection.value.phase == .connect,
            readiness.saysBroken, !connection.value.connect.isPreparing
        {
            self.upstreamFailed(index, .connectFailed)
        }
    }

    /// Brings a connection as far as it goes now.
    mutating func advance(_ index: Int, because side: EndpointSide) {
        switch self.connections.reference(index).value.phase {
        case .accept, .route, .admit, .authenticate: return  // passed within one call
        case .peek: if side == .downstream { self.peek(index) }
        case .handshake: if side == .downstream { self.queueHandshake(index) }
        case .prelude where self.connections.reference(index).value.mysql != nil:
            self.advanceMySQL(index, because: side)
        case .prelude: if side == .downstream { self.readPrelude(index) }
        case .connect:
            if side == .upstream { self.advanceConnect(index) } else { self.watchDownstream(index) }
        case .relay where self.connections.reference(index).value.isBulk: self.queueBulk(index)
        case .relay: self.relay(index)
        case .close: self.linger(index)
        }
    }

    private mutating func runHandshakes() {
        for _ in 0..<Limits.handshakeStepsPerTurn {
            guard let index = self.nextHandshake() else { return }
            let connection = self.connections.reference(index)
            connection.value.isQueued = false
            switch connection.value.phase {
            case .handshake: self.handshake(index)
            case .connect: self.upstreamHandshake(index)
            case .prelude: self.secureUpstream(index)
            // An address with TLS timed out while it waited here, and the next one has none. The
            // relay could not queue itself meanwhile.
            case .relay: self.relay(index)
            case .accept, .peek, .route, .admit, .authenticate, .close: continue
            }
        }
    }

    /// Who has a handshake's step now; those that have ended meanwhile cost no turn.
    private mutating func nextHandshake() -> Int? {
        for _ in 0..<Limits.eventsPerTurn {
            guard let token = self.handshakes.popFirst() else { return nil }
            if let index = self.connections.index(of: token) { return index }
        }
        return nil
    }

    private mutating func runBulk() {
        var budget = Limits.bulkBytesPerTurn
        for _ in 0..<self.bulk.count where budget > 0 {
            guard let token = self.bulk.popFirst() else { return }
            guard let index = self.connections.index(of: token) else { continue }
            let connection = self.connections.reference(index)
            connection.value.isQueued = false
            if connection.value.phase == .relay {
                budget -= self.relay(index)
            } else {
                self.advance(index, because: .downstream)
            }
        }
    }

    private mutating func runUnfinished() {
        for _ in 0..<self.unfinished.count {
            guard let token = self.unfinished.popFirst() else { return }
            guard let index = self.connections.index(of: token) else { continue }
            self.connections.reference(index).value.isQueued = false
            self.advance(index, because: .downstream)
        }
    }

    private mutating func runTimers() {
        self.expired.removeAll(keepingCapacity: true)
        self.timers.advance(to: self.now, expired: &self.expired)
        for index in self.expired { self.timerFired(index) }
    }

    private mutating func reportDrained() {
        guard self.drainDeadline != nil, !self.saidDrained, self.connections.count == 0 else {
            return
        }
        self.saidDrained = true
        self.reports(.drained(worker: self.index))
    }

    // MARK: What phases share

    /// Sets the time at which the connection is looked at again.
    mutating func setDeadline(_ index: Int, _ deadline: Instant) {
        self.connections.reference(index).value.deadline = deadline
        if deadline == .never {
            self.timers.cancel(index)
        } else {
            self.timers.arm(index, at: deadline)
        }
    }

    /// Announces the descriptor of a side to epoll, once; later only to add writability.
    mutating func register(_ index: Int, _ side: EndpointSide, writable: Bool) -> Bool {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        let token = EventToken(self.connections.token(index), side).rawValue
        do throws(PosixError) {
            if !connection.value[side].isRegistered {
                try self.poller.add(number, token: token, writable: writable)
                connection.value[side].isRegistered = true
                connection.value[side].isRegisteredForWriting = writable
            } else if writable, !connection.value[side].isRegisteredForWriting {
                try self.poller.rearm(
                    number, token: token, readable: !connection.value[side].isMuted, writable: true)
                connection.value[side].isRegisteredForWriting = true
            }
            return true
        } catch {
            self.complain(.error, "\(error)")
            return false
        }
    }

    /// Bytes were announced though earlier ones wait unread: while the other side is full, or a
    /// limit holds this one, each packet would wake the worker for nothing, so no more are
    /// announced.
    private mutating func muteHeldBack(_ index: Int, _ side: EndpointSide) {
        let connection = self.connections.reference(index)
        let direction = side == .downstream ? RelayDirection.up : .down
        guard connection.value.phase == .relay, !connection.value[side].isMuted,
            !connection.value[side.other].isWritable || connection.value.isHeld(direction)
        else { return }
        self.setMuted(index, side, true)
    }

    /// Whether bytes that come to a side are announced.
    mutating func setMuted(_ index: Int, _ side: EndpointSide, _ isMuted: Bool) {
        let connection = self.connections.reference(index)
        do throws(PosixError) {
            try self.poller.rearm(
                connection.value[side].socket.number,
                token: EventToken(self.connections.token(index), side).rawValue,
                readable: !isMuted, writable: connection.value[side].isRegisteredForWriting)
            connection.value[side].isMuted = isMuted
        } catch {
            self.complain(.error, "\(error)")
        }
    }

    /// Has the relay go on when it is its turn among the established ones.
    private mutating func queueRelay(_ index: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.isBulk else { return self.queueBulk(index) }
        guard !connection.value.isQueued else { return }
        connection.value.isQueued = true
        self.relays.append(self.connections.token(index), of: connection.value.flow)
    }

    /// Has the connection's handshake go on in this or the next turn.
    mutating func queueHandshake(_ index: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.isQueued else { return }
        connection.value.isQueued = true
        self.handshakes.append(self.connections.token(index), of: connection.value.flow)
    }

    /// Has the relay go on when it is its turn among those with large reads.
    mutating func queueBulk(_ index: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.isQueued else { return }
        connection.value.isQueued = true
        self.bulk.append(self.connections.token(index), of: connection.value.flow)
    }

    /// Has the connection go on in the next turn.
    mutating func queueUnfinished(_ index: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.isQueued else { return }
        connection.value.isQueued = true
        self.unfinished.append(self.connections.token(index))
    }

    /// Says something to the operator, unless the same was said lately.
    mutating func complain(_ level: WorkerLog.Level, _ message: String) {
        guard let suppressed = self.complaints.admit(message, at: self.now) else {
            self.metrics.logLinesSuppressed += 1
            return
        }
        self.reports(
            .log(
                WorkerLog(
                    level: level, worker: self.index, message: message, suppressed: suppressed)))
    }
}
