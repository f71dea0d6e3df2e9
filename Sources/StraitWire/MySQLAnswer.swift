// What a MySQL server answers while it authenticates, and the error packet that we write ourselves.

private import StraitCore

/// What a packet of the server means between HandshakeResponse41 and the first command.
package enum MySQLAnswer: Hashable, Sendable {
    /// OK: commands follow.
    case done
    /// ERR: the end follows.
    case error
    /// AuthSwitchRequest or AuthNextFactor: the plugin with this name goes on.
    ///
    /// Empty: that of before 2003.
    case plugin(Range<Int>)
    /// The fast way of caching_sha2_password worked: nothing is awaited but OK.
    case fastSuccess
    /// The fast way did not: caching_sha2_password asks for the password itself.
    case asksForPassword
    /// Anything else: between the server's plugin and the dialler's.
    case data

    /// - Parameters:
    ///   - input: What came.
    ///   - payload: Where the packet's payload lies in it.
    package init(_ input: Span<UInt8>, in payload: Range<Int>) {
        let body = input.extracting(payload)
        guard !body.isEmpty else {
            self = .data
            return
        }
        switch body[0] {
        // Shorter than an OK packet of protocol 4.1 it is a plugin's: servers do not escape a 0.
        case 0x00 where body.count >= 7: self = .done
        case 0xFF: self = .error
        case 0xFE: self = .plugin(Self.name(input, payload))
        case 0x02 where body.count > 1: self = .plugin(Self.name(input, payload))
        // AuthMoreData; drivers also take what it carries without that byte.
        case 0x01: self = Self.data(body.extracting(droppingFirst: 1))
        default: self = Self.data(body)
        }
    }

    private static func data(_ body: Span<UInt8>) -> MySQLAnswer {
        guard !body.isEmpty else { return .data }
        if body[0] == 0x04 { return .asksForPassword }
        return body[0] == 0x03 && body.count == 1 ? .fastSuccess : .data
    }

    private static func name(_ input: Span<UInt8>, _ payload: Range<Int>) -> Range<Int> {
        let start = payload.lowerBound + 1
        var end = start
        while end < payload.upperBound, input[end] != 0 { end += 1 }
        return start..<end
    }
}

/// An ERR packet, as a MySQL user gets to read it.
package struct MySQLError: Hashable, Sendable {
    /// The number of the error, as servers and drivers have it.
    package var code: UInt16
    /// The SQLSTATE, 5 characters.
    package var state: String
    /// One line.
    package var message: String

    /// - Parameters:
    ///   - code: The number of the error.
    ///   - state: The SQLSTATE.
    ///   - message: One line.
    package init(code: UInt16, state: String, message: String) {
        self.code = code
        self.state = state
        self.message = message
    }

    /// The whole packet.
    ///
    /// Before the greeting no capability is known, so that servers leave the SQLSTATE out there,
    /// and who dials would take it for a part of the text.
    package func encoded(sequence: UInt8, hasState: Bool) -> [UInt8] {
        var payload: [UInt8] = [
            0xFF, UInt8(truncatingIfNeeded: self.code), UInt8(truncatingIfNeeded: self.code >> 8),
        ]
        if hasState { payload += [UInt8(ascii: "#")] + Array(self.state.utf8.prefix(5)) }
        payload += self.message.utf8.lazy.filter { $0 != 0 }
            .prefix(Limits.mysqlErrorTextBytesMax)
        return MySQLPacketHeader(payloadBytes: payload.count, sequence: sequence).encoded + payload
    }
}
