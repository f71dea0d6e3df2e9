// The first packet of a Postgres connection. PostgreSQL documentation, "Message Formats".

private import StraitCore

/// A whole first packet.
package struct PostgresStartup: Hashable, Sendable {
    /// What it asks for.
    package enum Kind: Hashable, Sendable {
        /// SSLRequest: `S` or `N` is awaited.
        case ssl
        /// GSSENCRequest: `G` or `N` is awaited.
        case gssenc
        /// CancelRequest. No answer is awaited but the end of the connection.
        case cancel(processID: UInt32, key: Range<Int>)
        /// StartupMessage of protocol 3. `user` and `database` are places in the input, without the
        /// NUL.
        case startup(minor: UInt16, user: Range<Int>?, database: Range<Int>?)
    }

    /// What it asks for.
    ///
    /// Ranges are offsets into the input.
    package let kind: Kind
    /// How many bytes of the input it takes; what follows is not part of it.
    package let length: Int

    /// - Parameters:
    ///   - kind: What it asks for.
    ///   - length: How many bytes of the input it takes.
    package init(kind: Kind, length: Int) {
        self.kind = kind
        self.length = length
    }
}

/// Reads and writes the packets before a Postgres connection's authentication.
package enum PostgresPrelude {
    /// Why bytes are no first packet.
    package enum Problem: Error, Hashable, Sendable {
        /// Not 8 to ``Limits/postgresStartupBytesMax`` bytes long, or not what its code asks for.
        case length(UInt32)
        /// A code that is neither a request nor protocol 3.
        case version(UInt32)
        /// The parameters do not end where the packet ends, or have no name.
        case parameters
    }

    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        case needMore
        case malformed(Problem)
        case done(PostgresStartup)
    }

    /// The whole SSLRequest: length 8, code 80877103.
    package static let sslRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2F]
    /// The whole GSSENCRequest: length 8, code 80877104.
    package static let gssencRequest: [UInt8] = [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x30]
    /// The lengths of a CancelRequest: 12 bytes and a key of 4 to 256.
    package static let cancelBytes = (12 + 4)...(12 + Limits.postgresCancelKeyBytesMax)

    /// Reads the first packet at the start of `input`.
    ///
    /// - Complexity: O(1) until the packet is whole, then O(*n*).
    package static func startupOutcome(_ input: Span<UInt8>) -> Outcome {
        var packet = ByteReader(input)
        guard packet.remaining >= 4 else { return .needMore }
        do throws(ParseError) {
            let announced = try packet.uint32(.length)
            guard announced >= 8, announced <= Limits.postgresStartupBytesMax else {
                return .malformed(.length(announced))
            }
            let length = Int(announced)
            guard packet.remaining >= 4 else { return .needMore }
            let code = try packet.uint32(.length)
            if let problem = Self.problem(code: code, length: length) { return .malformed(problem) }
            guard input.count >= length else { return .needMore }
            let kind: PostgresStartup.Kind
            switch code {
            case Self.sslCode: kind = .ssl
            case Self.gssencCode: kind = .gssenc
            case Self.cancelCode:
                let processID = try packet.uint32(.processID)
                kind = .cancel(processID: processID, key: packet.offset..<length)
            default:
                var parameters = ByteReader(input, in: 8..<length)
                kind = try Self.startup(code: code, &parameters)
            }
            return .done(PostgresStartup(kind: kind, length: length))
        } catch {
            return .malformed(.parameters)
        }
    }

    /// A CancelRequest for the query that `processID` and `key` name.
    ///
    /// - Parameters:
    ///   - processID: As BackendKeyData gave it.
    ///   - key: As BackendKeyData gave it, 4 to 256 bytes.
    /// - Returns: The whole packet.
    package static func cancelRequest(processID: UInt32, key: [UInt8]) -> [UInt8] {
        var packet = ByteWriter(capacity: 12 + key.count)
        packet.append(UInt32(12 + key.count))
        packet.append(Self.cancelCode)
        packet.append(processID)
        packet.append(contentsOf: key)
        return packet.bytes
    }

    private static let cancelCode: UInt32 = 80_877_102
    private static let sslCode: UInt32 = 80_877_103
    private static let gssencCode: UInt32 = 80_877_104

    private static func problem(code: UInt32, length: Int) -> Problem? {
        switch code {
        case Self.sslCode, Self.gssencCode: length == 8 ? nil : .length(UInt32(length))
        case Self.cancelCode: Self.cancelBytes.contains(length) ? nil : .length(UInt32(length))
        default: code >> 16 != 3 ? .version(code) : length > 8 ? nil : .length(UInt32(length))
        }
    }

    /// Pairs of name and value, each ended by NUL, and a last NUL.
    ///
    /// Of several with one name the last counts, as for PostgreSQL.
    private static func startup(
        code: UInt32, _ packet: inout ByteReader
    ) throws(ParseError) -> PostgresStartup.Kind {
        var user: Range<Int>?
        var database: Range<Int>?
        while true {
            let name = try Self.string(&packet)
            guard !name.isEmpty else { break }
            let value = try Self.string(&packet)
            if packet.matches(name, Self.userName) { user = value }
            if packet.matches(name, Self.databaseName) { database = value }
        }
        guard packet.isAtEnd else { throw .malformed(.parameters) }
        return .startup(
            minor: UInt16(truncatingIfNeeded: code), user: user, database: database)
    }

    private static func string(_ packet: inout ByteReader) throws(ParseError) -> Range<Int> {
        let start = packet.offset
        while try packet.uint8(.parameters) != 0 {}
        return start..<(packet.offset - 1)
    }

    private static let userName = Array("user".utf8)
    private static let databaseName = Array("database".utf8)
}

/// An ErrorResponse of protocol 3, as a Postgres user gets to read it.
package struct PostgresErrorResponse: Hashable, Sendable {
    /// `FATAL` where the connection ends with it.
    package var severity: String
    /// The SQLSTATE, 5 characters: `28000`, `08004`, `57P01`, ...
    package var code: String
    /// One line, without a NUL.
    package var message: String
    /// More about it.
    package var detail: String?
    /// What to do about it.
    package var hint: String?

    /// - Parameters:
    ///   - severity: `FATAL` where the connection ends with it.
    ///   - code: The SQLSTATE.
    ///   - message: One line.
    ///   - detail: More about it.
    ///   - hint: What to do about it.
    package init(
        severity: String = "FATAL", code: String, message: String, detail: String? = nil,
        hint: String? = nil
    ) {
        self.severity = severity
        self.code = code
        self.message = message
        self.detail = detail
        self.hint = hint
    }

    /// The message: `E`, its length, the fields S V C M D H and a NUL.
    package func encoded() -> [UInt8] {
        var message = ByteWriter(capacity: 128)
        message.append(UInt8(ascii: "E"))
        message.block(lengthBytes: 4, bias: 4) { body in
            Self.field("S", self.severity, &body)
            Self.field("V", self.severity, &body)
            Self.field("C", self.code, &body)
            Self.field("M", self.message, &body)
            if let detail { Self.field("D", detail, &body) }
            if let hint { Self.field("H", hint, &body) }
            body.append(UInt8(0))
        }
        return message.bytes
    }

    /// A NUL would end the field early, so none is written.
    private static func field(
        _ type: Unicode.Scalar, _ text: String, _ body: inout ByteWriter
    ) {
        body.append(UInt8(ascii: type))
        body.append(contentsOf: text.utf8.lazy.filter { $0 != 0 })
        body.append(UInt8(0))
    }
}
