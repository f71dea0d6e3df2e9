// The hello itself: names, protocols, versions, and everything that must not pass.

import StraitCore
import StraitWire
import Testing

@Suite("ClientHello, reading the name") struct ServerNameTests {
    @Test(
        "a name is handed on as its bytes came, for HostName to judge",
        arguments: [
            "Orders.ACME.Example.Com", "orders.acme.example.com.", "10.0.0.1",
            "orders.acme.example.com:443",
            "a\0b.example.com", "[2001:db8::1]", " ", String(repeating: "a", count: 300),
        ])
    func asItCame(name: String) {
        #expect(HelloBuilder.usual(name: name).decision.facts?.serverName == Array(name.utf8))
    }

    @Test("no extension is no name, and no problem")
    func absent() {
        let facts = HelloBuilder.usual(name: nil).decision.facts
        #expect(facts != nil)
        #expect(facts?.serverName == nil)
        #expect(facts?.problem == nil)
    }

    @Test(
        "a name that cannot be read is a problem, never another name",
        arguments: [
            ("no data", [], ClientHello.ServerNameProblem.empty),
            ("an empty list", [0, 0], .empty),
            ("an empty name", [0, 3, 0, 0, 0], .emptyName),
            ("two names", HelloBuilder.serverName([97], [98]), .severalNames),
            ("one name twice", HelloBuilder.serverName([97], [97]), .severalNames),
            ("another type", HelloBuilder.serverName([97], type: 1), .unknownType),
            ("bytes behind the list", HelloBuilder.serverName([97]) + [0], .lengthMismatch),
            ("half a length", [0], .lengthMismatch),
            ("a list longer than its extension", [0, 5, 0, 0, 1, 97], .lengthMismatch),
            ("a list shorter than its extension", [0, 3, 0, 0, 1, 97], .lengthMismatch),
            ("a name longer than its list", [0, 4, 0, 0, 2, 97], .lengthMismatch),
            ("a name shorter than its list", [0, 5, 0, 0, 1, 97, 98], .severalNames),
            ("a type and nothing more", [0, 1, 0], .lengthMismatch),
        ] as [(String, [UInt8], ClientHello.ServerNameProblem)])
    func problems(_ what: String, _ data: [UInt8], _ problem: ClientHello.ServerNameProblem) {
        let facts = HelloBuilder.usual(name: nil).adding(0, data).decision.facts
        #expect(facts?.problem == problem, "\(what)")
        #expect(facts?.serverName == nil, "\(what)")
    }

    @Test("the outer name counts where an encrypted hello is offered")
    func outer() {
        let facts = HelloBuilder.usual(name: "public.example.net")
            .adding(0xFE0D, Array(repeating: 9, count: 250)).decision.facts
        #expect(facts?.hasEncryptedClientHello == true)
        #expect(facts?.serverName == Array("public.example.net".utf8))
    }
}

@Suite("ClientHello, reading the protocols") struct ApplicationProtocolListTests {
    @Test("identifiers of 1 to 255 bytes of any value are walked in order")
    func walked() throws {
        let identifiers: [[UInt8]] = [
            [0], [0x4A, 0x4A], Array("h2".utf8), Array(repeating: 0xFF, count: 255),
        ]
        let hello = HelloBuilder.usual(alpn: nil).adding(16, HelloBuilder.protocols(identifiers))
        let list = try #require(hello.decision.facts?.applicationProtocols)
        var names = ProtocolNameList(list.span)
        var found: [[UInt8]] = []
        while let name = names.next() { found.append(Array(list[name])) }
        #expect(found == identifiers)
    }

    @Test("ten thousand are walked")
    func many() throws {
        let identifiers = Array(repeating: [UInt8(1), 2], count: 10_000)
        let hello = HelloBuilder.usual(alpn: nil).adding(16, HelloBuilder.protocols(identifiers))
        let list = try #require(hello.decision.facts?.applicationProtocols)
        var names = ProtocolNameList(list.span)
        var count = 0
        while names.next() != nil { count += 1 }
        #expect(count == 10_000)
    }

