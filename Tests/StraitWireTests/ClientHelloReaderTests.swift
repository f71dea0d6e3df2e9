// A hello from the network: cut into segments and records, too long, or none at all.

import StraitCore
import StraitWire
import TestSupport
import Testing

@Suite("ClientHelloReader, on the corpus") struct CorpusTests {
    @Test("every kind of file is there")
    func complete() {
        #expect(CorpusHello.all.count >= 24)
        #expect(CorpusHello.all.contains { $0.bytes.count > 50_000 })
        #expect(CorpusHello.all.contains { $0.name.hasPrefix("chrome") && $0.bytes.count > 1500 })
    }

    @Test("name, protocols and version are found", arguments: CorpusHello.all)
    func facts(_ hello: CorpusHello) throws {
        let facts = try #require(HelloDecision(hello.bytes).facts)
        let name = hello.expected["server_name"].flatMap { $0.isEmpty ? nil : Array($0.utf8) }
        #expect(facts.serverName == name)
        #expect(facts.problem == nil)
        let alpn = bytesOf(hexadecimal: hello.expected["alpn"] ?? "")
        #expect(facts.applicationProtocols == (alpn.isEmpty ? nil : alpn))
        #expect(
            String(facts.version, radix: 16) == hello.expected["version"]?.drop { $0 == "0" } ?? "")
        #expect(facts.offersPreSharedKey == (hello.expected["psk"] == "true"))
        #expect(facts.hasEarlyData == (hello.expected["early_data"] == "true"))
        #expect(facts.hasEncryptedClientHello == (hello.expected["ech"] == "true"))
        #expect(facts.hasSessionTicket == (hello.expected["ticket"] == "true"))
    }

    @Test("two segments, cut at any byte, give the same decision", arguments: CorpusHello.all)
    func twoSegments(_ hello: CorpusHello) {
        let whole = HelloDecision(hello.bytes)
        for cut in places(in: hello.bytes.count) {
            let decision = HelloDecision(hello.bytes, cuts: [cut])
            guard decision != whole else { continue }
            Issue.record("cut at byte \(cut): \(decision)")
        }
    }

    @Test(
        "byte by byte, the decision is the same, and comes with the last byte",
        arguments: CorpusHello.all)
    func byteByByte(_ hello: CorpusHello) {
        var reader = ClientHelloReader()
        var body: [UInt8] = []
        for count in 0..<hello.bytes.count {
            let input = hello.bytes.span.extracting(0..<count)
            guard reader.read(input, assembledInto: &body) != .needMore else { continue }
            Issue.record("decided after \(count) of \(hello.bytes.count) bytes")
        }
        let outcome = reader.read(hello.bytes.span, assembledInto: &body)
        let decision = HelloDecision(outcome, reader.bodyLocation, hello.bytes, body)
        #expect(decision == HelloDecision(hello.bytes))
    }

    @Test("two records, cut at any byte, give the same decision", arguments: CorpusHello.all)
    func twoRecords(_ hello: CorpusHello) {
        let whole = HelloDecision(hello.bytes)
        let message = Records.content(hello.bytes)
        for cut in places(in: message.count) where cut > 0 {
            let decision = HelloDecision(Records.wrap(message, cuts: [cut]))
            guard decision != whole else { continue }
            Issue.record("cut at byte \(cut): \(decision)")
        }
    }

    @Test(
        "2 to 8 records, in segments of any size, give the same decision",
        arguments: CorpusHello.all)
    func severalRecords(_ hello: CorpusHello) {
        let whole = HelloDecision(hello.bytes)
        let message = Records.content(hello.bytes)
        var random = SplitMix64(seed: 7)
        for turn in 0..<70 {
            let recordCuts = (0...(turn % 7)).map { _ in 1 + random.below(message.count - 1) }
                .sorted()
            let input = Records.wrap(message, cuts: recordCuts)
            let cuts = (0..<random.below(6)).map { _ in random.below(input.count) }.sorted()
            let decision = HelloDecision(input, cuts: cuts)
            guard decision != whole else { continue }
            Issue.record("records end at \(recordCuts), segments at \(cuts): \(decision)")
        }
    }

    @Test("cut off anywhere, there is no decision", arguments: CorpusHello.all)
    func truncated(_ hello: CorpusHello) {
        for count in places(in: hello.bytes.count) {
            guard HelloDecision(Array(hello.bytes[..<count])) != .incomplete else { continue }
            Issue.record("decided after \(count) of \(hello.bytes.count) bytes")
        }
    }

    @Test("what follows the hello's records is not looked at", arguments: CorpusHello.all)
    func followed(_ hello: CorpusHello) {
        #expect(
            HelloDecision(hello.bytes + [20, 3, 3, 0, 1, 1, 23, 3, 3]) == HelloDecision(hello.bytes)
        )
    }

    /// Every offset of a hello of usual size; of a large one its first and last bytes and some
    /// between.
    private func places(in count: Int) -> [Int] {
        guard count > 2000 else { return Array(0..<count) }
        let between = stride(from: 200, to: count - 200, by: max(97, count / 100))
        return Array(0..<200) + Array(between) + Array((count - 200)..<count)
    }
}

