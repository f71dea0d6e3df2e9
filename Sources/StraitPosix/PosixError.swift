// Errors of the kernel, by number and with the call that failed.

internal import Glibc

/// A system call that failed.
package struct PosixError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The call, as in its manual page.
    package let call: String
    /// `errno` after it.
    package let number: Int32

    /// Takes an error number that a call returned instead of setting `errno`.
    package init(call: String, number: Int32) {
        self.call = call
        self.number = number
    }

    /// What came was not what was agreed upon (EBADMSG).
    package static func badMessage(_ call: String) -> PosixError {
        PosixError(call: call, number: EBADMSG)
    }

    /// A socket's path has more bytes than the kernel takes (ENAMETOOLONG).
    package static func nameTooLong(_ path: String) -> PosixError {
        PosixError(call: path, number: ENAMETOOLONG)
    }

    /// Takes `errno` as the last call left it.
    init(_ call: String) { self.init(call: call, number: errno) }

    /// The call and the system's words for the number.
    package var description: String {
        var buffer: [CChar] = Array(repeating: 0, count: 128)
        let number = self.number
        let text = unsafe buffer.withUnsafeMutableBufferPointer { storage -> String in
            guard let base = storage.baseAddress,
                unsafe strerror_r(number, base, storage.count) == 0
            else { return "error \(number)" }
            return unsafe String(cString: base)
        }
        return "\(self.call): \(text)"
    }

    /// Whether somebody else has the address and port.
    package var isAddressInUse: Bool { self.number == EADDRINUSE }

    /// Whether no descriptor was to be had (EMFILE, ENFILE).
    package var isOutOfDescriptors: Bool { self.number == EMFILE || self.number == ENFILE }

    /// Whether the other end is gone (EPIPE, ECONNRESET).
    package var isGone: Bool { self.number == EPIPE || self.number == ECONNRESET }

    /// Whether the user may not do that (EACCES, EPERM).
    package var isPermissionDenied: Bool { self.number == EACCES || self.number == EPERM }

    /// Whether the address is none of this machine's (EADDRNOTAVAIL).
    package var isAddressNotAvailable: Bool { self.number == EADDRNOTAVAIL }
}
