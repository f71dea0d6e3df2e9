// One listening socket for as many ports as an address has, by eBPF sk_lookup: 10,000 tenants with
// five ports each cost one descriptor for each kind of listener, and opening a port costs a store.

internal import CStrait
internal import Glibc
package import StraitCore

/// Steers connections to some ports of a local address to listening sockets of this process.
///
/// The sockets are anybody's; each must be open while it is steered to, and belong to a family that
/// fits: one on `[::]` that takes IPv4 too serves both. What it accepts tells by its local address
/// (``Sockets/localAddress(_:)``) which port was dialled. The socket's own port stays open as it
/// is: bind it to a port of the range and ``refuse(_:)`` that, so that a second router that is
/// started by mistake finds it taken (the kernel tells nobody that a port is steered), and nobody
/// gets in by a port that is not leased.
///
/// A port that is closed is refused from the next SYN on; what waits to be accepted still is, so
/// who accepts asks which port it was. Connections that are open go on.
///
/// Programs and listeners of others are left alone, but for one case: whoever listens on a steered
/// port of this address gets nothing any more. Probe before leasing, ``PortProbe``.
///
/// **Upgrades.** Program, maps and link live as long as a descriptor of them in any process, so a
/// successor takes all three (``passed``, SCM_RIGHTS) beside the listening sockets, which
/// are the same sockets for it. Then there is one table for both processes, no moment without, and
/// the successor needs no capability. Who accepts writes the table: on its way back the predecessor
/// sets it anew by ``openOnly(_:through:)``. A successor that attaches a program of its own instead
/// does no harm: the older program decides first until its process ends.
///
/// Goes from thread to thread with its owner.
package struct PortSteering: ~Copyable, Sendable {
    /// Listening sockets at most; a byte of the table names one.
    package static let socketsMax = 8

    /// Detaches the program when the last process closes it.
    private let link: OwnedDescriptor
    private let sockets: OwnedDescriptor
    private var table: PortTable

    /// Attaches to the network namespace of this process; every port is closed.
    ///
    /// - Parameters:
    ///   - address: What downstreams dial; `0.0.0.0` is every address of IPv4, `::` every address.
    ///   - listeners: Listening TCP sockets, 1 to ``socketsMax``, by their place.
    /// - Throws: ``SteeringFailure``, which says what the process would need.
    package init(address: IPAddress, listeners: [Int32]) throws(SteeringFailure) {
        precondition(1...Self.socketsMax ~= listeners.count, "one to eight listening sockets")
        do throws(PosixError) {
            self = try Self(attachingAt: address, listeners)
        } catch {
            throw SteeringFailure(error)
        }
    }

    private init(attachingAt address: IPAddress, _ listeners: [Int32]) throws(PosixError) {
        let table = try PortTable()
        let sockets = OwnedDescriptor(
            owning: unsafe cstrait_bpf_create_map(
                UInt32(CSTRAIT_BPF_SOCKMAP), 4, UInt32(Self.socketsMax), 0, "straitSockets"))
        guard sockets.isOpen else { throw PosixError("bpf(BPF_MAP_CREATE)") }
        for (place, listener) in listeners.enumerated() {
            try Self.put(listener, at: place, of: sockets.number)
        }
        let program = SteeringProgram(
            address: address, table: table.number, sockets: sockets.number)
        let loaded = OwnedDescriptor(
            owning: unsafe cstrait_bpf_load_socket_lookup(
                program.instructions, UInt32(program.instructions.count), "straitPorts"))
        guard loaded.isOpen else { throw PosixError("bpf(BPF_PROG_LOAD)") }
        let network = OwnedDescriptor(
            owning: unsafe Glibc.open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC))
        guard network.isOpen else { throw PosixError("open /proc/thread-self/ns/net") }
        let link = OwnedDescriptor(owning: cstrait_bpf_link_network(loaded.number, network.number))
        guard link.isOpen else { throw PosixError("bpf(BPF_LINK_CREATE)") }
        self.link = link
        self.sockets = sockets
        self.table = table
    }

    /// Takes over what another process has attached, with the ports as they are; owns the
    /// descriptors from now on, also where it throws.
    ///
    /// - Parameter passed: Three descriptors in the order of ``passed``.
    /// - Throws: ``SteeringFailure/notSteering(_:)``.
    package init(adopting passed: [Int32]) throws(SteeringFailure) {
        do throws(PosixError) {
            self = try Self(owning: passed)
        } catch {
            throw .notSteering(error.description)
        }
    }

    private init(owning passed: [Int32]) throws(PosixError) {
        var rest = passed[...]
        let link = OwnedDescriptor(owning: rest.popFirst() ?? -1)
        let sockets = OwnedDescriptor(owning: rest.popFirst() ?? -1)
        var table = PortTable(owning: rest.popFirst() ?? -1)
        for number in rest { Sockets.close(number) }
        guard passed.count == 3 else { throw .badMessage("\(passed.count) descriptors, not three") }
        // struct bpf_link_info: type (BPF_LINK_TYPE_NETNS), id, prog_id, then netns_ino, 0 once it
        // is detached, and attach_type (BPF_SK_LOOKUP).
        let attached = try PortTable.facts(link.number)
        guard attached[0] == 5, attached[4] != 0, attached[5] == 36 else {
            throw .badMessage("the link to a network namespace")
        }
        guard try PortTable.facts(sockets.number)[0] == CSTRAIT_BPF_SOCKMAP else {
            throw .badMessage("the listening sockets")
        }
        try table.map()
        self.link = link
        self.sockets = sockets
        self.table = table
    }

    // MARK: Ports

    /// Steers a port to the socket at `place`.
    package mutating func open(_ port: UInt16, through place: Int = 0) {
        self.table[port] = Self.verdict(place)
    }

    /// Steers a port no more: whoever else listens there gets what comes; else it is refused.
    package mutating func close(_ port: UInt16) { self.table[port] = SteeringVerdict.pass }

    /// Refuses a port, whoever listens there.
    package mutating func refuse(_ port: UInt16) { self.table[port] = SteeringVerdict.refused }

    /// Steers these ports to the socket at `place`, and others there no more; what is steered to
    /// another place, or refused, stays so where it is not among them.
    package mutating func openOnly(_ ports: PortSet, through place: Int = 0) {
        let verdict = Self.verdict(place)
        for port in 0...UInt16.max {
            if ports.contains(port) {
                self.table[port] = verdict
            } else if self.table[port] == verdict {
                self.table[port] = SteeringVerdict.pass
            }
        }
    }

    /// The ports that are steered to the socket at `place`.
    package func ports(through place: Int = 0) -> PortSet {
        var ports = PortSet()
        for port in 0...UInt16.max where self.table[port] == Self.verdict(place) {
            ports.insert(port)
        }
        return ports
    }

    // MARK: Sockets

    /// Steers what goes to `place` to another listening socket from now on.
    package mutating func replace(_ place: Int, by listener: Int32) throws(SteeringFailure) {
        precondition(0..<Self.socketsMax ~= place, "a place among the sockets")
        do throws(PosixError) {
            try Self.put(listener, at: place, of: self.sockets.number)
        } catch {
            throw SteeringFailure(error)
        }
    }

    /// What a successor takes, in this order: the link, the sockets, the table.
    package var passed: [Int32] { [self.link.number, self.sockets.number, self.table.number] }

    // MARK: Private

    private static func verdict(_ place: Int) -> UInt8 {
        precondition(0..<self.socketsMax ~= place, "a place among the sockets")
        return UInt8(place + 1)
    }

    private static func put(_ listener: Int32, at place: Int, of sockets: Int32) throws(PosixError)
    {
        var listener = listener
        guard unsafe cstrait_bpf_update(sockets, UInt32(place), &listener) == 0 else {
            throw PosixError("bpf(BPF_MAP_UPDATE_ELEM)")
        }
    }
}
