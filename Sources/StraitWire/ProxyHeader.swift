// The PROXY protocol's header, versions 1 and 2, exactly as its specification has it:
// https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt. Reading is in
// ProxyHeader+Read.swift.

package import StraitCore

/// Where a connection came from, as a proxy in front of its receiver says.
package struct ProxyHeader: Hashable, Sendable {
    /// Whether the addresses of the header count.
    package enum Command: UInt8, Hashable, Sendable, CaseIterable {
        /// They do not: the socket's own addresses do. Version 1's UNKNOWN, version 2's LOCAL, and
        /// every family that is no TCP over IP.
        case local
        /// They do; both are set.
        case proxy
    }

    /// Whether the addresses count.
    package var command: Command
    /// Who dialled; an IP address where set.
    package var source: SocketAddress?
    /// What was dialled; an IP address where set.
    package var destination: SocketAddress?
    /// What else the sender says; empty for version 1.
    package var tlvs: ProxyTLVs

    /// - Parameters:
    ///   - command: Whether the addresses count.
    ///   - source: Who dialled.
    ///   - destination: What was dialled.
    ///   - tlvs: What else there is to say.
    package init(
        command: Command, source: SocketAddress? = nil, destination: SocketAddress? = nil,
        tlvs: ProxyTLVs = ProxyTLVs()
    ) {
        self.command = command
        self.source = source
        self.destination = destination
        self.tlvs = tlvs
    }

    /// The 12 bytes that begin version 2.
    package static let signatureV2: [UInt8] = [
        0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
    ]
    /// The token and the space that begin version 1.
    package static let tokenV1 = Array("PROXY ".utf8)

    // MARK: Writing

    /// The header in the form of `version`; nothing for none.
    package func encoded(_ version: ProxyHeaderVersion) -> [UInt8] {
        switch version {
        case .none: []
        case .v1: self.encodedV1()
        case .v2: self.encodedV2()
        }
    }

    /// The header as a line of version 1, CR LF included.
    ///
    /// Without two IP addresses: `PROXY UNKNOWN`.
    package func encodedV1() -> [UInt8] {
        guard let (source, destination) = self.addresses else {
            return Array("PROXY UNKNOWN\r\n".utf8)
        }
        let isIPv4 = source.address.isIPv4 && destination.address.isIPv4
        let texts = [source, destination].map { end in
            // Of two families, both are written as IPv6.
            end.address.isIPv4 && !isIPv4 ? "::ffff:\(end.address)" : "\(end.address)"
        }
        let family = isIPv4 ? "TCP4" : "TCP6"
        return Array(
            "PROXY \(family) \(texts[0]) \(texts[1]) \(source.port) \(destination.port)\r\n".utf8)
    }

    /// The header in version 2's form.
    ///
    /// - Parameter withChecksum: Whether a CRC32C TLV is appended.
    /// - Returns: The whole header.
    package func encodedV2(withChecksum: Bool = false) -> [UInt8] {
        var header = ByteWriter(capacity: 64 + self.tlvs.encoded.count)
        header.append(contentsOf: Self.signatureV2)
        header.append(UInt8(self.command == .local ? 0x20 : 0x21))
        let addresses = self.addresses
        let isIPv4 = addresses.map { $0.address.isIPv4 && $1.address.isIPv4 } ?? false
        header.append(UInt8(addresses == nil ? 0x00 : isIPv4 ? 0x11 : 0x21))
        header.block(lengthBytes: 2) { body in
            if let (source, destination) = addresses {
                Self.append(source.address, asIPv4: isIPv4, &body)
                Self.append(destination.address, asIPv4: isIPv4, &body)
                body.append(source.port)
                body.append(destination.port)
            }
            body.append(contentsOf: self.tlvs.encoded)
            if withChecksum { body.append(contentsOf: [ProxyTLVType.crc32c, 0, 4, 0, 0, 0, 0]) }
        }
        if withChecksum {
            let sum = CRC32C.checksum(header.bytes.span)
            header.overwrite(at: header.count - 4, with: sum)
        }
        return header.bytes
    }

    private struct End {
        let address: IPAddress
        let port: UInt16
    }

    /// Both ends, where they are IP addresses and count.
    private var addresses: (End, End)? {
        guard self.command == .proxy, case .ip(let source, let sourcePort)? = self.source,
            case .ip(let destination, let destinationPort)? = self.destination
        else { return nil }
        return (
            End(address: source, port: sourcePort),
            End(address: destination, port: destinationPort)
        )
    }

    private static func append(_ address: IPAddress, asIPv4: Bool, _ body: inout ByteWriter) {
        if asIPv4 {
            body.append(address.v4Bits)
        } else {
            body.append(address.high)
            body.append(address.low)
        }
    }
}
