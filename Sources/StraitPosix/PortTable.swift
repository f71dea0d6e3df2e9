// The table of ports that the kernel's program reads, as memory of this process.

internal import CStrait
internal import Glibc
internal import StraitCore

/// A byte for each port, in memory that is the kernel's, too: a store opens or closes a port.
///
/// Whole bytes: two processes that share the table do not disturb each other's ports.
///
/// Sendable, as it has one owner at a time, and whoever writes has it alone. Not private: Swift
/// 6.3.1 cannot optimise a program that destroys another module's private noncopyable part.
@safe struct PortTable: ~Copyable, @unchecked Sendable {
    private let descriptor: OwnedDescriptor
    /// Nil before ``map()``; then ``PortSet/capacity`` bytes until `deinit`.
    private var bytes: UnsafeMutablePointer<UInt8>?

    /// A new one, in which every port is passed on.
    init() throws(PosixError) {
        self.init(
            owning: unsafe cstrait_bpf_create_map(
                UInt32(CSTRAIT_BPF_ARRAY), UInt32(PortSet.capacity), 1,
                UInt32(CSTRAIT_BPF_MMAPABLE), "straitPorts"))
        guard self.descriptor.isOpen else { throw PosixError("bpf(BPF_MAP_CREATE)") }
        try self.map()
    }

    /// Whatever another process has passed; it is looked at by ``map()``.
    init(owning number: Int32) {
        self.descriptor = OwnedDescriptor(owning: number)
        unsafe self.bytes = nil
    }

    deinit {
        if let bytes = unsafe self.bytes { _ = unsafe munmap(bytes, PortSet.capacity) }
    }

    var number: Int32 { self.descriptor.number }

    mutating func map() throws(PosixError) {
        // struct bpf_map_info: type, id, key_size, value_size, max_entries, map_flags.
        let facts = try Self.facts(self.number)
        guard facts[0] == CSTRAIT_BPF_ARRAY, facts[3] == PortSet.capacity, facts[4] == 1 else {
            throw .badMessage("the table of ports")
        }
        let mapping = unsafe mmap(
            nil, PortSet.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, self.number, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw PosixError("mmap")
        }
        unsafe self.bytes = mapping.bindMemory(to: UInt8.self, capacity: PortSet.capacity)
    }

    /// What the table says of a port, ``SteeringVerdict``.
    subscript(port: UInt16) -> UInt8 {
        get { unsafe self.mapped[Int(port)] }
        set { unsafe self.mapped[Int(port)] = newValue }
    }

    private var mapped: UnsafeMutablePointer<UInt8> {
        guard let bytes = unsafe self.bytes else { preconditionFailure("a table that was mapped") }
        return unsafe bytes
    }

    /// The first words of what the kernel knows of a map or link.
    static func facts(_ number: Int32) throws(PosixError) -> [UInt32] {
        var words = [UInt32](repeating: 0, count: 64)
        guard unsafe cstrait_bpf_info(number, &words, UInt32(words.count * 4)) == 0 else {
            throw PosixError("bpf(BPF_OBJ_GET_INFO_BY_FD)")
        }
        return words
    }
}
