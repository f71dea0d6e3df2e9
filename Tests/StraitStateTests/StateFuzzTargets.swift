// One target per machine: a plain function over bytes, which are an event script, that says which
// promise was broken. Replayed by StateFuzzTests over seeded scripts, and by `tools/fuzz` under
// libFuzzer. No test library in this file.

import StraitCore
import StraitState

/// A state machine under fuzzing.
enum StateFuzzTarget: String, CaseIterable, Sendable {
    case peek
    case relay
    case connect
    case transferMode
    case timerWheel
    case cancelBudget
    case delivery
    case upstreamHealth
    case upstreamChoice
    case mysql
    case upgrade
    case rateLimit
    case fairQueue
    case unroutedTable

    /// The promise that was broken over `script`, nil when all were kept; traps are the caller's to
    /// see.
    func violation(_ script: [UInt8]) -> String? {
        switch self {
        case .peek: Self.peek(script)
        case .relay: Self.relay(script)
        case .connect: Self.connect(script)
        case .transferMode: Self.transferMode(script)
        case .timerWheel: Self.timerWheel(script)
        case .cancelBudget: Self.cancelBudget(script)
        case .delivery: Self.delivery(script)
        case .upstreamHealth: UpstreamFuzz.health(script)
        case .upstreamChoice: UpstreamFuzz.choice(script)
        case .mysql: MySQLFuzz.violation(script)
        case .upgrade: UpgradeFuzz.violation(script)
        case .rateLimit: FairnessFuzz.rateLimit(script)
        case .fairQueue: FairnessFuzz.fairQueue(script)
        case .unroutedTable: FairnessFuzz.unroutedTable(script)
        }
    }

    // MARK: Peek

    /// The first byte chooses the rules, the next three choose cuts, the rest is what comes.
    private static func peek(_ script: [UInt8]) -> String? {
        guard script.count >= 4 else { return nil }
        let rules = PeekRules.all(requiresProxyHeader: script[0] & 32 != 0)[Int(script[0] & 31)]
        let input = Array(script[4...])
        let slow = PeekRun(rules, input, cuts: 0..<input.count)
        if let violation = slow.violation { return violation }
        let cuts = script[1..<4].map { Int($0) * (input.count + 1) / 256 }.sorted()
        for some in [[], cuts] {
            let run = PeekRun(rules, input, cuts: some)
            if let violation = run.violation { return violation }
            if !run.agrees(with: slow.decision) {
                return "cut at \(some): \(run), but byte by byte: \(slow)"
            }
        }
        return nil
    }

    // MARK: Relay

    /// Each byte is an event, all of them legal at any time; what happens is compared with plain
    /// facts.
    private static func relay(_ script: [UInt8]) -> String? {
        var machine = RelayMachine()
        var ended: Set<RelayDirection> = []
        var told: Set<RelayDirection> = []
        var firstSide: CloseReason.Side?
        for byte in script {
            let direction: RelayDirection = byte & 1 == 0 ? .up : .down
            let before = machine
            var action = RelayAction.proceed
            switch byte >> 1 & 3 {
            case 0, 1:
                let hasPending = byte & 2 != 0
                action = machine.sourceEnded(direction, hasPending: hasPending)
                if ended.insert(direction).inserted {
                    firstSide = firstSide ?? direction.source
                } else if action != .proceed || machine != before {
                    return "an end that was known has an effect"
                }
            case 2: action = machine.pendingFlushed(direction)
            default:
                guard case .close(let reason, _) = machine.broke(direction.source, .reset),
                    reason == CloseReason(direction.source, .reset)
                else { return "a break is not a close" }
            }
            switch action {
            case .proceed: break
            case .endTarget(let which):
                guard which == direction, ended.contains(which), told.insert(which).inserted else {
                    return "told of an end that is none, or twice"
                }
                if told.count == 2 { return "the second end is not the last word" }
            case .endTargetAndFinish(let which, let reason):
                guard which == direction, told.insert(which).inserted, told.count == 2 else {
                    return "finished with \(told)"
                }
                if reason.side != firstSide || reason.kind != .finished { return "names \(reason)" }
            case .close: return "closed without a break"
            }
            for direction in RelayDirection.allCases
            where machine.isOpen(direction) == ended.contains(direction) {
                return "\(direction) is open, or is not, against what came"
            }
            if machine.isHalfClosed != (ended.count == 1) { return "half-closed with \(ended)" }
        }
        return nil
    }

    // MARK: Connect

    /// The first byte chooses how many attempts and addresses there are, each further one an event
    /// that is possible as the machine's reading side says.
    private static func connect(_ script: [UInt8]) -> String? {
        let attemptsMax = Int(script.first ?? 0) % 6
        let count = Int(script.first ?? 0) / 6 % 64
        var machine = ConnectMachine(attemptsMax: attemptsMax)
        var action = machine.started()
        var opened: [Int] = []
        var left: ConnectSteps = []
        for byte in script.dropFirst() {
            if action == .choose {
                let free = (0..<count).filter { !opened.contains($0) }
                let next = free.isEmpty ? nil : free[Int(byte) % free.count]
                action = machine.chose(next)
                guard let next else { break }
                opened.append(next)
                left = []
                guard action == .open(next), machine.address == next else {
                    return "\(action), not \(next)"
                }
                continue
            }
            guard machine.isUnderWay else { break }
            guard byte & 7 != 0 else {
                action = machine.failed(.connectFailed)
                continue
            }
            if machine.isPreparing {
                guard let step = Self.step(askedBy: action), left.contains(step) else {
                    return "asks for \(action) with \(left) left"
                }
                left.subtract(step)
                action = machine.stepDone(step)
            } else {
                left = ConnectSteps(rawValue: byte >> 3 & 15)
                action = machine.connected(steps: left)
            }
            if (action == .ready) != left.isEmpty { return "\(action) with \(left) left" }
        }
        let bits = opened.reduce(0) { $0 | UInt64(1) << UInt64($1) }
        if machine.attempts != opened.count || machine.tried != bits {
            return "\(machine.attempts) attempts, \(machine.tried), after \(opened)"
        }
        switch action {
        case .giveUp(let reason):
            if opened.count != min(attemptsMax, count) || machine.isUnderWay
                || reason.side != .upstream
            {
                return "gave up after \(opened) of \(count): \(reason)"
            }
        case .ready, .choose: if machine.isUnderWay { return "\(action), and under way" }
        case .open, .sendProxyHeader, .requestPostgresTLS, .awaitGreeting, .handshake:
            if !machine.isUnderWay { return "\(action), and not under way" }
        }
        return nil
    }

