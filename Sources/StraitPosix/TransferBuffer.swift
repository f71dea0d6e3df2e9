// The one receive buffer of a worker, and the calls that fill and empty it.

internal import Glibc

/// What a transfer brought.
package enum TransferOutcome: Equatable, Sendable {
    /// That many bytes went, 1 or more.
    case bytes(Int)
    /// Nothing can go now.
    case wouldBlock
    /// The peer has ended its direction.
    case end
    /// The connection is broken (ECONNRESET, EPIPE, ETIMEDOUT and the like); the number is `errno`.
    case broken(Int32)
}

/// A fixed piece of memory that sockets are read into and written from.
@safe package struct TransferBuffer: ~Copyable {
    /// `count` bytes, initialised; never nil.
    private let base: UnsafeMutablePointer<UInt8>
    /// The size in bytes.
    package let count: Int

    /// - Parameter count: The size in bytes.
    package init(count: Int) {
        unsafe self.base = UnsafeMutablePointer<UInt8>.allocate(capacity: count)
        unsafe self.base.initialize(repeating: 0, count: count)
        self.count = count
    }

    deinit { unsafe self.base.deallocate() }

    /// Receives into the buffer from `offset` on, at most `bytesMax`.
    package mutating func receive(
        _ descriptor: Int32, offset: Int = 0, bytesMax: Int = .max
    ) -> TransferOutcome {
        precondition(offset >= 0 && offset < self.count && bytesMax > 0, "room is left")
        let room = min(self.count - offset, bytesMax)
        let got = unsafe recv(descriptor, self.base + offset, room, 0)
        return Self.outcome(got, endsAtZero: true)
    }

    /// Sends a range of the buffer.
    ///
    /// `more`: the FIN or more data follow at once.
    package func send(_ descriptor: Int32, _ range: Range<Int>, more: Bool) -> TransferOutcome {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.count, "a range of it")
        let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
        let sent = unsafe Glibc.send(
            descriptor, self.base + range.lowerBound, range.count, flags)
        return Self.outcome(sent, endsAtZero: false)
    }

    /// Sends bytes from elsewhere.
    package static func send(
        _ descriptor: Int32, _ bytes: Span<UInt8>, more: Bool = false
    ) -> TransferOutcome {
        let flags = Int32(MSG_NOSIGNAL) | (more ? Int32(MSG_MORE) : 0)
        let sent = unsafe bytes.withUnsafeBufferPointer { pointer in
            unsafe Glibc.send(descriptor, pointer.baseAddress, pointer.count, flags)
        }
        return Self.outcome(sent, endsAtZero: false)
    }

    /// One byte.
    package subscript(index: Int) -> UInt8 {
        get {
            precondition(index >= 0 && index < self.count, "an index of it")
            return unsafe self.base[index]
        }
        set {
            precondition(index >= 0 && index < self.count, "an index of it")
            unsafe self.base[index] = newValue
        }
    }

    /// A range of the buffer, to read.
    @_lifetime(borrow self)
    package func span(_ range: Range<Int>) -> Span<UInt8> {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.count, "a range of it")
        let span = unsafe Span(_unsafeStart: self.base + range.lowerBound, count: range.count)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// A copy of a range.
    package func copy(_ range: Range<Int>) -> [UInt8] {
        precondition(range.lowerBound >= 0 && range.upperBound <= self.count, "a range of it")
        return unsafe Array(
            UnsafeBufferPointer(start: self.base + range.lowerBound, count: range.count))
    }

    /// The whole buffer, to write.
    package var mutableSpan: MutableSpan<UInt8> {
        @_lifetime(&self) mutating get {
            let span = unsafe MutableSpan(_unsafeStart: self.base, count: self.count)
            return unsafe _overrideLifetime(span, mutating: &self)
        }
    }

    /// The first `bytesMax` bytes of the buffer, to write; all of it where it has no more.
    @_lifetime(&self)
    package mutating func mutableSpan(bytesMax: Int) -> MutableSpan<UInt8> {
        precondition(bytesMax >= 0, "so many bytes")
        let span = unsafe MutableSpan(
            _unsafeStart: self.base, count: min(bytesMax, self.count))
        return unsafe _overrideLifetime(span, mutating: &self)
    }

    private static func outcome(_ result: Int, endsAtZero: Bool) -> TransferOutcome {
        if result > 0 { return .bytes(result) }
        if result == 0 { return endsAtZero ? .end : .wouldBlock }
        switch errno {
        case EAGAIN, EINTR: return .wouldBlock
        default: return .broken(errno)
        }
    }
}
