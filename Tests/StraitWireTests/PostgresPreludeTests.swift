// The first packet of a Postgres connection, and what we answer.

import StraitCore
import StraitWire
import Testing

@Suite("PostgresPrelude") struct PostgresPreludeTests {
    private func read(_ input: [UInt8]) -> PostgresPrelude.Outcome {
        PostgresPrelude.startupOutcome(input.span)
    }

    private func startup(_ parameters: String, version: UInt32 = 196_608) -> [UInt8] {
        var packet = ByteWriter()
        packet.block(lengthBytes: 4, bias: 4) { body in
            body.append(version)
            body.append(contentsOf: parameters.utf8)
        }
        return packet.bytes
    }

    private func done(_ kind: PostgresStartup.Kind, length: Int) -> PostgresPrelude.Outcome {
        .done(PostgresStartup(kind: kind, length: length))
    }

    @Test("SSLRequest and GSSENCRequest are 8 bytes, and what follows is not part of them")
    func requests() {
        let hello: [UInt8] = [0x16, 3, 1]
        #expect(self.read(PostgresPrelude.sslRequest + hello) == self.done(.ssl, length: 8))
        #expect(self.read(PostgresPrelude.gssencRequest + hello) == self.done(.gssenc, length: 8))
        #expect(
            self.read(PostgresPrelude.gssencRequest + PostgresPrelude.sslRequest)
                == self.done(.gssenc, length: 8))
    }

    @Test(
        "a CancelRequest with a key of 4 to 256 bytes is read as it was written",
        arguments: [4, 32, 255, 256])
    func cancel(keyBytes: Int) {
        let key = (0..<keyBytes).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let packet = PostgresPrelude.cancelRequest(processID: 0xDEAD_BEEF, key: key)
        #expect(packet.count == 12 + keyBytes)
        let expected = self.done(
            .cancel(processID: 0xDEAD_BEEF, key: 12..<packet.count), length: packet.count)
        #expect(self.read(packet) == expected)
        #expect(self.read(packet + [1]) == expected)
        for count in 0..<packet.count { #expect(self.read(Array(packet[..<count])) == .needMore) }
    }

    @Test(
        "a CancelRequest of another length is refused",
        arguments: [8, 11, 12, 15, 269, 10_000] as [UInt32])
    func cancelLength(length: UInt32) {
        var packet = ByteWriter()
        packet.append(length)
        packet.append(UInt32(80_877_102))
        #expect(self.read(packet.bytes) == .malformed(.length(length)))
    }

    @Test("a startup gives the places of user and database; the last of several counts")
    func parameters() {
        let packet = self.startup("user\0alice\0application_name\0psql\0database\0orders\0\0")
        let expected = self.done(.startup(minor: 0, user: 13..<18, database: 50..<56), length: 58)
        #expect(self.read(packet) == expected)
        #expect(String(decoding: packet[13..<18], as: UTF8.self) == "alice")
        #expect(String(decoding: packet[50..<56], as: UTF8.self) == "orders")
        let twice = self.startup("user\0a\0user\0\0\0", version: 196_610)
        #expect(
            self.read(twice)
                == self.done(.startup(minor: 2, user: 20..<20, database: nil), length: 22))
        #expect(
            self.read(self.startup("\0"))
                == self.done(.startup(minor: 0, user: nil, database: nil), length: 9))
        #expect(self.read(packet + [0x51]) == expected)
    }

    @Test(
        "parameters that do not end with the packet are refused",
        arguments: [
            "user\0alice\0", "user\0alice", "user\0", "user", "user\0alice\0\0x", "\0\0",
            "user\0a\0database\0\0",
        ])
    func unterminated(parameters: String) {
        #expect(self.read(self.startup(parameters)) == .malformed(.parameters))
    }

    @Test("a length out of bounds is refused with its fourth byte")
    func lengths() {
        for length in [0, 4, 7, 10_001, 0x1603_0100, UInt32.max] as [UInt32] {
            var packet = ByteWriter()
            packet.append(length)
            #expect(self.read(packet.bytes) == .malformed(.length(length)))
        }
        #expect(self.read([0, 0, 0]) == .needMore)
        #expect(self.read([0, 0, 0, 9, 0x04, 0xD2, 0x16, 0x2F]) == .malformed(.length(9)))
        #expect(self.read([0, 0, 0, 8, 0, 3, 0, 0]) == .malformed(.length(8)))
    }

    @Test("protocol 2 and codes of nobody are refused with the eighth byte")
    func versions() {
        for code in [0x0002_0000, 0x0004_0000, 80_877_101, 80_877_105, 0] as [UInt32] {
            var packet = ByteWriter()
            packet.append(UInt32(16))
            packet.append(code)
            #expect(self.read(packet.bytes) == .malformed(.version(code)))
        }
    }
}

@Suite("PostgresErrorResponse") struct PostgresErrorResponseTests {
    @Test("its fields are S V C M D H, and its length counts itself")
    func encoded() {
        let response = PostgresErrorResponse(
            code: "28000", message: "TLS required", detail: "c-0", hint: "sslmode=require")
        let fields = "SFATAL\0VFATAL\0C28000\0MTLS required\0Dc-0\0Hsslmode=require\0\0"
        let length = UInt8(4 + fields.utf8.count)
        #expect(response.encoded() == [0x45, 0, 0, 0, length] + Array(fields.utf8))
    }

    @Test("fields that are not set are left out, and no text can end a field early")
    func escaping() {
        let response = PostgresErrorResponse(severity: "ERROR", code: "08004", message: "a\0Cb")
        let fields = "SERROR\0VERROR\0C08004\0MaCb\0\0"
        #expect(
            response.encoded() == [0x45, 0, 0, 0, UInt8(4 + fields.utf8.count)] + Array(fields.utf8)
        )
    }
}
