// Greetings, responses and answers of MySQL, as a real server and real programs sent them.

import StraitCore
import StraitWire
import TestSupport
import Testing

/// Packets that were recorded with MariaDB 10.11, and what MySQL 8.0 documents.
enum MySQLSample {
    static let greeting = bytesOf(
        hexadecimal: """
            640000000a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100050000005e
            7c775f5878725700feff080200ff81150000000000001d0000003b60525b52662d4c762f256a006d797371
            6c5f6e61746976655f70617373776f726400
            """)
    static let response = bytesOf(
        hexadecimal: """
            9000000184a2bf000000100021000000000000000000000000000000000000001d000000686173686564
            001403b9739dae9afd5e41c7246f65d53df20bec5a646d7973716c5f6e61746976655f70617373776f7264
            003d035f6f73054c696e75780c5f636c69656e745f6e616d650a6c69626d617269616462045f7069640531
            393737370c5f7365727665725f686f737403616263
            """)
    static let ok = bytesOf(hexadecimal: "0700000200000002000000")

    static func packet(_ payload: [UInt8], _ sequence: UInt8) -> [UInt8] {
        MySQLPacketHeader(payloadBytes: payload.count, sequence: sequence).encoded + payload
    }
}

@Suite("MySQL packets") struct MySQLPacketTests {
    @Test("a packet is read where it is whole, and not before", arguments: 0...12)
    func cut(count: Int) {
        let all: [UInt8] = [7, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 9]
        let input = Array(all.prefix(count))
        let outcome = MySQLPacket.read(input.span, payloadBytesMax: 7)
        guard count >= 11 else {
            #expect(outcome == .needMore)
            return
        }
        guard case .done(let packet) = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(packet.sequence == 2)
        #expect(packet.payload == 4..<11)
        #expect(packet.length == 11)
    }

    @Test("a length beyond the bound is refused as soon as it is known")
    func tooLong() {
        let input: [UInt8] = [0xFF, 0xFF, 0xFF, 0]
        let bound = Limits.mysqlAuthenticationBytesMax
        #expect(MySQLPacket.read(input.span, payloadBytesMax: bound) == .malformed)
        #expect(MySQLPacket.read(input.span, payloadBytesMax: 0xFF_FFFF) == .needMore)
    }

    @Test("a header reads as it was written", arguments: [0, 1, 0x1234, 0xFF_FFFF])
    func header(count: Int) {
        let header = MySQLPacketHeader(payloadBytes: count, sequence: 255)
        #expect(MySQLPacketHeader(header.encoded.span) == header)
    }
}

@Suite("A MySQL server's greeting") struct MySQLGreetingTests {
    private func read(_ packet: [UInt8]) -> MySQLGreeting? {
        do throws(ParseError) {
            return try MySQLGreeting(packet.span, in: 4..<packet.count)
        } catch {
            return nil
        }
    }

    @Test("is MariaDB's, and can have TLS switched off and on again")
    func mariaDB() throws {
        let packet = MySQLSample.greeting
        let greeting = try #require(self.read(packet))
        #expect(greeting.capabilities.contains(.tls))
        #expect(greeting.capabilities.contains(.plugin))
        let switched = greeting.packet(packet, offersTLS: false)
        #expect(zip(packet, switched).count { $0 != $1 } == 1)
        let again = try #require(self.read(switched))
        #expect(!again.capabilities.contains(.tls))
        #expect(again.capabilities.rawValue ^ greeting.capabilities.rawValue == 0x800)
        #expect(again.packet(switched, offersTLS: true) == packet)
    }

    @Test("is refused where it is cut", arguments: 4..<80)
    func cut(count: Int) {
        #expect(self.read(Array(MySQLSample.greeting.prefix(count))) == nil)
    }

    @Test("is refused in another version, and from before 2003", arguments: [(4, 9), (52, 0xFD)])
    func old(place: Int, value: UInt8) {
        var packet = MySQLSample.greeting
        packet[place] = value
        #expect(self.read(packet) == nil)
    }
}

