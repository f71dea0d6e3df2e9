// Who gets which port, and who gets none.

import StraitCore
import StraitRouting
import TestSupport
import Testing

private let day: UInt64 = 24 * 3600

/// 11100 to 11119, with a hole where the example's block would else begin at 11100.
private func ranges(
    _ ranges: [ClosedRange<UInt16>] = [11_100...11_119], excluding excluded: [UInt16] = []
) throws -> PortRanges { try #require(PortRanges(ranges, excluding: excluded)) }

private func lease(_ tenant: String, _ kind: PortKind = .ssh) -> PortLease {
    PortLease(tenant: tenant, kind: kind)
}

private func nobody(_: UInt16) -> Bool { false }

extension PortPlanner {
    /// Plans and notes it, as the store's transaction would.
    fileprivate mutating func grant(
        _ wish: PortWish, now: UInt64 = 0, host: Set<UInt16> = []
    ) throws(PortRefusal) -> [PortKind: UInt16] {
        let ports = try self.plan(wish, now: now) { host.contains($0) }
        for (kind, port) in ports {
            self.lease(port, to: PortLease(tenant: wish.tenant, kind: kind))
        }
        return ports
    }

    /// What stands in the way of a wish.
    fileprivate mutating func refusal(
        _ wish: PortWish, now: UInt64 = 0, host: Set<UInt16> = []
    ) -> PortRefusal? {
        do throws(PortRefusal) {
            _ = try self.plan(wish, now: now) { host.contains($0) }
            return nil
        } catch {
            return error
        }
    }
}

@Suite("PortPlanner") struct PortPlannerTests {
    private let mongo = PortKind("mongo") ?? .ssh

    @Test("the second tenant of a region gets the ports of the example")
    func example() throws {
        var planner = PortPlanner(ranges: try ranges())
        _ = try planner.grant(PortWish(tenant: "first"))
        let ports = try planner.grant(PortWish(tenant: "acme"))
        #expect(
            ports == [
                .ssh: 11_105, .sshTunnel: 11_106, .kube: 11_107, .mysql: 11_108, .postgres: 11_109,
            ])
        #expect(planner.ports(of: "acme") == ports)
        #expect(planner.state(11_107, now: 0) == .leased(lease("acme", .kube)))
        #expect(planner.freeCount == 10)
    }

    @Test("who asks again keeps what it has, and gets what it lacks")
    func again() throws {
        var planner = PortPlanner(ranges: try ranges())
        let first = try planner.grant(PortWish(tenant: "a"))
        _ = try planner.grant(PortWish(tenant: "b", kinds: [.ssh]))
        var wish = PortWish(tenant: "a", kinds: PortKind.standard + [self.mongo])
        #expect(try planner.grant(wish) == first.merging([self.mongo: 11_106]) { $1 })
        wish.fixed = [self.mongo: 11_106]
        #expect(try planner.grant(wish).count == 6)
        #expect(
            try planner.plan(PortWish(tenant: "a", kinds: []), now: 0, isUsedByHost: nobody) == [:])
    }

    @Test("a block avoids what is excluded, leased, or the host's, and need not begin a range")
    func block() throws {
        var planner = PortPlanner(
            ranges: try ranges([11_100...11_107, 11_108...11_119], excluding: [11_104]),
            leases: [11_116: lease("b")])
        let ports = try planner.grant(PortWish(tenant: "a"), host: [11_107])
        #expect(ports.values.sorted() == Array(11_108...11_112))
        #expect(ports[.ssh] == 11_108)
    }

    @Test("without a block, single ports do, the lowest first")
    func singles() throws {
        var planner = PortPlanner(
            ranges: try ranges(), leases: [11_103: lease("b"), 11_107: lease("c")])
        let host: Set<UInt16> = [11_101, 11_111, 11_115, 11_119]
        let ports = try planner.grant(PortWish(tenant: "a"), host: host)
        #expect(
            ports == [
                .ssh: 11_100, .sshTunnel: 11_102, .kube: 11_104, .mysql: 11_105, .postgres: 11_106,
            ])
    }

    @Test("the same rows give the same answer, in whatever order they came")
    func deterministic() throws {
        let rows = (11_100...11_118).filter { $0 % 3 == 0 }.map { ($0 as UInt16, lease("x\($0)")) }
        var answers: Set<[PortKind: UInt16]> = []
        for order in [rows, rows.reversed()] {
            var planner = PortPlanner(ranges: try ranges())
            for (port, lease) in order { planner.lease(port, to: lease) }
            answers.insert(try planner.grant(PortWish(tenant: "a")))
        }
        #expect(answers.count == 1)
    }

    @Test("what is wrong with a fixed port is said, and by whom it is taken")
    func fixed() throws {
        let quarantine = PortQuarantine(lease: lease("b"), until: 100)
        var planner = PortPlanner(
            ranges: try ranges(excluding: [11_101]),
            leases: [11_102: lease("b"), 11_104: lease("a"), 9: lease("c")],
            quarantines: [11_103: quarantine])
        func refusal(_ port: UInt16, _ kind: PortKind = .kube) -> PortRefusal? {
            planner.refusal(
                PortWish(tenant: "a", kinds: [], fixed: [kind: port]), now: 99, host: [11_105])
        }
        #expect(refusal(11_120) == .outside(.kube, 11_120))
        #expect(refusal(0) == .outside(.kube, 0))
        #expect(refusal(11_101) == .outside(.kube, 11_101))
        #expect(refusal(11_102) == .leased(.kube, 11_102, lease("b")))
        #expect(refusal(9) == .leased(.kube, 9, lease("c")))
        #expect(refusal(11_103) == .quarantined(.kube, 11_103, quarantine))
        #expect(refusal(11_104) == .leased(.kube, 11_104, lease("a")))
        #expect(refusal(11_105) == .usedByHost(.kube, 11_105))
        #expect(refusal(11_106, .ssh) == .hasPort(.ssh, fixed: 11_106, has: 11_104))
        #expect(refusal(11_104, .ssh) == nil)
        #expect(refusal(11_106) == nil)
        let twice = PortWish(tenant: "a", kinds: [], fixed: [.mysql: 11_107, .kube: 11_107])
        #expect(planner.refusal(twice) == .fixedTwice(.kube, .mysql, 11_107))
        for port in [11_101, 11_102, 11_103, 11_105] as [UInt16] {
            let text = refusal(port)?.description ?? ""
            #expect(text.contains("\(port)") && !text.contains("\"b\""), "\(text)")
        }
    }

    @Test("fixed ports are taken before the others are chosen")
    func fixedFirst() throws {
        var planner = PortPlanner(ranges: try ranges())
        let ports = try planner.grant(PortWish(tenant: "a", fixed: [.postgres: 11_100]))
        #expect(ports[.postgres] == 11_100)
        #expect(ports[.ssh] == 11_101)
        #expect(ports[.mysql] == 11_104)
    }

    @Test("exhaustion tells how many there are, and how many in a row")
    func exhausted() throws {
        var planner = PortPlanner(
            ranges: try ranges([11_100...11_105]), leases: [11_102: lease("b")],
            quarantines: [11_105: PortQuarantine(lease: lease("b"), until: 10)])
        let wish = PortWish(tenant: "a")
        #expect(
            planner.refusal(wish) == .exhausted(wanted: 5, free: 4, largestRun: 2))
        #expect(
            planner.refusal(wish, host: Set(11_100...11_105))
                == .exhausted(wanted: 5, free: 0, largestRun: 0))
        #expect(planner.refusal(wish, now: 10) == nil)
        #expect(planner.ports(of: "a") == [:], "a plan notes nothing")
    }

    @Test("a tenant has a bounded number of ports, and keeps a bounded number from others")
    func bounds() throws {
        var planner = PortPlanner(ranges: try ranges([1...65_535]))
        let kinds = try (0...Limits.portsPerTenantMax).map { try #require(PortKind("k\($0)")) }
        #expect(
            planner.refusal(PortWish(tenant: "a", kinds: kinds))
                == .tooMany(Limits.portsPerTenantMax + 1))
        for port in 1...Limits.portsKeptPerTenantMax {
            let fixed = UInt16(port)
            _ = try planner.grant(PortWish(tenant: "a", kinds: [], fixed: [.ssh: fixed]))
            planner.release(fixed, until: 100)
        }
        let more = PortWish(tenant: "a", kinds: [], fixed: [.ssh: 1000])
        let most = Limits.portsKeptPerTenantMax
        #expect(planner.refusal(more) == .keepsTooMany(most + 1, most: most))
        #expect(try planner.grant(PortWish(tenant: "a", kinds: [.ssh])) == [.ssh: 1])
        #expect(planner.refusal(PortWish(tenant: "b", kinds: [], fixed: [.ssh: 1000])) == nil)
        planner.release(1, until: 100)
        #expect(planner.refusal(more, now: 100) == nil)
    }

    @Test("names of kinds and ranges that cannot be are refused")
    func words() {
        for name in ["", "Ssh", "9p", "a b", "é", String(repeating: "x", count: 33)] {
            #expect(PortKind(name) == nil, "\(name)")
        }
        #expect(PortKind("ssh_tunnel") == .sshTunnel)
        #expect(PortRanges([0...5]) == nil)
        #expect(PortRanges([65_535...65_535])?.allowed.ports == [65_535])
        let sorted = ["a", "postgres", "ssh", "mysql", "b"].compactMap(PortKind.init).sorted()
        #expect(sorted.map(\.name) == ["ssh", "mysql", "postgres", "a", "b"])
    }
}

