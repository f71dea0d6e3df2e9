// ALPN identifiers (RFC 7301). Compared as bytes, never joined or split as text.

/// One ALPN identifier: 1 to 255 bytes, any values.
package struct ApplicationProtocol: Hashable, Sendable {
    /// The identifier's bytes, 1 to 255 of them.
    package let bytes: [UInt8]

    /// - Parameter bytes: The identifier; nil unless it has 1 to 255 bytes.
    package init?(bytes: [UInt8]) {
        guard (1...255).contains(bytes.count) else { return nil }
        self.bytes = bytes
    }

    /// For the names below; the caller vouches for 1 to 255 ASCII bytes.
    private init(known text: StaticString) { self.bytes = Array("\(text)".utf8) }

    /// Whether `candidate` holds exactly these bytes.
    package func matches(_ candidate: Span<UInt8>) -> Bool {
        guard candidate.count == self.bytes.count else { return false }
        for index in candidate.indices where candidate[index] != self.bytes[index] { return false }
        return true
    }

    /// The identifier as text, with everything outside printable ASCII escaped as `\xNN`.
    package var text: String { escapedText(self.bytes.span, bytesMax: 255) }

    /// HTTP/1.1, RFC 7301 §6.
    package static let http11 = ApplicationProtocol(known: "http/1.1")
    /// HTTP/2 over TLS, RFC 9113 §3.2.
    package static let http2 = ApplicationProtocol(known: "h2")
    /// Postgres with direct TLS, as IANA registered it.
    package static let postgresql = ApplicationProtocol(known: "postgresql")
    /// The ACME challenge over TLS, RFC 8737 §6.2.
    package static let acme = ApplicationProtocol(known: "acme-tls/1")
    /// SSH inside of TLS; ours.
    package static let straitSSH = ApplicationProtocol(known: "strait-ssh")
    /// MySQL inside of TLS; ours.
    package static let straitMySQL = ApplicationProtocol(known: "strait-mysql")
    /// Postgres, its SSLRequest included, inside of TLS; ours.
    package static let straitPostgres = ApplicationProtocol(known: "strait-postgres")
    /// Any bytes inside of TLS; ours.
    package static let straitTCP = ApplicationProtocol(known: "strait-tcp")
}

/// Bytes that a stranger chose, as text that is safe in a log: printable ASCII stays, the rest
/// becomes `\xNN`, and what exceeds `bytesMax` input bytes is cut and marked with `...`.
package func escapedText(_ bytes: Span<UInt8>, bytesMax: Int) -> String {
    var text = ""
    for index in 0..<min(bytes.count, bytesMax) {
        let byte = bytes[index]
        if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "\\") {
            text.unicodeScalars.append(Unicode.Scalar(byte))
        } else {
            let digits = Array("0123456789abcdef".unicodeScalars)
            text += "\\x"
            text.unicodeScalars.append(digits[Int(byte >> 4)])
            text.unicodeScalars.append(digits[Int(byte & 15)])
        }
    }
    if bytes.count > bytesMax { text += "..." }
    return text
}
