// OpenSSL's queue of errors, one per thread.

private import COpenSSL

/// Reads the thread's error queue.
enum OpenSSLErrors {
    /// The sentence, the reason of the oldest error in the queue, and an empty queue.
    static func drained(_ sentence: String) -> String {
        let reason = Self.reason(ERR_peek_error())
        ERR_clear_error()
        return reason.map { "\(sentence): \($0)" } ?? sentence
    }

    /// The oldest error of libssl itself, else the oldest of all (or 0), and an empty queue.
    ///
    /// libcrypto's come first in the queue (a signature that does not verify) and mean less.
    static func drainedCode() -> UInt {
        let oldest = ERR_peek_error()
        var code = ERR_get_error()
        while code != 0, code >> 23 & 0xFF != UInt(ERR_LIB_SSL) { code = ERR_get_error() }
        ERR_clear_error()
        return code == 0 ? oldest : code
    }

    /// The words that OpenSSL has for an error code.
    static func reason(_ code: UInt) -> String? {
        guard code != 0 else { return nil }
        guard let text = unsafe ERR_reason_error_string(code) else { return "error \(code)" }
        return unsafe String(cString: text)
    }

    /// The part of an error code that tells what, ERR_GET_REASON: system errors have none.
    static func reasonNumber(_ code: UInt) -> Int32 {
        guard code & 0x8000_0000 == 0 else { return 0 }
        return Int32(truncatingIfNeeded: code & 0x7F_FFFF)
    }
}
