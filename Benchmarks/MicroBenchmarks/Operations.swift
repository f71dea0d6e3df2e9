// The operations that are counted. Each prepares what it needs, then repeats and adds up what came
// out.

import StraitCore
import StraitRouting
import StraitState
import StraitWire

enum Operations {
    static let names = [
        "route-1", "route-100000", "route-wildcard", "route-unknown", "route-own-name",
        "explain", "hello", "timer-later", "timer-move", "timer-fire",
        "connect-1", "choose-3", "choose-16",
    ]

    /// What repeats the operation and returns a sum; nil for an unknown name or a bad argument.
    static func named(_ name: String, argument: String?) -> ((Int) -> Int)? {
        switch name {
        case "route-1": routes(hosts: 1, asked: { "h\($0 % 1).s0.example.org" }, [])
        case "route-100000":
            routes(hosts: 100_000, asked: { "h\($0 * 97).s0.example.org" }, ["h2", "http/1.1"])
        case "route-wildcard":
            routes(hosts: 100_000, asked: { "x\($0).wild.example.org" }, ["h2", "http/1.1"])
        case "route-unknown":
            routes(hosts: 100_000, asked: { "h\($0).s1.example.org" }, ["h2", "http/1.1"])
        case "route-own-name":
            routes(hosts: 100_000, asked: { _ in "t.example.com" }, ["teleport-tcp"])
        case "explain": explains()
        case "hello": hello(argument)
        case "timer-later": timerLater
        case "timer-move": timerMove
        case "timer-fire": timerFire
        case "connect-1": connectToOne
        case "choose-3": { choices(among: 3, $0) }
        case "choose-16": { choices(among: 16, $0) }
        default: nil
        }
    }

    // MARK: Upstreams

    /// The whole way of a connect machine to the only address of a service, without steps.
    private static func connectToOne(_ count: Int) -> Int {
        var sum = 0
        for _ in 0..<count {
            var machine = ConnectMachine(attemptsMax: 3)
            if machine.started() == .choose, machine.chose(0) == .open(0),
                machine.connected(steps: ConnectSteps()) == .ready
            {
                sum += machine.attempts
            }
        }
        return sum
    }

    private static func choices(among addresses: Int, _ count: Int) -> Int {
        let candidates = (0..<addresses).map {
            UpstreamCandidate(weight: 1, share: 256, open: $0 % 3, isBackup: false)
        }
        var random: UInt64 = 1
        var sum = 0
        for _ in 0..<count {
            random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            sum += UpstreamChoice.pick(candidates, tried: 0, random: random) ?? 0
        }
        return sum
    }

    // MARK: Routes

    private static func rules(hosts: Int) -> RouteRules {
        let names = (0..<hosts).compactMap { HostName("h\($0).s0.example.org") }
        let wild = [HostName("wild.example.org")].compactMap { $0 }
        return RouteRules(
            tenants: [
                RouteRules.Tenant(name: "t", domains: [HostName("t.example.com")].compactMap { $0 })
            ],
            services: [
                RouteRules.Service(
                    tenant: 0, name: "s0", serviceProtocol: .web, mode: .terminate, hosts: names,
                    wildcards: wild, applicationProtocols: [.http11]),
                RouteRules.Service(
                    tenant: 0, name: "raw", serviceProtocol: .tcp, mode: .terminate),
            ])
    }

    private static func offer(_ ids: [String]) -> [UInt8] {
        ids.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    }

    /// Asks for 1,000 names in turn.
    private static func routes(
        hosts: Int, asked: (Int) -> String, _ ids: [String]
    ) -> ((Int) -> Int)? {
        guard let table = compiled(hosts: hosts) else { return nil }
        let names = (0..<1000).compactMap { HostName(asked($0)) }
        let offered = offer(ids)
        return { times in
            let scope = ListenerScope()
            var sum = 0
            var index = 0
            for _ in 0..<times {
                let decision = table.route(
                    arrival: .tls, scope: scope, name: names[index], offered: offered.span)
                if case .service(let service, _) = decision { sum += service + 1 }
                index = index == names.count - 1 ? 0 : index + 1
            }
            return sum
        }
    }

    private static func explains() -> ((Int) -> Int)? {
        guard let table = compiled(hosts: 1), let name = HostName("x.wild.example.org") else {
            return nil
        }
        let offered = offer(["h2", "http/1.1"])
        return { times in
            var sum = 0
            for _ in 0..<times {
                sum +=
                    table.explain(
                        arrival: .tls, scope: ListenerScope(), name: name, offered: offered.span
                    ).steps.count
            }
            return sum
        }
    }

    private static func compiled(hosts: Int) -> RouteTable? {
        do throws(RouteConflicts) {
            return try RouteTable(rules(hosts: hosts), seed: 1)
        } catch {
            print(error.conflicts.map(\.sentence))
            return nil
        }
    }

    // MARK: A ClientHello

    /// Reads one that came whole.
    private static func hello(_ hex: String?) -> ((Int) -> Int)? {
        guard let bytes = hex.flatMap(bytes(hex:)) else { return nil }
        return { times in
            var sum = 0
            var body: [UInt8] = []
            for _ in 0..<times {
                var reader = ClientHelloReader()
                body.removeAll(keepingCapacity: true)
                guard case .done(let hello) = reader.read(bytes.span, assembledInto: &body) else {
                    return -1
                }
                sum += hello.serverName?.count ?? 0
            }
            return sum
        }
    }

    private static func bytes(hex: String) -> [UInt8]? {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == hex.utf8.count, digits.count % 2 == 0 else { return nil }
        return stride(from: 0, to: digits.count, by: 2).map {
            UInt8(digits[$0] << 4 | digits[$0 + 1])
        }
    }

    // MARK: Timers

    /// Of 10,000 timers one after the other moves to later, as an idle deadline does with each
    /// byte.
    private static func timerLater(_ times: Int) -> Int {
        var wheel = TimerWheel(now: .zero)
        wheel.reserve(keys: 10_000)
        var key = 0
        for time in 0..<times {
            wheel.arm(key, at: Instant(nanoseconds: 3_600_000_000_000 + UInt64(time) * 1000))
            key = key == 9_999 ? 0 : key + 1
        }
        return wheel.nextDeadline() == nil ? 0 : times
    }

    /// One after the other is cancelled and armed anew.
    private static func timerMove(_ times: Int) -> Int {
        var wheel = TimerWheel(now: .zero)
        wheel.reserve(keys: 10_000)
        var key = 0
        for time in 0..<times {
            wheel.cancel(key)
            wheel.arm(key, at: Instant(nanoseconds: 5_000_000_000 + UInt64(time) * 1000))
            key = key == 9_999 ? 0 : key + 1
        }
        return wheel.nextDeadline() == nil ? 0 : times
    }

    /// Each is armed for 5 s later and fires, while time goes on by a millisecond each.
    private static func timerFire(_ times: Int) -> Int {
        var wheel = TimerWheel(now: .zero)
        wheel.reserve(keys: 10_000)
        var expired: [Int] = []
        var sum = 0
        for time in 0..<times {
            let now = Instant(nanoseconds: UInt64(time) * 1_000_000)
            wheel.arm(time % 10_000, at: now.advanced(byNanoseconds: 5_000_000_000))
            expired.removeAll(keepingCapacity: true)
            wheel.advance(to: now, expired: &expired)
            sum += expired.count
        }
        return sum
    }
}