    @Test(
        "a list that does not add up is refused",
        arguments: [
            ("no data", []), ("an empty list", [0, 0]), ("an empty identifier", [0, 1, 0]),
            ("an empty identifier behind another", [0, 4, 2, 104, 50, 0]),
            ("an identifier longer than the list", [0, 3, 3, 104, 50]),
            ("a list longer than the extension", [0, 4, 2, 104, 50]),
            ("a list shorter than the extension", [0, 3, 2, 104, 50, 1, 97]),
        ] as [(String, [UInt8])])
    func refused(_ what: String, _ data: [UInt8]) {
        let hello = HelloBuilder.usual(alpn: nil).adding(16, data)
        #expect(hello.decision == .refused(.malformed(.applicationProtocols)), "\(what)")
    }

    @Test("a walk over bytes that were not checked ends where they do not add up")
    func unchecked() {
        for bytes in [[0, 1, 1], [5, 1], []] as [[UInt8]] {
            var names = ProtocolNameList(bytes.span)
            #expect(names.next() == nil)
        }
    }
}

@Suite("ClientHello, reading versions and the rest") struct HelloPartsTests {
    @Test(
        "the highest version is that of the list, without GREASE",
        arguments: [
            ([4, 3, 4, 3, 3], 0x0304), ([6, 0x7A, 0x7A, 3, 4, 3, 3], 0x0304), ([2, 3, 1], 0x0301),
            ([4, 0x0A, 0x0A, 3, 3], 0x0303), ([4, 0x7F, 0x1C, 3, 2], 0x0302), ([2, 3, 4], 0x0304),
        ] as [([UInt8], UInt16)])
    func highest(_ data: [UInt8], _ version: UInt16) {
        var hello = HelloBuilder()
        hello.extensions = [(43, data)]
        #expect(hello.decision.facts?.version == version)
    }

    @Test("without a list, legacy_version counts, and never as TLS 1.3")
    func legacy() {
        for (legacy, highest) in [(0x0301, 0x0301), (0x0303, 0x0303), (0x0304, 0x0303)]
            as [(UInt16, UInt16)]
        {
            var hello = HelloBuilder()
            hello.version = legacy
            #expect(hello.decision.facts?.version == highest)
            hello.extensions = nil
            #expect(hello.decision.facts?.version == highest)
        }
    }

    @Test("nothing above SSL 3.0 is refused with protocol_version")
    func tooOld() {
        for version in [0x0300, 0x0200, 0x0002, 0x0400, 0xFEFD] as [UInt16] {
            var hello = HelloBuilder.usual()
            hello.version = version
            #expect(hello.decision == .refused(.versionUnsupported(version)))
        }
        var hello = HelloBuilder()
        hello.extensions = [(43, [4, 3, 0, 0x1A, 0x1A])]
        #expect(hello.decision == .refused(.versionUnsupported(0x0300)))
        #expect(HelloProblem.versionUnsupported(0x0300).alert == .protocolVersion)
    }

    @Test(
        "a list of versions that does not add up is refused",
        arguments: [[], [0], [1, 3], [3, 3, 4, 3], [4, 3, 4], [2, 3, 4, 3]] as [[UInt8]])
    func versionsMalformed(_ data: [UInt8]) {
        var hello = HelloBuilder()
        hello.extensions = [(43, data)]
        #expect(hello.decision == .refused(.malformed(.supportedVersions)))
    }

    @Test(
        "an extension that comes twice is refused",
        arguments: [0, 5, 16, 43, 51, 63, 0xFE0D] as [UInt16])
    func repeated(type: UInt16) {
        let usual = HelloBuilder.usual()
        let data = usual.extensions?.first { $0.0 == type }?.1 ?? [0, 1]
        var hello = usual
        hello.extensions?.removeAll { $0.0 == type }
        hello = hello.adding(type, data)
        #expect(hello.decision.facts != nil)
        hello = hello.adding(type, data)
        #expect(hello.decision == .refused(.repeatedExtension(type)))
        #expect(HelloProblem.repeatedExtension(type).alert == .illegalParameter)
    }