@Suite("A MySQL dialler's response") struct MySQLResponseTests {
    @Test("has its credentials where they are")
    func credentials() throws {
        let packet = MySQLSample.response
        let response = try MySQLResponse(packet.span, in: 4..<packet.count)
        #expect(!response.isBeginningOnly)
        let credentials = try response.credentials(packet.span)
        #expect(credentials.authentication.count == 20)
        let plugin = try #require(credentials.plugin)
        #expect(String(decoding: packet[plugin], as: UTF8.self) == "mysql_native_password")
        let asking = response.packet(packet, asksForTLS: true)
        #expect(zip(packet, asking).count { $0 != $1 } == 1)
        let again = try MySQLResponse(asking.span, in: 4..<asking.count)
        #expect(again.capabilities.contains(.tls))
        #expect(again.packet(asking, asksForTLS: false) == packet)
    }

    @Test("reads the authentication in each of its forms", arguments: 0..<5)
    func forms(form: Int) throws {
        let long = [UInt8](repeating: 0x61, count: 300)
        let (flags, authentication, count): (UInt32, [UInt8], Int) = [
            (0, [0x61, 0x62, 0], 2), (0x8000, [2, 0x61, 0x62], 2),
            (0x20_0000, [2, 0x61, 0x62], 2), (0x20_0000, [0xFC, 0x2C, 1] + long, 300),
            (0x20_0000, [0xFD, 0x2C, 1, 0] + long, 300),
        ][form]
        for database in [false, true] {
            let bits = flags | 0x8_0200 | (database ? 8 : 0)
            var payload = (0..<4).map { UInt8(truncatingIfNeeded: bits >> (8 * $0)) }
            payload += [UInt8](repeating: 0, count: 28) + Array("me".utf8) + [0] + authentication
            if database { payload += Array("shop".utf8) + [0] }
            payload += Array("dialog".utf8)
            let response = try MySQLResponse(payload.span, in: 0..<payload.count)
            let found = try response.credentials(payload.span)
            #expect(found.authentication.count == count)
            let plugin = try #require(found.plugin)
            #expect(String(decoding: payload[plugin], as: UTF8.self) == "dialog")
        }
    }

    @Test("never traps where it is cut", arguments: 4..<100)
    func cut(count: Int) {
        let packet = Array(MySQLSample.response.prefix(count))
        do throws(ParseError) {
            let response = try MySQLResponse(packet.span, in: 4..<count)
            #expect(count >= 36)
            #expect(response.isBeginningOnly == (count == 36))
            _ = try response.credentials(packet.span)
            #expect(count > 62)
        } catch {
            #expect(count < 86)
        }
    }
}

@Suite("A MySQL server's answer") struct MySQLAnswerTests {
    @Test(
        "means what its first bytes say",
        arguments: [
            ([0, 0, 0, 2, 0, 0, 0], MySQLAnswer.done), ([0, 1, 2], .data), ([], .data),
            ([0xFF, 1, 2], .error), ([0xFE], .plugin(1..<1)),
            ([0xFE, 97, 98, 0, 1], .plugin(1..<3)),
            ([2, 97], .plugin(1..<2)), ([2], .data), ([1, 3], .fastSuccess), ([3], .fastSuccess),
            ([1, 4], .asksForPassword), ([4], .asksForPassword), ([1, 4, 9], .asksForPassword),
            ([1], .data), ([1, 3, 3], .data), ([0x2D, 0x2D], .data),
        ] as [([UInt8], MySQLAnswer)])
    func kinds(payload: [UInt8], answer: MySQLAnswer) {
        #expect(MySQLAnswer(payload.span, in: 0..<payload.count) == answer)
    }

    @Test("an error has a state after the greeting, and none before it")
    func errors() {
        let error = MySQLError(code: 1040, state: "08004", message: "No\u{0} room")
        let before: [UInt8] = [10, 0, 0, 0, 0xFF, 0x10, 0x04] + Array("No room".utf8)
        #expect(error.encoded(sequence: 0, hasState: false) == before)
        let after: [UInt8] = [16, 0, 0, 2, 0xFF, 0x10, 0x04] + Array("#08004No room".utf8)
        #expect(error.encoded(sequence: 2, hasState: true) == after)
        let long = MySQLError(
            code: 1, state: "HY000", message: String(repeating: "x", count: 10_000))
        #expect(
            long.encoded(sequence: 0, hasState: false).count == 7 + Limits.mysqlErrorTextBytesMax)
    }
}