@Suite("ClientHelloReader, on what is no hello") struct NoHelloTests {
    @Test(
        "another record, version or message is refused with its alert",
        arguments: [
            (
                "an alert record", "15 03 01 00 02 02 28", HelloProblem.unexpectedRecord(21),
                TLSAlert.unexpectedMessage
            ),
            (
                "application data", "17 03 03 00 05 01 02 03 04 05", .unexpectedRecord(23),
                .unexpectedMessage
            ),
            ("change_cipher_spec", "14 03 03 00 01 01", .unexpectedRecord(20), .unexpectedMessage),
            ("a plain HTTP request", "47 45 54 20 2f", .unexpectedRecord(0x47), .unexpectedMessage),
            ("major version 2", "16 02 00 00 05", .recordVersion(2), .protocolVersion),
            ("SSL 2.0", "80 2e 01 00 02 00 15", .sslv2Hello, .protocolVersion),
            ("SSL 2.0 form of TLS", "80 2e 01 03 01 00 15", .sslv2Hello, .protocolVersion),
            (
                "a high byte that is no SSL 2.0", "ff fe 03 00", .unexpectedRecord(0xFF),
                .unexpectedMessage
            ),
            ("an empty record", "16 03 01 00 00", .recordEmpty, .unexpectedMessage),
            ("a record of 2^14 + 1", "16 03 01 40 01", .recordTooLong(16_385), .recordOverflow),
            (
                "a ServerHello", "16 03 01 00 04 02 00 00 00", .unexpectedHandshake(2),
                .unexpectedMessage
            ),
            (
                "a hello of 0 bytes", "16 03 01 00 04 01 00 00 00", .malformed(.legacyVersion),
                .decodeError
            ),
            ("more than 64 KiB", "16 03 01 00 04 01 00 ff fd", .tooLarge, .decodeError),
            ("16 MiB", "16 03 01 40 00 01 ff ff ff", .tooLarge, .decodeError),
            (
                "bytes behind the message", "16 03 01 00 06 01 00 00 01 03 03", .trailingBytes,
                .unexpectedMessage
            ),
        ])
    func refused(_ what: String, _ hex: String, _ problem: HelloProblem, _ alert: TLSAlert) {
        let input = bytesOf(hexadecimal: hex)
        #expect(HelloDecision(input) == .refused(problem), "\(what)")
        #expect(
            HelloDecision(input, cuts: 0...input.count) == .refused(problem),
            "\(what), byte by byte")
        #expect(problem.alert == alert, "\(what)")
    }

    @Test("an empty record between two good ones is refused")
    func emptyBetween() {
        let message = HelloBuilder.usual().message
        let input =
            Records.wrap(Array(message[..<50])) + [22, 3, 1, 0, 0]
            + Records.wrap(Array(message[50...]))
        #expect(HelloDecision(input) == .refused(.recordEmpty))
    }

    @Test("another record between two good ones is refused", arguments: [20, 21, 23] as [UInt8])
    func interleaved(type: UInt8) {
        let message = HelloBuilder.usual().message
        for cut in [1, 3, 4, 50] {
            let input =
                Records.wrap(Array(message[..<cut])) + [type, 3, 3, 0, 1, 1]
                + Records.wrap(Array(message[cut...]))
            #expect(HelloDecision(input) == .refused(.unexpectedRecord(type)))
        }
    }

    @Test("a second message in the hello's last record is refused, also where it spans records")
    func trailing() {
        let message = HelloBuilder.usual().message + [20, 0, 0, 0]
        #expect(HelloDecision(Records.wrap(message)) == .refused(.trailingBytes))
        #expect(HelloDecision(Records.wrap(message, cuts: [2])) == .refused(.trailingBytes))
        #expect(HelloDecision(Records.wrap(message, cuts: [80])) == .refused(.trailingBytes))
    }

    @Test("64 KiB are read, one byte more is refused")
    func largest() {
        let usual = HelloBuilder.usual()
        let room = Limits.clientHelloBytesMax - usual.message.count - 4
        // An extension list holds at most 65535 bytes, so the cipher suites take a part.
        var hello = usual
        hello.cipherSuites += Array(repeating: 0x1302, count: 1000)
        hello = hello.adding(0x7777, Array(repeating: 0, count: room - 2000))
        #expect(hello.message.count == Limits.clientHelloBytesMax)
        #expect(hello.decision.facts?.serverName == Array("orders.acme.example.com".utf8))
        hello.compressionMethods.append(1)
        #expect(hello.decision == .refused(.tooLarge))
    }

    @Test("a hello in records of one byte is read while its records can be kept, then refused")
    func smallestRecords() {
        let small = HelloBuilder.usual().message
        let cuts = Array(1..<small.count)
        #expect(
            HelloDecision(Records.wrap(small, cuts: cuts)) == HelloDecision(Records.wrap(small)))
        let large = HelloBuilder.usual().adding(21, Array(repeating: 0, count: 30_000)).message
        #expect(
            HelloDecision(Records.wrap(large, cuts: Array(1..<large.count))) == .refused(.tooLarge))
    }

    @Test("what was decided stays decided")
    func final() {
        var reader = ClientHelloReader()
        var body: [UInt8] = []
        let refused = reader.read([0x47, 0x45].span, assembledInto: &body)
        #expect(refused == .malformed(.unexpectedRecord(0x47)))
        #expect(reader.read([0x47, 0x45, 0x54].span, assembledInto: &body) == refused)
    }

    @Test("the body is copied only when it spans records")
    func copies() {
        let hello = HelloBuilder.usual()
        for (input, isCopied) in [
            (hello.records, false), (Records.wrap(hello.message, cuts: [4]), true),
        ] {
            var reader = ClientHelloReader()
            var body: [UInt8] = []
            _ = reader.read(input.span, assembledInto: &body)
            #expect(body == (isCopied ? hello.body : []))
            #expect(reader.bodyLocation == (isCopied ? .assembled : .input(9..<input.count)))
        }
    }

    @Test("the first record's version is kept for the refusal")
    func recordVersion() {
        var reader = ClientHelloReader()
        var body: [UInt8] = []
        _ = reader.read(Records.wrap([2], version: 0x0302).span, assembledInto: &body)
        #expect(reader.legacyRecordVersion == 0x0302)
    }
}
