// What upstreams and resolvers answer: status lines and DNS messages.

import StraitCore
import StraitWire
import TestSupport
import Testing

@Suite("HTTPStatusLine") struct HTTPStatusLineTests {
    private func read(_ text: String) -> HTTPStatusLine.Outcome {
        HTTPStatusLine.read(Array(text.utf8).span)
    }

    @Test(
        "the status is found, with and without words behind it",
        arguments: [
            ("HTTP/1.1 200 OK\r\n", 200), ("HTTP/1.0 503 \r\n", 503), ("HTTP/1.1 404\r\n", 404),
            ("HTTP/1.1 301\n", 301), ("HTTP/1.1 999 x", 999),
        ])
    func good(text: String, status: UInt16) { #expect(self.read(text) == .done(status)) }

    @Test("cut anywhere it is undecided")
    func cut() {
        let text = "HTTP/1.1 200 OK"
        for count in 0..<13 { #expect(self.read(String(text.prefix(count))) == .needMore) }
    }

    @Test(
        "anything else is no answer",
        arguments: [
            "HTTP/2.0 200 OK\r\n", "HTTP/1.1  200 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 20 OK",
            "HTTP/1.1 099 OK", "http/1.1 200 OK", "SSH-2.0-OpenSSH", "\u{16}\u{3}\u{1}",
        ])
    func bad(text: String) { #expect(self.read(text) == .malformed) }
}

@Suite("DNSAnswer") struct DNSAnswerTests {
    private static let seeds = CorpusSeeds(.module).read("dnsAnswer")

    private func read(_ message: [UInt8]) throws -> DNSAnswer {
        try DNSAnswer(message: message.span)
    }

    @Test("an address and its lifetime are found")
    func one() throws {
        let answer = try self.read(Self.seeds[0])
        #expect(answer.addresses.map(\.description) == ["10.0.3.7"])
        #expect(answer.lifetimeSeconds == 60)
    }

    @Test("an alias counts with its lifetime, and an order of addresses is kept")
    func alias() throws {
        let answer = try self.read(Self.seeds[1])
        #expect(answer.addresses.map(\.description) == ["10.0.3.8", "10.0.3.9"])
        #expect(answer.lifetimeSeconds == 30)
    }

    @Test("IPv6 is read, and a lifetime of more than 31 bits is none")
    func ipv6() throws {
        let answer = try self.read(Self.seeds[2])
        #expect(answer.addresses.map(\.description) == ["2001:db8::1"])
        #expect(answer.lifetimeSeconds == 0)
    }

    @Test("no such name, no address, and a question are told apart")
    func none() throws {
        #expect(throws: DNSProblem.refused(code: 3)) {
            try self.read(Self.seeds[3])
        }
        #expect(try self.read(Self.seeds[4]).addresses.isEmpty)
        var question = Self.seeds[0]
        question[2] &= 0x7F
        #expect(throws: DNSProblem.noAnswer) { try self.read(question) }
    }

    @Test("an address of the wrong length is malformed, other records are passed over")
    func lengths() throws {
        #expect(throws: DNSProblem.malformed) { try self.read(Self.seeds[5]) }
        // Its owner points beyond the end, which nobody follows.
        #expect(try self.read(Self.seeds[6]).addresses.count == 1)
    }

    @Test("a message cut anywhere is malformed")
    func cut() {
        for seed in [Self.seeds[0], Self.seeds[1], Self.seeds[2]] {
            for count in 0..<seed.count {
                #expect(throws: DNSProblem.malformed) {
                    try self.read(Array(seed[..<count]))
                }
            }
        }
    }

    @Test("a name that points at itself is passed in one step")
    func loop() throws {
        var message = Self.seeds[0]
        let owner = 12 + 13 + 4
        message[owner + 1] = UInt8(owner)
        #expect(try self.read(message).addresses.count == 1)
    }
}
