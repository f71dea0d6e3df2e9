// BackendKeyData in the upstream's stream, wherever segments cut it.

import StraitCore
import StraitWire
import Testing

@Suite("PostgresStreamScanner") struct PostgresStreamScannerTests {
    static func message(_ type: String, _ body: [UInt8]) -> [UInt8] {
        var message = ByteWriter()
        message.append(contentsOf: type.utf8)
        message.block(lengthBytes: 4, bias: 4) { $0.append(contentsOf: body) }
        return message.bytes
    }

    /// Authentication, parameters, a notice that holds a `K`, the key, ReadyForQuery, and a row
    /// after it.
    static func stream(keyBytes: Int) -> [UInt8] {
        var stream =
            Self.message("R", [0, 0, 0, 0]) + Self.message("S", Array("TimeZone\0UTC\0".utf8))
        stream += Self.message("N", Array("K\0\0\0\u{0C}Z".utf8)) + Self.message("1", [])
        stream += Self.message("K", [0, 0, 0x30, 0x39] + (0..<keyBytes).map { UInt8($0 & 0x7F) })
        return stream + Self.message("Z", [0x49]) + Self.message("K", [1, 2, 3, 4, 5, 6, 7, 8])
    }

    @Test("a key is found whole with every cut into two pieces", arguments: [4, 5, 32, 256])
    func twoPieces(keyBytes: Int) {
        let stream = Self.stream(keyBytes: keyBytes)
        let whole = ScannedStream(stream)
        #expect(whole?.key == (0..<keyBytes).map { UInt8($0 & 0x7F) })
        #expect(whole?.keyLength == keyBytes)
        #expect(whole?.processID == 12345)
        #expect(whole?.isFinished == true)
        #expect(whole?.isMalformed == false)
        for cut in 0...stream.count { #expect(ScannedStream(stream, cuts: [cut]) == whole) }
        #expect(ScannedStream(stream, cuts: 0...stream.count) == whole)
    }

    @Test("only the bytes of the key are told of; the process id stays")
    func rewritten() {
        let stream = Self.stream(keyBytes: 4)
        let rewritten = ScannedStream(stream)?.rewritten
        let differing = stream.indices.filter { stream[$0] != rewritten?[$0] }
        #expect(differing.count == 4)
        #expect(stream[(differing[0] - 4)..<differing[0]].elementsEqual([0, 0, 0x30, 0x39]))
    }

    @Test("nothing is looked at behind ReadyForQuery")
    func finished() {
        var scanner = PostgresStreamScanner()
        #expect(scanner.scan(Self.message("Z", [0x49]).span).isFinished)
        let late = scanner.scan(Self.message("K", [1, 2, 3, 4, 5, 6, 7, 8]).span)
        #expect(late.isFinished)
        #expect(late.keyRange.isEmpty)
        #expect(late.keyLength == 0)
    }

    @Test("a stream without a key is passed, also with an error at its end")
    func noKey() {
        let error = PostgresErrorResponse(code: "28P01", message: "password").encoded()
        let scanned = ScannedStream(Self.message("R", [0, 0, 0, 3]) + error)
        #expect(scanned?.processID == nil)
        #expect(scanned?.isFinished == false)
        #expect(scanned?.key == [])
    }

    @Test("a long message is stepped over, piece by piece")
    func longMessage() {
        var scanner = PostgresStreamScanner()
        #expect(!scanner.scan([0x44, 0x3F, 0xFF, 0xFF, 0xFE].span).isMalformed)
        let piece = [UInt8](repeating: UInt8(ascii: "Z"), count: 4096)
        for _ in 0..<100 { #expect(!scanner.scan(piece.span).isFinished) }
    }

    @Test(
        "what is no stream of messages is told",
        arguments: [
            ("a length below its own", [0x52, 0, 0, 0, 3]),
            ("a length of 2 GiB", [0x52, 0x80, 0, 0, 0]),
            ("a length beyond PostgreSQL's", [0x52, 0x3F, 0xFF, 0xFF, 0xFF]),
            ("a key of 3 bytes", [0x4B, 0, 0, 0, 11]), ("no key", [0x4B, 0, 0, 0, 4]),
            ("a key of 257 bytes", [0x4B, 0, 0, 1, 9]),
            ("a second key", [0x4B, 0, 0, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 0x4B, 0, 0, 0, 12]),
        ] as [(String, [UInt8])])
    func malformed(_ what: String, _ stream: [UInt8]) {
        for cuts in [[], Array(0...stream.count)] {
            let scanned = ScannedStream(stream, cuts: cuts)
            #expect(scanned?.isMalformed == true, "\(what)")
            #expect(scanned?.isFinished == true, "\(what)")
        }
    }
}
