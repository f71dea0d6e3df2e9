// The cursor under every parser, and its writing twin.

import StraitWire
import Testing

@Suite("ByteReader and ByteWriter") struct ByteReaderTests {
    @Test("what was written is read")
    func roundTrip() throws {
        var writer = ByteWriter()
        writer.append(UInt8(1))
        writer.append(UInt16(0x0203))
        writer.append(UInt32(0x0405_0607))
        writer.append(UInt64(0x0809_0A0B_0C0D_0E0F))
        writer.block(lengthBytes: 3) { $0.append(span: [0xAA, 0xBB].span) }
        #expect(writer.bytes == Array(1...15) + [0, 0, 2, 0xAA, 0xBB])
        #expect(writer.count == 20)
        var reader = ByteReader(writer.bytes.span)
        let small = try (reader.uint8(.value), reader.uint16(.value))
        #expect(small == (1, 0x0203))
        let large = try (reader.uint32(.value), reader.uint64(.value))
        #expect(large == (0x0405_0607, 0x0809_0A0B_0C0D_0E0F))
        let vector = try reader.vector(lengthBytes: 3, in: 0...2, .value)
        #expect(vector == 18..<20)
        let rest = (reader.offset, reader.remaining)
        #expect(rest == (20, 0))
    }

    @Test("what is not there is an error that names the part", arguments: 0..<8)
    func ended(step: Int) {
        let bytes: [UInt8] = [0, 5, 1]
        var reader = ByteReader(bytes.span)
        do throws(ParseError) {
            switch step {
            case 0: try reader.bytes(4, .key)
            case 1: try reader.bytes(-1, .key)
            case 2: try reader.bytes(.max, .key)
            case 3: _ = try reader.uint32(.key)
            case 4: _ = try reader.uint64(.key)
            case 5: try reader.vector(lengthBytes: 2, in: 0...9, .key)
            case 6: try reader.vector(lengthBytes: 1, in: 1...9, .key)
            default: try reader.vector(lengthBytes: 4, in: 0...9, .key)
            }
            Issue.record("found what is not there")
        } catch {
            #expect(error == .malformed(.key))
        }
    }

    @Test("a range outside of the input is cut to it")
    func outside() {
        let bytes: [UInt8] = [1, 2]
        let wide = ByteReader(bytes.span, in: -5..<9)
        let wideRest = wide.remaining
        #expect(wideRest == 2)
        let beyond = ByteReader(bytes.span, in: 7..<9)
        let beyondRest = (beyond.remaining, beyond.isAtEnd)
        #expect(beyondRest == (0, true))
    }

    @Test("a block that its length field cannot hold is a mistake of ours")
    func tooLong() async {
        await #expect(processExitsWith: .failure) {
            var writer = ByteWriter()
            writer.block(lengthBytes: 1) { $0.append(contentsOf: Array(repeating: 0, count: 256)) }
        }
    }
}
