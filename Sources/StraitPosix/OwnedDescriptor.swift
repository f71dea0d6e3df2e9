// A file descriptor that is closed exactly once.

internal import Glibc

/// Owns a file descriptor; closes it when it ends or when ``close()`` is called.
package struct OwnedDescriptor: ~Copyable {
    /// The number, or -1 when nothing is owned.
    package private(set) var number: Int32

    /// Owns `number` from now on; -1 owns nothing.
    package init(owning number: Int32 = -1) { self.number = number }

    /// Whether a descriptor is owned.
    package var isOpen: Bool { self.number >= 0 }

    /// Closes what is owned, if anything.
    package mutating func close() {
        guard self.number >= 0 else { return }
        _ = Glibc.close(self.number)
        self.number = -1
    }

    /// Gives the descriptor away; the caller owns it now.
    package mutating func release() -> Int32 {
        defer { self.number = -1 }
        return self.number
    }

    deinit {
        if self.number >= 0 { _ = Glibc.close(self.number) }
    }
}