    private static func step(askedBy action: ConnectAction) -> ConnectSteps? {
        switch action {
        case .sendProxyHeader: .proxyHeader
        case .requestPostgresTLS: .postgresRequest
        case .awaitGreeting: .mysqlGreeting
        case .handshake: .tls
        case .choose, .open, .ready, .giveUp: nil
        }
    }

    // MARK: Transfer mode

    /// Each byte is a transfer of so many KiB, by the mode that holds; odd ones may change it.
    private static func transferMode(_ script: [UInt8]) -> String? {
        var mode = TransferMode()
        var streak = 0
        for byte in script {
            let bytes = Int(byte) * 256
            let wasSplicing = mode.isSplicing
            let counts =
                wasSplicing ? bytes < TransferMode.smallBytes : bytes >= TransferMode.largeBytes
            streak = counts ? streak + 1 : 0
            let enough =
                wasSplicing ? TransferMode.smallMovesToCopy : TransferMode.largeReadsToSplice
            let wants = wasSplicing ? mode.spliced(bytes: bytes) : mode.copied(bytes: bytes)
            if wants != (streak >= enough) { return "\(wants) after \(streak) in a row" }
            if mode.isSplicing != wasSplicing { return "changed without being told" }
            guard wants, byte & 1 == 1 else { continue }
            if wasSplicing || byte & 2 == 0 { mode.beganCopying() } else { mode.beganSplicing() }
            streak = 0
            if mode.isSplicing != (!wasSplicing && byte & 2 != 0) { return "does not obey" }
        }
        return nil
    }
    // MARK: Timer wheel

    private static func timerWheel(_ script: [UInt8]) -> String? {
        var run = TimerWheelRun(script)
        run.run()
        return run.violation
    }

    // MARK: Cancel budget

    /// Each byte charges one of four sources, once or often, or lets time pass; before every step
    /// each source asks.
    ///
    /// Which sources share a place is random, so that both ways are allowed.
    private static func cancelBudget(_ script: [UInt8]) -> String? {
        var budget = CancelBudget()
        var now = Instant(nanoseconds: 1_000_000_000)
        var charged = [Int](repeating: 0, count: 4)
        var misses = 0
        let sources = (0..<4).map { SourcePrefix(IPAddress(v4: 0x0A00_0000 | UInt32($0))) }
        for byte in script {
            for (index, source) in sources.enumerated() {
                let permit = budget.permit(source, at: now)
                let isSpent = charged[index] >= Limits.cancelMissesPerSourceMax
                let mayBeSpent = charged.reduce(0, +) >= Limits.cancelMissesPerSourceMax
                let isFull = misses >= Limits.cancelMissesPerSecondMax
                switch permit {
                case .none where !mayBeSpent: return "nothing for \(index) of \(charged)"
                case .anyKey, .ownKeys:
                    if isSpent { return "\(permit) for \(index) of \(charged)" }
                    if (permit == .ownKeys) != isFull { return "\(permit) after \(misses)" }
                case .none: continue
                }
            }
            let index = Int(byte >> 2 & 3)
            let often = byte >> 4 == 15 ? Limits.cancelMissesPerSecondMax : Int(byte >> 4)
            switch byte & 3 {
            case 0:
                for _ in 0..<often { budget.missed(sources[index], at: now) }
                charged[index] += often
                misses += often
            case 1:
                for _ in 0..<often { budget.passedOn(sources[index], at: now) }
                charged[index] += often
            default:
                let before = now.nanoseconds / 1_000_000_000
                now = now.advanced(byNanoseconds: UInt64(byte) * 10_000_000)
                guard now.nanoseconds / 1_000_000_000 != before else { continue }
                charged = [0, 0, 0, 0]
                misses = 0
            }
        }
        return nil
    }

    // MARK: Delivery

    /// Each byte is a look, or bytes that go on, some time after the one before.
    private static func delivery(_ script: [UInt8]) -> String? {
        let start = Instant(nanoseconds: 1_000_000_000)
        var now = start
        var machine = DeliveryMachine(.up, at: start)
        for byte in script {
            now = now.advanced(byNanoseconds: UInt64(byte & 31) * 50_000_000)
            let end = start.advanced(byNanoseconds: Limits.deliveryNanoseconds)
            guard byte & 32 == 0 else {
                machine.moved(at: now)
                continue
            }
            let unacknowledged = Int(byte >> 6)
            let action = machine.looked(
                unacknowledged: unacknowledged, hasPending: false, targetFailed: false, at: now)
            switch action {
            case .reset: return nil
            case .wait(let until):
                if now >= end { return "waits at \(now), behind the end" }
                if unacknowledged == 0 { return "waits with everything delivered" }
                if until <= now || until > end { return "at \(now) looks again at \(until)" }
            }
        }
        return nil
    }
}