@Suite("PortPlanner, after a release") struct PortQuarantineTests {
    /// One tenant has released its five ports at 1,000 s for a day.
    private func released() throws -> PortPlanner {
        var planner = PortPlanner(ranges: try ranges())
        for (_, port) in try planner.grant(PortWish(tenant: "a"), now: 1000) {
            #expect(planner.release(port, until: 1000 + day)?.lease.tenant == "a")
        }
        return planner
    }

    @Test("no port goes to another tenant before its quarantine has ended, and then it does")
    func others() throws {
        var planner = try self.released()
        let early = try planner.plan(PortWish(tenant: "b"), now: 999 + day, isUsedByHost: nobody)
        #expect(early[.ssh] == 11_105)
        let late = try planner.plan(PortWish(tenant: "b"), now: 1000 + day, isUsedByHost: nobody)
        #expect(late[.ssh] == 11_100)
    }

    @Test("a tenant that comes back gets its own ports, but for those that the host has taken")
    func back() throws {
        var planner = try self.released()
        _ = try planner.grant(PortWish(tenant: "b", kinds: [.ssh]), now: 1001)
        let ports = try planner.grant(PortWish(tenant: "a"), now: 1002, host: [11_102])
        #expect(
            ports == [
                .ssh: 11_100, .sshTunnel: 11_101, .kube: 11_106, .mysql: 11_103, .postgres: 11_104,
            ])
        #expect(planner.state(11_101, now: 1002) == .leased(lease("a", .sshTunnel)))
        #expect(planner.known(of: "a") == [11_100, 11_101, 11_102, 11_103, 11_104, 11_106])
    }

    @Test("its ports in quarantine are free for the tenant that had them, also for another kind")
    func otherKind() throws {
        var planner = try self.released()
        let wish = PortWish(tenant: "a", kinds: [], fixed: [.postgres: 11_100])
        #expect(try planner.grant(wish, now: 1001) == [.postgres: 11_100])
        #expect(try planner.grant(PortWish(tenant: "a"), now: 1002)[.ssh] == 11_104)
    }

    @Test("of several ports that it had for a kind, the last to be given back is its own again")
    func last() throws {
        var planner = PortPlanner(
            ranges: try ranges(),
            quarantines: [
                11_103: PortQuarantine(lease: lease("a"), until: 50),
                11_108: PortQuarantine(lease: lease("a"), until: 60),
                11_109: PortQuarantine(lease: lease("a"), until: 60),
            ])
        #expect(try planner.grant(PortWish(tenant: "a", kinds: [.ssh])) == [.ssh: 11_108])
    }

    @Test("a lease and a quarantine of one port: the lease counts; what is not leased stays")
    func contradiction() throws {
        var planner = PortPlanner(
            ranges: try ranges(), leases: [11_100: lease("a")],
            quarantines: [11_100: PortQuarantine(lease: lease("b"), until: 50)])
        #expect(planner.state(11_100, now: 0) == .leased(lease("a")))
        #expect(planner.release(11_101, until: 50) == nil)
        #expect(planner.state(11_101, now: 0) == .free)
    }

    @Test("ranges that became narrower: what is leased stays, what is given back is for nobody")
    func narrower() throws {
        var planner = PortPlanner(ranges: try ranges(), leases: [500: lease("a")])
        #expect(try planner.grant(PortWish(tenant: "a", kinds: [.ssh])) == [.ssh: 500])
        planner.release(500, until: 50)
        #expect(planner.state(500, now: 50) == .outside)
        #expect(try planner.grant(PortWish(tenant: "a", kinds: [.ssh])) == [.ssh: 11_100])
        #expect(planner.freeCount == 19)
    }

    @Test("fifty thousand ports are leased, given back and leased again, each to one tenant")
    func many() throws {
        var planner = PortPlanner(ranges: try ranges([10_000...59_999]))
        for round in 0..<2 as Range<UInt64> {
            var seen = PortSet()
            for number in 0..<10_000 {
                let tenant = "\(round)-\(number)"
                let ports = try planner.grant(PortWish(tenant: tenant), now: round * day)
                for port in ports.values { seen.insert(port) }
            }
            #expect(seen.count == 50_000)
            #expect(
                planner.refusal(PortWish(tenant: "late"), now: round * day)
                    == .exhausted(wanted: 5, free: 0, largestRun: 0))
            for port in seen.ports { planner.release(port, until: (round + 1) * day) }
        }
    }

    @Test("random scripts get the reference's answers", arguments: 0..<8 as Range<UInt64>)
    func agrees(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var sights: Set<String> = []
        for _ in 0..<30 {
            let script = (0..<300).map { _ in UInt8.random(in: 0...255, using: &random) }
            var run = PortFuzz()
            let violation = run.violation(script)
            #expect(violation == nil, "seed \(seed)")
            sights.formUnion(run.sights)
        }
        #expect(
            sights.isSuperset(of: [
                "block", "singles", "fixed", "own again", "kept", "exhausted", "outside", "leased",
                "quarantined", "used by host", "fixed twice", "has port",
            ]), "\(sights.sorted())")
    }
}
