// epoll, edge-triggered: each descriptor is registered once.

internal import CStrait
internal import Glibc

/// What a descriptor is ready for.
package struct Readiness: OptionSet, Hashable, Sendable {
    /// The bits of epoll(7), as the kernel numbers them.
    package let rawValue: UInt32
    /// Takes the kernel's bits; those without a name here are kept.
    package init(rawValue: UInt32) { self.rawValue = rawValue }

    // Tests of bits, not of sets: set operations of another module's type are generic calls that
    // allocate an array for each literal.

    // epoll(7): EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLPRI, EPOLLRDHUP.
    private static var anyBreak: UInt32 { 0x008 | 0x010 }
    private static var anyReading: UInt32 { 0x001 | 0x2000 | Self.anyBreak }
    private static var anyWriting: UInt32 { 0x004 | Self.anyBreak }
    private static var anyStop: UInt32 { 0x002 | 0x2000 | Self.anyBreak }

    /// Whether bytes, an end or an error can be read.
    package var allowsReading: Bool { self.rawValue & Self.anyReading != 0 }
    /// Whether a write would not wait, or would fail at once.
    package var allowsWriting: Bool { self.rawValue & Self.anyWriting != 0 }
    /// Whether bytes have come, and neither an end nor an error nor urgent data.
    package var saysBytesOnly: Bool {
        self.rawValue & (Self.anyReading | Self.anyStop) == 0x001
    }
    /// Whether a read may stop short of what has come: before the peer's end, or before bytes that
    /// the peer calls urgent (RFC 6093 §3.1).
    package var mayStopReads: Bool { self.rawValue & Self.anyStop != 0 }
    /// Whether both directions are over, or the connection is broken.
    package var saysBroken: Bool { self.rawValue & Self.anyBreak != 0 }
    /// Whether the descriptor has failed.
    package var saysError: Bool { self.rawValue & 0x008 != 0 }

    /// Bytes, a connection or the end can be read.
    package static let readable = Readiness(rawValue: 0x001)
    /// Bytes can be written, or a connect is over.
    package static let writable = Readiness(rawValue: 0x004)
    /// The descriptor has failed; its next call says how.
    package static let error = Readiness(rawValue: 0x008)
    /// Both directions have ended.
    package static let hangup = Readiness(rawValue: 0x010)
    /// Bytes have come that the peer calls urgent.
    package static let urgent = Readiness(rawValue: 0x002)
    /// The peer has ended its direction.
    package static let readHangup = Readiness(rawValue: 0x2000)
}

/// One epoll instance and the room for its events.
@safe package struct Poller: ~Copyable {
    private let descriptor: OwnedDescriptor
    /// Room for `capacity` events; never nil.
    private let events: UnsafeMutablePointer<epoll_event>
    private let capacity: Int

    /// - Parameter eventsMax: How many events one ``wait(milliseconds:)`` may bring.
    /// - Throws: ``PosixError`` when there are no descriptors.
    package init(eventsMax: Int) throws(PosixError) {
        let number = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard number >= 0 else { throw PosixError("epoll_create1") }
        self.descriptor = OwnedDescriptor(owning: number)
        self.capacity = eventsMax
        unsafe self.events = UnsafeMutablePointer<epoll_event>.allocate(capacity: eventsMax)
    }

    deinit { unsafe self.events.deallocate() }

    /// Registers a connection's descriptor, edge-triggered, for reading and optionally writing.
    package func add(_ number: Int32, token: UInt64, writable: Bool) throws(PosixError) {
        try self.control(EPOLL_CTL_ADD, number, Self.edge(writable: writable), token)
    }

    /// Registers it anew; a readiness that is asked for and holds now is announced again.
    ///
    /// An end or an error is announced whether or not `readable` is asked for.
    package func rearm(
        _ number: Int32, token: UInt64, readable: Bool, writable: Bool
    ) throws(PosixError) {
        let unwanted = readable ? 0 : Readiness.readable.rawValue
        try self.control(EPOLL_CTL_MOD, number, Self.edge(writable: writable) & ~unwanted, token)
    }

    /// Registers a listening socket that other pollers share: one of them is woken.
    package func addShared(_ number: Int32, token: UInt64) throws(PosixError) {
        try self.control(
            EPOLL_CTL_ADD, number, Readiness.readable.rawValue | cstrait_epoll_exclusive(), token)
    }

    /// Registers a descriptor of our own (a mailbox), level-triggered.
    package func addLevel(_ number: Int32, token: UInt64) throws(PosixError) {
        try self.control(EPOLL_CTL_ADD, number, Readiness.readable.rawValue, token)
    }

    /// Takes a descriptor out.
    ///
    /// One that is not registered is no error.
    package func remove(_ number: Int32) {
        var event = unsafe epoll_event()
        _ = unsafe epoll_ctl(self.descriptor.number, EPOLL_CTL_DEL, number, &event)
    }

    /// Waits for events, at most `milliseconds` (-1: for ever), and tells how many came.
    package func wait(milliseconds: Int32) -> Int {
        let count = unsafe epoll_wait(
            self.descriptor.number, self.events, Int32(self.capacity), milliseconds)
        return max(Int(count), 0)  // EINTR brings nothing, and the loop comes again
    }

    /// Event number `index` of the last wait.
    package func event(_ index: Int) -> (token: UInt64, readiness: Readiness) {
        precondition(index >= 0 && index < self.capacity, "an event of the last wait")
        let event = unsafe self.events[index]
        return unsafe (event.data.u64, Readiness(rawValue: event.events))
    }

    private static func edge(writable: Bool) -> UInt32 {
        Readiness.readable.rawValue | Readiness.urgent.rawValue | cstrait_epoll_read_hangup()
            | cstrait_epoll_edge_triggered()
            | (writable ? Readiness.writable.rawValue : 0)
    }

    private func control(
        _ operation: Int32, _ number: Int32, _ interest: UInt32, _ token: UInt64
    ) throws(PosixError) {
        var event = unsafe epoll_event(events: interest, data: epoll_data_t(u64: token))
        guard unsafe epoll_ctl(self.descriptor.number, operation, number, &event) == 0 else {
            throw PosixError("epoll_ctl")
        }
    }
}