    @Test("pre_shared_key is last or refused")
    func preSharedKey() {
        let offered = HelloBuilder.usual().adding(42, []).adding(41, [1, 2, 3])
        #expect(offered.decision.facts?.offersPreSharedKey == true)
        #expect(offered.decision.facts?.hasEarlyData == true)
        #expect(offered.adding(0x0A0A, []).decision == .refused(.preSharedKeyNotLast))
    }

    @Test("a ticket counts, an empty request for one does not")
    func ticket() {
        #expect(HelloBuilder.usual().adding(35, []).decision.facts?.hasSessionTicket == false)
        #expect(HelloBuilder.usual().adding(35, [1]).decision.facts?.hasSessionTicket == true)
    }

    @Test("a session id of 33 bytes, odd or no suites, no compression: refused")
    func bounds() {
        var hello = HelloBuilder.usual()
        hello.sessionIDBytes = 33
        #expect(hello.decision == .refused(.malformed(.sessionID)))
        hello = .usual()
        hello.cipherSuites = []
        #expect(hello.decision == .refused(.malformed(.cipherSuites)))
        hello = .usual()
        hello.compressionMethods = []
        #expect(hello.decision == .refused(.malformed(.compressionMethods)))
        hello = .usual()
        hello.sessionIDBytes = 0
        #expect(hello.decision.facts != nil)
        // The suites' length lies behind version, random and session id.
        var body = HelloBuilder.usual().body
        body[2 + 32 + 33 + 1] -= 1
        #expect(throws: HelloProblem.malformed(.cipherSuites)) { try ClientHello(body: body.span) }
    }

    @Test("a body cut off anywhere is refused, but where its extensions are missing")
    func truncated() {
        let body = HelloBuilder.usual().body
        let withoutExtensions = 2 + 32 + 33 + 6 + 2
        for count in 0..<body.count where count != withoutExtensions {
            #expect(throws: HelloProblem.self) {
                try ClientHello(body: body.span.extracting(0..<count))
            }
        }
        #expect(throws: Never.self) {
            try ClientHello(body: body.span.extracting(0..<withoutExtensions))
        }
    }

    @Test("a body with a byte too many is refused")
    func trailing() {
        #expect(throws: HelloProblem.malformed(.extensions)) {
            try ClientHello(body: (HelloBuilder.usual().body + [0]).span)
        }
    }

    @Test(
        "a wrong byte anywhere gives a name and protocols as long as the good ones, or a refusal"
    )
    func flipped() {
        let hello = HelloBuilder.usual()
        let good = hello.decision.facts
        let message = hello.message
        for index in message.indices {
            for wrong in [
                0, 1, 0xFF, message[index] &+ 1, message[index] &- 1, message[index] ^ 0x80,
            ] {
                var bytes = message
                bytes[index] = wrong
                let decision = HelloDecision(Records.wrap(bytes))
                guard let facts = decision.facts else { continue }
                // Whatever is found lies in the bytes: it is as long as the lengths before it say.
                if let name = facts.serverName, name.count != good?.serverName?.count {
                    Issue.record("byte \(index) = \(wrong): a name of \(name.count) bytes")
                }
                if let list = facts.applicationProtocols,
                    list.count != good?.applicationProtocols?.count
                {
                    Issue.record("byte \(index) = \(wrong): protocols of \(list.count) bytes")
                }
            }
        }
    }

    @Test("every problem has an alert and a sentence without a byte of the peer's")
    func sentences() {
        let problems: [HelloProblem] = [
            .sslv2Hello, .unexpectedRecord(1), .recordVersion(2), .recordEmpty,
            .recordTooLong(16_385),
            .unexpectedHandshake(2), .tooLarge, .trailingBytes, .versionUnsupported(0x0300),
            .repeatedExtension(0), .preSharedKeyNotLast, .malformed(.serverName),
        ]
        #expect(Set(problems.map(\.description)).count == problems.count)
        #expect(Set(WireField.allCases.map(\.name)).count == WireField.allCases.count)
    }
}
