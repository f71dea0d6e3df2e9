// The judge of upstreams: one thread of the process, with a poller of its own, that checks
// addresses and tells workers, through shared atomics, what part of their connections each gets.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS

/// The judge's state; born on its thread.
struct HealthJudge: ~Copyable {
    private static let mailboxToken = UInt64.max
    /// How late a check is when too many are under way.
    private static let delayNanoseconds: UInt64 = 50_000_000

    private let mailbox: Mailbox<HealthCommand>
    private let reports: @Sendable (WorkerReport) -> Void
    let poller: Poller
    var channel: TLSChannel
    var contexts = TLSContextCache()
    var buffer = TransferBuffer(count: Limits.healthAnswerBytesMax)
    var chance = Chance()
    /// The loop's time, read once a turn.
    var now = monotonicNow()
    private var timers: TimerWheel
    private var complaints = ComplaintLimiter()
    private var targets: [HealthTarget?] = []
    private var free: [Int] = []
    private var places: [ObjectIdentifier: Int] = [:]
    /// Checks that are under way, by the tenants' usages.
    private var budget = HealthCheckBudget<ObjectIdentifier>()
    private var isStopping = false
    private var snapshot: Snapshot?

    /// The body of the thread.
    static func live(
        mailbox: Mailbox<HealthCommand>, reports: @escaping @Sendable (WorkerReport) -> Void
    ) {
        do {
            var judge = try HealthJudge(mailbox, reports)
            judge.run()
        } catch {
            reports(.log(WorkerLog(level: .error, worker: -1, message: "health: \(error)")))
        }
    }

    private init(
        _ mailbox: Mailbox<HealthCommand>, _ reports: @escaping @Sendable (WorkerReport) -> Void
    ) throws {
        let poller = try Poller(eventsMax: Limits.healthChecksMax + 1)
        let channel = try TLSChannel()
        try poller.addLevel(mailbox.descriptor, token: Self.mailboxToken)
        self.mailbox = mailbox
        self.reports = reports
        self.poller = poller
        self.channel = channel
        self.timers = TimerWheel(now: self.now)
    }

    private mutating func run() {
        var expired: [Int] = []
        while !self.isStopping {
            let count = self.poller.wait(milliseconds: self.waitMilliseconds())
            self.now = monotonicNow()
            for number in 0..<count {
                let event = self.poller.event(number)
                guard event.token != Self.mailboxToken else {
                    for command in self.mailbox.takeAll() { self.obey(command) }
                    continue
                }
                let place = Int(event.token & 0xFFFF_FFFF)
                guard self.targets.indices.contains(place), let target = self.targets[place],
                    target.isChecking, target.number == UInt32(event.token >> 32)
                else { continue }
                self.advance(target)
            }
            expired.removeAll(keepingCapacity: true)
            self.timers.advance(to: self.now, expired: &expired)
            for place in expired { self.timerFired(place) }
        }
    }

