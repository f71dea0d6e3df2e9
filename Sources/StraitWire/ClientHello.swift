// The parts of a ClientHello that routing needs. See ClientHelloReader for how it comes out of
// records.

/// The parts of a ClientHello that routing needs.
///
/// Lenient on meaning, strict on framing: where the route terminates TLS, OpenSSL judges the same
/// bytes again, so unknown extensions are skipped, but a length that does not add up is an error.
/// Layout: RFC 8446 §4.1.2. Host name: RFC 6066 §3. Protocols: RFC 7301 §3.1. All ranges are
/// offsets into the handshake body: the message without its 4-byte header.
package struct ClientHello: Hashable, Sendable {
    /// Why a server_name extension that was sent gives no name.
    ///
    /// Such a hello must not be routed.
    package enum ServerNameProblem: UInt8, Hashable, Sendable, CaseIterable {
        /// The extension or its list holds nothing.
        case empty
        /// An entry of a type other than host_name (0).
        case unknownType
        /// A host_name of no bytes.
        case emptyName
        /// More than one entry, RFC 6066 §3.
        case severalNames
        /// A length that does not add up.
        case lengthMismatch
    }

    /// Where the bytes of the host_name lie; nil when none was sent, or ``serverNameProblem`` is
    /// set.
    package private(set) var serverName: Range<Int>?
    /// Set when server_name was sent and cannot be read: fail closed.
    package private(set) var serverNameProblem: ServerNameProblem?
    /// Where the content of the ProtocolNameList lies, without its 2-byte length.
    ///
    /// Every identifier in it has 1 to 255 bytes, and they add up: ``ProtocolNameList`` reads it.
    package private(set) var applicationProtocols: Range<Int>?
    /// The field legacy_version, 0x0301 or higher.
    package private(set) var legacyVersion: UInt16 = 0
    /// The highest version that is offered: of supported_versions without GREASE (RFC 8701), else
    /// ``legacyVersion``, at most 0x0303.
    package private(set) var highestVersion: UInt16 = 0
    /// Whether pre_shared_key was sent: a resumption under TLS 1.3.
    package private(set) var offersPreSharedKey = false
    /// Whether early_data was sent: 0-RTT bytes may follow the hello.
    package private(set) var hasEarlyData = false
    /// Whether encrypted_client_hello was sent; browsers send it as GREASE too.
    package private(set) var hasEncryptedClientHello = false
    /// Whether session_ticket was sent with a ticket: a resumption under TLS 1.2 (RFC 5077 §3.2).
    package private(set) var hasSessionTicket = false
    /// How many extensions there are.
    package private(set) var extensionCount = 0

    /// - Parameter body: One whole handshake body, at most ``Limits/clientHelloBytesMax`` bytes.
    /// - Throws: the first problem found.
    /// - Complexity: O(*n*), no allocation.
    package init(body: Span<UInt8>) throws(HelloProblem) {
        let problem: HelloProblem?
        do throws(ParseError) {
            problem = try self.readBody(body)
        } catch {
            switch error {
            case .malformed(let field): throw .malformed(field)
            }
        }
        if let problem { throw problem }
    }

    // MARK: Reading

    /// Reads the whole body.
    ///
    /// What does not add up is thrown, what must not be is returned.
    private mutating func readBody(_ body: Span<UInt8>) throws(ParseError) -> HelloProblem? {
        var hello = ByteReader(body)
        self.legacyVersion = try hello.uint16(.legacyVersion)
        guard self.legacyVersion >> 8 == 3, self.legacyVersion > 0x0300 else {
            return .versionUnsupported(self.legacyVersion)  // RFC 8446 appendix D.5
        }
        self.highestVersion = min(self.legacyVersion, 0x0303)
        try hello.bytes(32, .random)
        try hello.vector(lengthBytes: 1, in: 0...32, .sessionID)
        let suites = try hello.vector(lengthBytes: 2, in: 2...65_534, .cipherSuites)
        guard suites.count.isMultiple(of: 2) else { throw .malformed(.cipherSuites) }
        try hello.vector(lengthBytes: 1, in: 1...255, .compressionMethods)
        // TLS 1.2 peers may send none, RFC 5246 §7.4.1.2.
        guard !hello.isAtEnd else { return nil }
        let extensions = try hello.vector(lengthBytes: 2, in: 0...65_535, .extensions)
        guard hello.isAtEnd else { throw .malformed(.extensions) }
        return try self.readExtensions(body, in: extensions)
    }

    /// Walks the extensions.
    ///
    /// RFC 8446 §4.2: none comes twice. That is checked for every type below 64, which holds all
    /// that change meaning for us, and for encrypted_client_hello; further ones are skipped unread,
    /// and judged by whoever reads them.
    private mutating func readExtensions(
        _ body: Span<UInt8>, in range: Range<Int>
    ) throws(ParseError) -> HelloProblem? {
        var extensions = ByteReader(body, in: range)
        var seen: UInt64 = 0
        while !extensions.isAtEnd {
            let type = try extensions.uint16(.extensions)
            let data = try extensions.vector(lengthBytes: 2, in: 0...65_535, .extensionData)
            self.extensionCount += 1
            guard !self.offersPreSharedKey else { return .preSharedKeyNotLast }
            if type < 64 {
                let bit: UInt64 = 1 << UInt64(type)
                guard seen & bit == 0 else { return .repeatedExtension(type) }
                seen |= bit
            }
            switch type {
            case 0: self.readServerName(body, in: data)
            case 16: try self.readApplicationProtocols(body, in: data)
            case 35: self.hasSessionTicket = !data.isEmpty
            case 41: self.offersPreSharedKey = true
            case 42: self.hasEarlyData = true
            case 43: try self.readSupportedVersions(body, in: data)
            case 0xFE0D:
                guard !self.hasEncryptedClientHello else { return .repeatedExtension(type) }
                self.hasEncryptedClientHello = true
            default: break
            }
        }
        guard self.highestVersion > 0x0300 else { return .versionUnsupported(self.highestVersion) }
        return nil
    }

    /// RFC 6066 §3, as OpenSSL reads it: exactly one entry, and that a host_name.
    private mutating func readServerName(_ body: Span<UInt8>, in data: Range<Int>) {
        guard !data.isEmpty else {
            self.serverNameProblem = .empty
            return
        }
        var list = ByteReader(body, in: data)
        do throws(ParseError) {
            let entries = try list.vector(lengthBytes: 2, in: 0...65_535, .serverName)
            guard list.isAtEnd else { throw .malformed(.serverName) }
            guard !entries.isEmpty else {
                self.serverNameProblem = .empty
                return
            }
            var entry = ByteReader(body, in: entries)
            guard try entry.uint8(.serverName) == 0 else {
                self.serverNameProblem = .unknownType
                return
            }
            let name = try entry.vector(lengthBytes: 2, in: 0...65_535, .serverName)
            guard entry.isAtEnd else {
                self.serverNameProblem = .severalNames
                return
            }
            guard !name.isEmpty else {
                self.serverNameProblem = .emptyName
                return
            }
            self.serverName = name
        } catch {
            self.serverNameProblem = .lengthMismatch
        }
    }

    /// RFC 7301 §3.1: a list of 2 bytes or more, of identifiers of 1 to 255 bytes.
    private mutating func readApplicationProtocols(
        _ body: Span<UInt8>, in data: Range<Int>
    ) throws(ParseError) {
        var list = ByteReader(body, in: data)
        let identifiers = try list.vector(lengthBytes: 2, in: 2...65_535, .applicationProtocols)
        guard list.isAtEnd else { throw .malformed(.applicationProtocols) }
        var identifier = ByteReader(body, in: identifiers)
        while !identifier.isAtEnd {
            try identifier.vector(lengthBytes: 1, in: 1...255, .applicationProtocols)
        }
        self.applicationProtocols = identifiers
    }

    /// RFC 8446 §4.2.1.
    ///
    /// Values that are no TLS version, GREASE among them, are skipped.
    private mutating func readSupportedVersions(
        _ body: Span<UInt8>, in data: Range<Int>
    ) throws(ParseError) {
        var list = ByteReader(body, in: data)
        let range = try list.vector(lengthBytes: 1, in: 2...254, .supportedVersions)
        guard list.isAtEnd, range.count.isMultiple(of: 2) else {
            throw .malformed(.supportedVersions)
        }
        var versions = ByteReader(body, in: range)
        self.highestVersion = 0
        while !versions.isAtEnd {
            let version = try versions.uint16(.supportedVersions)
            if version >> 8 == 3 { self.highestVersion = max(self.highestVersion, version) }
        }
    }
}

/// Walks the identifiers of a ProtocolNameList (RFC 7301 §3.1) without allocating.
package struct ProtocolNameList: ~Copyable, ~Escapable {
    private var reader: ByteReader

    /// - Parameter list: The list's content, as ``ClientHello/applicationProtocols`` gives its
    ///   place.
    @_lifetime(copy list)
    package init(_ list: Span<UInt8>) { self.reader = ByteReader(list) }

    /// Where the next identifier lies, as offsets into the list; nil at the end, or where a length
    /// does not add up.
    package mutating func next() -> Range<Int>? {
        guard !self.reader.isAtEnd else { return nil }
        do throws(ParseError) {
            return try self.reader.vector(lengthBytes: 1, in: 1...255, .applicationProtocols)
        } catch {
            return nil
        }
    }
}
