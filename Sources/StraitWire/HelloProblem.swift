// Why a ClientHello was refused, and with which alert.

/// What is wrong with the bytes that should have been a ClientHello.
package enum HelloProblem: Error, Hashable, Sendable {
    /// A hello in the form of SSL 2.0.
    case sslv2Hello
    /// A record that is no handshake record, by its content type.
    case unexpectedRecord(UInt8)
    /// A record whose major version is not 3.
    case recordVersion(UInt8)
    /// A record without a byte; RFC 8446 §5.1 forbids it for handshake messages.
    case recordEmpty
    /// A record of more than 2^14 bytes, RFC 8446 §5.1.
    case recordTooLong(Int)
    /// A handshake message that is no ClientHello, by its type.
    case unexpectedHandshake(UInt8)
    /// More than ``Limits/clientHelloBytesMax``, or cut into so many records that it cannot be
    /// kept.
    case tooLarge
    /// More handshake bytes behind the hello in its last record, RFC 8446 §5.1.
    case trailingBytes
    /// Nothing newer than SSL 3.0 is offered.
    case versionUnsupported(UInt16)
    /// An extension that must not come twice did, by its type.
    case repeatedExtension(UInt16)
    /// pre_shared_key is not the last extension, RFC 8446 §4.2.11.
    case preSharedKeyNotLast
    /// A part whose length does not add up.
    case malformed(WireField)

    /// The alert that tells the downstream.
    package var alert: TLSAlert {
        switch self {
        case .sslv2Hello, .recordVersion, .versionUnsupported: .protocolVersion
        case .unexpectedRecord, .unexpectedHandshake, .trailingBytes, .recordEmpty:
            .unexpectedMessage
        case .recordTooLong: .recordOverflow
        case .tooLarge, .malformed: .decodeError
        case .repeatedExtension, .preSharedKeyNotLast: .illegalParameter
        }
    }
}

extension HelloProblem: CustomStringConvertible {
    /// The reason as an operator reads it.
    package var description: String {
        switch self {
        case .sslv2Hello: "a hello in the form of SSL 2.0"
        case .unexpectedRecord(let type): "a record of type \(type) where a handshake begins"
        case .recordVersion(let major): "a record of major version \(major)"
        case .recordEmpty: "a handshake record without a byte"
        case .recordTooLong(let count): "a record of \(count) bytes"
        case .unexpectedHandshake(let type): "a handshake message of type \(type), no ClientHello"
        case .tooLarge: "a ClientHello that is too large"
        case .trailingBytes: "handshake bytes behind the ClientHello"
        case .versionUnsupported(let version):
            "no TLS version is offered; the highest is 0x\(String(version, radix: 16))"
        case .repeatedExtension(let type): "extension \(type) comes twice"
        case .preSharedKeyNotLast: "pre_shared_key is not the last extension"
        case .malformed(let field): "\(field.name) does not add up"
        }
    }
}
