// Pipes for splice(2): bytes go from socket to socket without a visit to user space.

internal import CStrait
internal import Glibc

/// A pipe with a count of what is in it.
package struct SplicePipe: ~Copyable {
    private var readEnd: OwnedDescriptor
    private var writeEnd: OwnedDescriptor
    /// How many bytes it takes at least; the kernel counts pieces, and large ones make it more.
    package let capacity: Int
    /// How many bytes are in it.
    package private(set) var count = 0

    /// - Throws: ``PosixError`` when there are no descriptors.
    package init(bytes: Int) throws(PosixError) {
        var ends: [Int32] = [-1, -1]
        guard unsafe cstrait_pipe2(&ends) == 0 else { throw PosixError("pipe2") }
        self.readEnd = OwnedDescriptor(owning: ends[0])
        self.writeEnd = OwnedDescriptor(owning: ends[1])
        let granted = cstrait_set_pipe_size(ends[1], Int32(bytes))
        self.capacity = granted > 0 ? Int(granted) : 65_536
    }

    /// Moves bytes from a socket into the pipe.
    ///
    /// With bytes in it, `.wouldBlock` may mean a full pipe.
    package mutating func fill(from descriptor: Int32, bytesMax: Int) -> TransferOutcome {
        let moved = Self.splice(from: descriptor, to: self.writeEnd.number, bytesMax, more: false)
        if moved > 0 {
            self.count += moved
            return .bytes(moved)
        }
        guard moved < 0 else { return .end }
        return errno == EAGAIN ? .wouldBlock : .broken(errno)
    }

    /// Moves bytes out of the pipe into a socket.
    ///
    /// `more`: further bytes follow at once.
    package mutating func drain(into descriptor: Int32, more: Bool) -> TransferOutcome {
        let moved = Self.splice(from: self.readEnd.number, to: descriptor, self.count, more: more)
        if moved > 0 {
            self.count -= moved
            return .bytes(moved)
        }
        guard moved < 0 else { return .wouldBlock }
        return errno == EAGAIN ? .wouldBlock : .broken(errno)
    }

    /// After a signal it tries again: "would block" would have the caller wait for an edge that
    /// came already.
    private static func splice(from: Int32, to: Int32, _ bytes: Int, more: Bool) -> Int {
        while true {
            let moved = cstrait_splice(from, to, bytes, more ? 1 : 0)
            guard moved < 0, errno == EINTR else { return moved }
        }
    }
}

/// Empty pipes kept for reuse, up to a bound.
package struct PipePool: ~Copyable {
    private var idle: [Box] = []
    private let idleMax: Int
    private let usedMax: Int
    private let bytes: Int
    /// Pipes that were handed out and have not come back.
    package private(set) var used = 0

    /// - Parameters:
    ///   - idleMax: How many are kept; the others are closed.
    ///   - usedMax: How many may be out at once.
    ///   - bytes: The size to ask for.
    package init(idleMax: Int, usedMax: Int, bytes: Int) {
        self.idleMax = idleMax
        self.usedMax = usedMax
        self.bytes = bytes
    }

    /// A pipe, or nil when the bound is reached or there are no descriptors.
    package mutating func take() -> Box? {
        guard self.used < self.usedMax else { return nil }
        if let box = self.idle.popLast() {
            self.used += 1
            return box
        }
        do throws(PosixError) {
            let pipe = try SplicePipe(bytes: self.bytes)
            self.used += 1
            return Box(pipe)
        } catch {
            return nil  // without descriptors, copying goes on
        }
    }

    /// Takes a pipe back.
    ///
    /// One that still holds bytes is closed.
    package mutating func give(_ box: Box) {
        self.used -= 1
        guard box.pipe.count == 0, self.idle.count < self.idleMax else { return }
        self.idle.append(box)
    }

    /// A pipe by reference, so that a connection can hold one or none in 8 bytes.
    package final class Box {
        /// The pipe; used by the one connection that holds the box.
        package var pipe: SplicePipe
        init(_ pipe: consuming SplicePipe) { self.pipe = pipe }
    }
}
