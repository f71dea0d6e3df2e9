// What many ports cost: planning and opening 50,000 of them, and a new connection to one of them
// against one to a port of a plain listener. One thread dials and accepts; see Benchmarks/ports.
//
//   ManyPorts ROUNDS CONNECTIONS     so many connections of each kind a round

import Glibc
import StraitCore
import StraitPosix
import StraitRouting

/// How a connection's port is listened on.
private struct Kind {
    let name: String
    let address: IPAddress
    let ports: [UInt16]
    /// The listening socket for each port, or one for all.
    let listeners: [Int32]
}

@main
enum ManyPorts {
    static let steeredAddress = IPAddress(v4: 127, 77, 0, 1)
    static let plainAddress = IPAddress(v4: 127, 77, 0, 2)
    static let ranges: ClosedRange<UInt16> = 10_000...59_999
    static let plainMax = 15_000

    static func main() throws {
        let numbers = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        guard numbers.count == 2 else {
            print("usage: ManyPorts ROUNDS CONNECTIONS")
            return
        }
        _ = try cost("plan 10,000 tenants' 50,000 ports", of: plan)
        let listener = try listen(.ip(steeredAddress, port: 0))
        var attached: PortSteering?
        try cost("attach sk_lookup") {
            attached = try PortSteering(address: steeredAddress, listeners: [listener])
        }
        guard var steering = attached.take() else { return }
        try cost("open 50,000 ports, one by one") {
            for port in ranges { steering.open(port) }
        }
        try cost("open 50,000 ports as a set") { steering.openOnly(PortSet(ranges)) }
        var plain: [Int32] = []
        let count = min(plainMax, Sockets.descriptorLimit() - 100)
        try cost("open \(count) plain listeners") {
            for port in ranges.prefix(count) {
                plain.append(try listen(.ip(plainAddress, port: port)))
            }
        }
        let kinds = [
            Kind(
                name: "one plain port", address: plainAddress, ports: [ranges.lowerBound],
                listeners: [plain[0]]),
            Kind(
                name: "one steered port", address: steeredAddress, ports: [ranges.lowerBound],
                listeners: [listener]),
            Kind(
                name: "50,000 steered ports", address: steeredAddress, ports: Array(ranges),
                listeners: [listener]),
            Kind(
                name: "\(count) plain ports", address: plainAddress,
                ports: Array(ranges.prefix(count)), listeners: plain),
        ]
        try compare(kinds, rounds: numbers[0], connections: numbers[1])
    }

    // MARK: Opening

    private static func plan() throws {
        guard let ranges = PortRanges([self.ranges]) else { return }
        var planner = PortPlanner(ranges: ranges)
        for number in 0..<10_000 {
            let tenant = "tenant-\(number)"
            let ports = try planner.plan(PortWish(tenant: tenant), now: 0) { _ in false }
            for (kind, port) in ports {
                planner.lease(port, to: PortLease(tenant: tenant, kind: kind))
            }
        }
    }

    /// Says what `work` costs in time, CPU and memory of the process and of the kernel.
    private static func cost(_ name: String, of work: () throws -> Void) throws {
        let before = (monotonicNow().nanoseconds, cpu(), memory("/proc/self/status", "VmRSS:"))
        let kernel = memory("/proc/meminfo", "Slab:")
        try work()
        let time = milliseconds(monotonicNow().nanoseconds - before.0)
        let used = milliseconds(cpu() - before.1)
        let resident = memory("/proc/self/status", "VmRSS:") - before.2
        let slab = memory("/proc/meminfo", "Slab:") - kernel
        print("\(name): \(time) ms, CPU \(used) ms, resident +\(resident) KiB, slab +\(slab) KiB")
    }

    // MARK: Connections

    /// Each kind once a round, beginning with another one each time; medians of the ratios to the
    /// first kind within the rounds.
    private static func compare(_ kinds: [Kind], rounds: Int, connections: Int) throws {
        var costs = [[Double]](repeating: [], count: kinds.count)
        for round in -1..<rounds {
            for turn in kinds.indices {
                let index = (turn + max(round, 0)) % kinds.count
                let start = cpu()
                try dial(kinds[index], connections)
                let each = Double(cpu() - start) / Double(connections) / 1000
                if round >= 0 { costs[index].append(each) }  // the first one warms up
            }
        }
        for (index, kind) in kinds.enumerated() {
            let ratios = costs[index].indices.map { costs[index][$0] / costs[0][$0] }
            print(
                "\(kind.name): CPU of both ends \(text(median(costs[index]))) us a connection, "
                    + "\(text(median(ratios))) of one plain port "
                    + "(\(text(ratios.min() ?? 0)) to \(text(ratios.max() ?? 0)))")
        }
    }

    private static func dial(_ kind: Kind, _ connections: Int) throws {
        var random: UInt64 = 88_172_645_463_325_252
        for _ in 0..<connections {
            random ^= random << 13  // xorshift64
            random ^= random >> 7
            random ^= random << 17
            let index = Int(random % UInt64(kind.ports.count))
            let port = kind.ports[index]
            let listener = kind.listeners[kind.listeners.count == 1 ? 0 : index]
            let (near, _) = try Sockets.connect(to: .ip(kind.address, port: port))
            var far: Int32 = -1
            while far < 0 {
                if case .accepted(let number, _) = Sockets.accept(listener) { far = number }
            }
            guard Sockets.localAddress(far)?.port == port else {
                preconditionFailure("accepted another port than was dialled")
            }
            Sockets.setAbortiveClose(near)  // no TIME_WAIT: ports of this side would run out
            Sockets.close(near)
            Sockets.close(far)
        }
    }

    // MARK: Reading

    private static func listen(_ address: SocketAddress) throws -> Int32 {
        try Sockets.listen(on: address, options: ListenerOptions(backlog: 128))
    }

    private static func cpu() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// The number behind a word of a file of /proc, in KiB.
    private static func memory(_ file: String, _ word: String) -> Int {
        guard let stream = fopen(file, "re") else { return 0 }
        defer { fclose(stream) }
        var room = [CChar](repeating: 0, count: 256)
        while fgets(&room, Int32(room.count), stream) != nil {
            let line = String(
                decoding: room.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            guard line.hasPrefix(word) else { continue }
            return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
        }
        return 0
    }

    private static func median(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.sorted()[values.count / 2]
    }

    private static func milliseconds(_ nanoseconds: UInt64) -> String {
        text(Double(nanoseconds) / 1_000_000)
    }

    private static func text(_ value: Double) -> String {
        "\((value * 1000).rounded() / 1000)"
    }
}
