// The parts of `/webapi`: who asks, pins, budgets, rendered answers. Pure.

import StraitAPI
import StraitCore
import StraitRouting
import StraitWire
import Testing

@Suite("The parts of /webapi") struct WebAPIPartsTests {
    private static func header(
        _ source: String, _ tlvs: [(UInt8, String)]
    ) -> ProxyHeader {
        var header = ProxyHeader(
            command: .proxy, source: SocketAddress(source),
            destination: SocketAddress("[::1]:443"))
        for (type, text) in tlvs { header.tlvs.append(type, Array(text.utf8)) }
        return header
    }

    @Test("who asks is told by the header that the engine writes")
    func source() throws {
        let header = Self.header(
            "[2001:db8::1]:50000",
            [
                (ProxyTLVType.applicationProtocol, "h2"), (ProxyTLVType.uniqueID, "c-7"),
                (ProxyTLVType.tenant, "acme"), (ProxyTLVType.incarnation, "12"),
            ])
        guard case .done(let read, _) = ProxyHeader.read(header.encodedV2().span) else {
            Issue.record("it is a header")
            return
        }
        let expected = WebAPISource(
            address: IPAddress("2001:db8::1"), port: 50_000, dialledPort: 443, tenant: "acme",
            incarnation: 12, connection: "c-7", isHTTP2: true)
        #expect(WebAPISource(read) == expected)
    }

    @Test("without a tenant nobody is believed; without an address nobody is known")
    func strangers() {
        #expect(WebAPISource(Self.header("192.0.2.1:1", [(ProxyTLVType.uniqueID, "c-7")])) == nil)
        #expect(WebAPISource(Self.header("192.0.2.1:1", [(ProxyTLVType.tenant, "")])) == nil)
        var local = ProxyHeader(command: .local)
        local.tlvs.append(ProxyTLVType.tenant, Array("acme".utf8))
        let source = WebAPISource(local)
        #expect(source?.address == nil && source?.isHTTP2 == false)
    }

    @Test(
        "a pin is one block or several, as people and programs write it",
        arguments: [
            ("", []), ("x=1", []), ("pin=10.0.0.0/8", ["10.0.0.0/8"]),
            ("a=b&pin=192.0.2.1", ["192.0.2.1/32"]), ("pin=2001:db8::%2F56", ["2001:db8::/56"]),
            ("pin=10.0.0.0%2f8,%3a%3A1", ["10.0.0.0/8", "::1/128"]),
            ("pin=10.0.0.0/8&pin=x", ["10.0.0.0/8"]),
        ] as [(Substring, [String])])
    func pins(query: Substring, blocks: [String]) {
        #expect(WebAPIQuestion.pin(in: query)?.map(\.description) == blocks)
    }

    @Test(
        "what is no pin is refused",
        arguments: [
            "pin=", "pin=x", "pin=10.0.0.1/8", "pin=10.0.0.0/33", "pin=10.0.0.0/8,", "pin=,",
            "pin=%", "pin=%3", "pin=%zz", "pin=%ff", "pin=%00", "pin=%c3%a9",
            "pin=" + Array(repeating: "::1", count: 65)[...].joined(separator: ","),
        ] as [Substring])
    func noPins(query: Substring) {
        #expect(WebAPIQuestion.pin(in: query) == nil)
    }

    @Test("questions and pins of any bytes trap nothing, and only blocks come out")
    func anyBytes() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("pin=%2Fab:.,&?0123456789/\u{e9}")
        for _ in 0..<5000 {
            let text = String(
                (0..<Int.random(in: 0..<40, using: &random)).map { _ in
                    alphabet[Int.random(in: 0..<alphabet.count, using: &random)]
                })
            for block in WebAPIQuestion.pin(in: "pin=" + text) ?? [] {
                #expect(CIDRBlock(block.description) == block)
            }
            #expect(WebAPIQuestion(path: text[...]) == nil)
        }
    }

    @Test("a source has its burst and its rate; others have theirs")
    func budget() {
        var budget = RequestBudget()
        let one = IPAddress("192.0.2.1")
        let second: UInt64 = 1_000_000_000
        func count(_ source: IPAddress?, at now: UInt64) -> Int {
            (0..<100).count { _ in budget.admits(source, perSecond: 2, now: now) }
        }
        #expect(count(one, at: 0) == 10)
        #expect(count(one, at: 0) == 0)
        #expect(count(IPAddress("192.0.2.2"), at: 0) == 10)
        #expect(count(nil, at: 0) == 10)
        #expect(count(one, at: second) == 2)
        #expect(count(one, at: 100 * second) == 10)
    }

    @Test("sources beyond the bound share one budget until others have been silent")
    func budgetBound() {
        var budget = RequestBudget(sourcesMax: 3)
        let second: UInt64 = 1_000_000_000
        for last in 1...3 {
            let source = IPAddress(v4: 192, 0, 2, UInt8(last))
            let isAdmitted = budget.admits(source, perSecond: 1, now: 1)
            #expect(isAdmitted)
        }
        let admitted = (10..<30).count { last in
            budget.admits(IPAddress(v4: 192, 0, 2, UInt8(last)), perSecond: 1, now: 1)
        }
        #expect(admitted == 5, "one burst for all of them")
        #expect(budget.sources <= 4)
        let isAdmitted = budget.admits(
            IPAddress(v4: 192, 0, 2, 99), perSecond: 1, now: 60 * second)
        #expect(isAdmitted)
        #expect(budget.sources == 1, "whose bucket is full again is forgotten")
    }

    @Test("rendered answers go with their revision, and the least recently used at the bound")
    func rendered() {
        var answers = RenderedAnswers(countMax: 2)
        let answer = RenderedAnswer(bytes: Array("{}".utf8))
        func key(_ tenant: String) -> RenderedAnswers.Key {
            RenderedAnswers.Key(question: .ping, tenant: tenant, webPort: 443)
        }
        answers.keep(key("a"), answer, revision: 1)
        let (known, newer) = (
            answers.answer(key("a"), revision: 1), answers.answer(key("a"), revision: 2)
        )
        #expect(known == answer && newer == nil)
        answers.keep(key("b"), answer, revision: 1)
        _ = answers.answer(key("a"), revision: 1)
        answers.keep(key("c"), answer, revision: 1)
        #expect(answers.count == 2)
        let (forgotten, kept) = (
            answers.answer(key("b"), revision: 1), answers.answer(key("a"), revision: 1)
        )
        #expect(forgotten == nil && kept == answer)
        #expect(answer.tag != RenderedAnswer(bytes: Array("{ }".utf8)).tag)
    }
}
