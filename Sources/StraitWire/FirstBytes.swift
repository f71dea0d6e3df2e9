// What a downstream began with, on a listener that multiplexes plain protocols.

private import StraitCore

/// The protocol that the first bytes belong to.
///
/// Decided as early as possible: ``needMore`` only while what came is a prefix of something known,
/// and a byte that fits nothing is ``unknown`` at once. A PROXY header is not looked for here: it
/// is mandatory or absent, and read before.
package enum FirstBytes: Hashable, Sendable {
    /// A prefix of something known.
    case needMore
    /// A TLS handshake record, RFC 8446 §5.1.
    case tls
    /// A hello in the form of SSL 2.0, RFC 5246 appendix E.2. To be refused with protocol_version.
    case sslv2
    /// `SSH-2.0-` or `SSH-1.99-`, RFC 4253 §4.2 and §5.
    case ssh
    /// A method of HTTP/1 and a space, RFC 9112 §3.
    case http
    /// The preface of HTTP/2 without TLS, RFC 9113 §3.4.
    case http2
    /// The whole 8 bytes of SSLRequest.
    case postgresSSLRequest
    /// The whole 8 bytes of GSSENCRequest.
    case postgresGSSENCRequest
    /// The first 8 bytes of a CancelRequest with a key of 4 to 256 bytes.
    case postgresCancel
    /// The first bytes of a StartupMessage of protocol 3.
    case postgresStartup
    /// None of these.
    case unknown

    /// - Parameter bytes: What came so far.
    /// - Complexity: O(1); at most 24 bytes are looked at.
    package init(_ bytes: Span<UInt8>) {
        guard !bytes.isEmpty else {
            self = .needMore
            return
        }
        switch bytes[0] {
        case 0x16: self = Self.match(bytes, Known.tls, .tls)
        case 0x80...0xFF: self = Self.sslv2(bytes)
        case 0x00: self = Self.postgres(bytes)
        case UInt8(ascii: "S"):
            self = Self.match(bytes, Known.ssh2, .ssh)
            if self == .unknown { self = Self.match(bytes, Known.ssh199, .ssh) }
        default: self = Self.http(bytes)
        }
    }

    private static func http(_ bytes: Span<UInt8>) -> FirstBytes {
        switch bytes[0] {
        case UInt8(ascii: "G"): return Self.match(bytes, Known.get, .http)
        case UInt8(ascii: "H"): return Self.match(bytes, Known.head, .http)
        case UInt8(ascii: "D"): return Self.match(bytes, Known.delete, .http)
        case UInt8(ascii: "C"): return Self.match(bytes, Known.connect, .http)
        case UInt8(ascii: "O"): return Self.match(bytes, Known.options, .http)
        case UInt8(ascii: "T"): return Self.match(bytes, Known.trace, .http)
        case UInt8(ascii: "P"):
            guard bytes.count > 1 else { return .needMore }
            switch bytes[1] {
            case UInt8(ascii: "O"): return Self.match(bytes, Known.post, .http)
            case UInt8(ascii: "U"): return Self.match(bytes, Known.put, .http)
            case UInt8(ascii: "A"): return Self.match(bytes, Known.patch, .http)
            case UInt8(ascii: "R"): return Self.match(bytes, Known.http2, .http2)
            default: return .unknown
            }
        default: return .unknown
        }
    }

    /// A 2-byte header with its top bit set, then CLIENT-HELLO (1) and a version.
    private static func sslv2(_ bytes: Span<UInt8>) -> FirstBytes {
        guard bytes.count > 2 else { return .needMore }
        guard bytes[2] == 1 else { return .unknown }
        guard bytes.count > 3 else { return .needMore }
        guard bytes[3] == 0 else { return bytes[3] == 3 ? .sslv2 : .unknown }
        guard bytes.count > 4 else { return .needMore }
        return bytes[4] == 2 ? .sslv2 : .unknown
    }

    /// A length of four bytes, then a code of four.
    private static func postgres(_ bytes: Span<UInt8>) -> FirstBytes {
        guard bytes.count > 1 else { return .needMore }
        guard bytes[1] == 0 else { return .unknown }
        guard bytes.count > 2 else { return .needMore }
        guard Int(bytes[2]) << 8 <= Limits.postgresStartupBytesMax else { return .unknown }
        guard bytes.count > 3 else { return .needMore }
        let length = Int(bytes[2]) << 8 | Int(bytes[3])
        guard (8...Limits.postgresStartupBytesMax).contains(length) else { return .unknown }
        guard bytes.count > 4 else { return .needMore }
        if bytes[4] == 0 {
            guard length > 8 else { return .unknown }
            guard bytes.count > 5 else { return .needMore }
            return bytes[5] == 3 ? .postgresStartup : .unknown
        }
        let isCancel = PostgresPrelude.cancelBytes.contains(length)
        guard length == 8 || isCancel else { return .unknown }
        for index in 4..<7 {  // all three codes begin alike: 04 D2 16
            guard bytes.count > index else { return .needMore }
            guard bytes[index] == PostgresPrelude.sslRequest[index] else { return .unknown }
        }
        guard bytes.count > 7 else { return .needMore }
        switch bytes[7] {
        case 0x2E: return isCancel ? .postgresCancel : .unknown
        case 0x2F: return length == 8 ? .postgresSSLRequest : .unknown
        case 0x30: return length == 8 ? .postgresGSSENCRequest : .unknown
        default: return .unknown
        }
    }

    private static func match(
        _ bytes: Span<UInt8>, _ known: [UInt8], _ found: FirstBytes
    ) -> FirstBytes {
        for index in 0..<min(bytes.count, known.count) where bytes[index] != known[index] {
            return .unknown
        }
        return bytes.count < known.count ? .needMore : found
    }
}

/// What is compared with; built once, so that looking costs no allocation.
private enum Known {
    static let tls: [UInt8] = [0x16, 0x03]
    static let ssh2 = Array("SSH-2.0-".utf8)
    static let ssh199 = Array("SSH-1.99-".utf8)
    static let get = Array("GET ".utf8)
    static let head = Array("HEAD ".utf8)
    static let delete = Array("DELETE ".utf8)
    static let connect = Array("CONNECT ".utf8)
    static let options = Array("OPTIONS ".utf8)
    static let trace = Array("TRACE ".utf8)
    static let post = Array("POST ".utf8)
    static let put = Array("PUT ".utf8)
    static let patch = Array("PATCH ".utf8)
    static let http2 = Array("PRI * HTTP/2.0".utf8)
}