    private func waitMilliseconds() -> Int32 {
        guard let next = self.timers.nextDeadline() else { return -1 }
        let nanoseconds = next.nanoseconds(since: monotonicNow())
        return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    private mutating func obey(_ command: HealthCommand) {
        switch command {
        case .apply(let snapshot): self.apply(snapshot)
        case .connectsFailed(let standing, let why):
            guard let place = self.places[ObjectIdentifier(standing)],
                let target = self.targets[place]
            else { return }
            self.publish(target, target.machine.connectsFailed(at: self.now), why)
            self.arm(target)
        case .stop: self.isStopping = true
        }
    }

    // MARK: Targets

    private mutating func apply(_ snapshot: Snapshot) {
        let before = self.snapshot?.services ?? SlotTable()
        self.snapshot = snapshot
        var gone: Set<ObjectIdentifier> = []
        var wanted: [ObjectIdentifier: (ServicePlan, UpstreamPlan)] = [:]
        snapshot.services.forEachChange(since: before) { old, new in
            guard old !== new else { return }
            for upstream in Self.judged(old) { gone.insert(ObjectIdentifier(upstream.standing)) }
            guard let new else { return }
            for upstream in Self.judged(new) {
                wanted[ObjectIdentifier(upstream.standing)] = (new, upstream)
            }
        }
        for (service, upstream) in wanted.values { self.judge(service, upstream) }
        for identifier in gone where wanted[identifier] == nil {
            guard let place = self.places.removeValue(forKey: identifier) else { continue }
            self.forget(place)
        }
    }

    /// The addresses that there is something to judge about.
    private static func judged(_ service: ServicePlan?) -> [UpstreamPlan] {
        guard let service, service.upstreams.count > 1 || service.health.check != .off else {
            return []
        }
        return service.upstreams
    }

    private mutating func judge(_ service: ServicePlan, _ upstream: UpstreamPlan) {
        if let place = self.places[ObjectIdentifier(upstream.standing)],
            let target = self.targets[place]
        {
            let before = target.service.health
            target.service = service
            target.upstream = upstream
            target.machine.adopt(HealthRules(service.health))
            if before.check != service.health.check { self.changeCheck(target) }
            self.arm(target)
            return
        }
        let target = HealthTarget(service, upstream)
        let place = self.free.popLast() ?? self.targets.count
        if place == self.targets.count { self.targets.append(nil) }
        self.targets[place] = target
        self.places[ObjectIdentifier(upstream.standing)] = place
        self.scheduleFirst(target)
        self.arm(target)
    }

    /// Other questions are asked from now on, or none: what an old check says is not waited for.
    private mutating func changeCheck(_ target: HealthTarget) {
        if target.isChecking { self.letGo(target) }
        self.scheduleFirst(target)
        guard target.service.health.check == .off, target.machine.health == .down else { return }
        target.machine = UpstreamHealthMachine(HealthRules(target.service.health))
        self.publish(target, .turn(.up), "it is not checked any more")
    }

    private mutating func scheduleFirst(_ target: HealthTarget) {
        target.nextCheck = .never
        guard target.service.health.check != .off else { return }
        let delay = target.machine.delayBeforeFirstCheck(random: self.chance.next())
        target.nextCheck = self.now.advanced(byNanoseconds: delay)
    }

    private mutating func forget(_ place: Int) {
        guard let target = self.targets[place] else { return }
        if target.isChecking { self.letGo(target) }
        target.standing.setShare(UpstreamHealth.wholeShare)
        target.standing.tell { $0.health = .up }
        self.targets[place] = nil
        self.timers.cancel(place)
        self.free.append(place)
    }

    private mutating func arm(_ target: HealthTarget) {
        guard let place = self.places[ObjectIdentifier(target.standing)] else { return }
        self.timers.arm(place, at: target.wakeTime)
    }

    private mutating func timerFired(_ place: Int) {
        guard let target = self.targets[place] else { return }
        if target.deadline <= self.now { self.end(target, failure: "no answer in time") }
        if target.nextCheck <= self.now { self.check(target, place) }
        if target.machine.nextDeadline <= self.now {
            let wasEjected = target.machine.health == .ejected
            self.publish(
                target, target.machine.timePassed(to: self.now),
                wasEjected ? "its time has passed" : "it gets its whole share again")
        }
        self.arm(target)
    }

    // MARK: Checks

    /// Where a check comes from: a source of connections, so that it goes the same way.
    func source(for address: SocketAddress) -> IPAddress? {
        self.snapshot?.sources(for: address).first
    }

    private mutating func check(_ target: HealthTarget, _ place: Int) {
        let payer = ObjectIdentifier(target.service.tenant.usage)
        guard self.budget.take(for: payer) else {
            target.nextCheck = self.now.advanced(byNanoseconds: Self.delayNanoseconds)
            return
        }
        target.payer = payer
        target.number &+= 1
        target.isChecking = true
        target.nextCheck = .never
        target.deadline = self.now.advanced(byNanoseconds: target.service.health.timeout)
        self.begin(target, token: UInt64(target.number) << 32 | UInt64(place))
    }

    /// The check is over; `failure` says what was wrong.
    mutating func end(_ target: HealthTarget, failure: String?) {
        self.letGo(target)
        target.standing.tell { account in
            if failure == nil { account.checksPassed += 1 } else { account.checksFailed += 1 }
        }
        let action =
            failure == nil
            ? target.machine.checkPassed(at: self.now) : target.machine.checkFailed()
        let kind = target.service.health.check.rawValue
        self.publish(target, action, failure.map { "\(kind) check: \($0)" } ?? "checks pass")
        let delay = target.machine.delayBeforeCheck(random: self.chance.next())
        target.nextCheck = self.now.advanced(byNanoseconds: delay)
        self.arm(target)
    }

    private mutating func letGo(_ target: HealthTarget) {
        if let payer = target.payer.take() { self.budget.giveBack(payer) }
        target.isChecking = false
        target.deadline = .never
        target.tls = nil
        target.socket.close()
        target.step = ConnectSteps()
        target.answer = []
    }

    // MARK: What follows

    /// Tells workers what part the address gets, and people what has turned.
    private mutating func publish(_ target: HealthTarget, _ action: HealthAction, _ why: String) {
        switch action {
        case .proceed: return
        case .share: target.standing.setShare(target.machine.share)
        case .turn(let health):
            target.standing.setShare(target.machine.share)
            let since = wallClockNanoseconds()
            target.standing.tell { account in
                account.health = health
                account.since = since
                account.why = why
                if health == .ejected { account.ejections += 1 }
            }
            self.say(target, health, why)
        }
    }

    private mutating func say(_ target: HealthTarget, _ health: UpstreamHealth, _ why: String) {
        let service = target.service
        let address = target.upstream.address
        let subject = "\(service.tenant.name)/\(service.name) \(address) \(health.rawValue)"
        guard let suppressed = self.complaints.admit(subject, at: self.now) else { return }
        self.reports(
            .health(
                HealthTurn(
                    tenant: service.tenant.name, service: service.name, address: address,
                    health: health, why: why, suppressed: suppressed)))
    }
}
