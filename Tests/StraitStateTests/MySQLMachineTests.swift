// The beginning of MySQL connections: recorded ones on all legs, cut everywhere, and what must not
// pass.

import StraitCore
import StraitState
import StraitWire
import Testing

@Suite("The beginning of a MySQL connection") struct MySQLMachineTests {
    private static let loggedIn = ["native password", "wrong password", "switched to ed25519"]

    /// Feeds a recorded exchange as it looks on the legs; `cut` is where each packet is cut.
    private func run(
        _ legs: MySQLLegs, _ exchange: [MySQLExchange.Packet], cut: Int?
    ) -> (run: MySQLRun, down: [MySQLExchange.Packet], up: [MySQLExchange.Packet]) {
        let down = MySQLLeg(asks: !legs.isWrapped).packets(exchange, offers: !legs.isWrapped)
        let up = MySQLLeg(asks: legs.securesUpstream).packets(
            exchange, offers: legs.securesUpstream)
        var run = MySQLRun(legs)
        let cuts = cut.map { [$0] } ?? []
        for index in exchange.indices where run.ending == nil {
            if exchange[index].isUpstream {
                run.show(up[index].bytes, isUpstream: true, cuts: cuts)
            } else {
                if index == 1, !legs.isWrapped {
                    run.show(MySQLLeg.request(down[1].bytes), isUpstream: false, cuts: cuts)
                }
                run.show(down[index].bytes, isUpstream: false, cuts: cuts)
            }
        }
        return (run, down, up)
    }

    @Test("the recorded exchanges are there")
    func recorded() {
        #expect(MySQLExchange.all.map(\.name) == Self.loggedIn + ["too many connections"])
    }

    @Test(
        "goes as it was recorded, on all legs, cut anywhere", arguments: MySQLLegs.all, loggedIn)
    func exchanges(legs: MySQLLegs, name: String) {
        let exchange = MySQLExchange.named(name)
        for cut in [nil] + (0..<230).map(Optional.some) {
            let (run, down, up) = self.run(legs, exchange, cut: cut)
            let isLookedAt = legs.isWrapped == legs.securesUpstream || legs.isExposed
            let last = isLookedAt ? exchange.indices.last ?? 0 : 1
            let expectedDown = down.enumerated().filter {
                $0.element.isUpstream && $0.offset <= last
            }.flatMap(\.element.bytes)
            var expectedUp = up.enumerated().filter {
                !$0.element.isUpstream && $0.offset <= last
            }.flatMap(\.element.bytes)
            if legs.securesUpstream {
                expectedUp = MySQLLeg.request(up[1].bytes) + expectedUp
            }
            #expect(run.toDownstream == expectedDown, "cut at \(cut as Any)")
            #expect(run.toUpstream == expectedUp, "cut at \(cut as Any)")
            #expect(run.left.isEmpty)
            guard case .passAndRelay? = run.ending else {
                Issue.record("\(run.ending as Any), cut at \(cut as Any)")
                return
            }
            let asked =
                (legs.isWrapped ? [] : ["downstream"])
                + (legs.securesUpstream ? ["upstream"] : [])
            #expect(run.secured == asked)
        }
    }

    @Test("leaves what follows OK to the relay, and reads no downstream before it is asked")
    func leftovers() {
        let exchange = MySQLExchange.named("native password")
        let legs = MySQLLegs(isWrapped: false, securesUpstream: false, isExposed: false)
        let down = MySQLLeg(asks: true).packets(exchange, offers: true)
        var run = MySQLRun(legs)
        run.show(exchange[0].bytes, isUpstream: true)
        run.show(MySQLLeg.request(down[1].bytes), isUpstream: false)
        run.show(down[1].bytes, isUpstream: false)
        #expect(!run.machine.awaitsDownstream)
        run.show(exchange[2].bytes + [1, 2, 3], isUpstream: true)
        #expect(run.left == [1, 2, 3])
    }

    @Test("an error instead of the greeting is the upstream's", arguments: MySQLLegs.all)
    func rejected(legs: MySQLLegs) {
        let packet = MySQLExchange.named("too many connections")[0].bytes
        var run = MySQLRun(legs)
        run.show(packet, isUpstream: true)
        #expect(run.ending == .rejected(packet))
        #expect(!run.machine.hasGreeted)
        #expect(run.machine.errorSequence == 0)
    }

    @Test("a server without TLS is refused where TLS is to be spoken to it")
    func noTLS() {
        let greeting = MySQLExchange.named("native password")[0].bytes
        for isWrapped in [false, true] {
            var run = MySQLRun(
                MySQLLegs(isWrapped: isWrapped, securesUpstream: true, isExposed: false))
            let plain = MySQLLeg(asks: false).packets(
                [.init(isUpstream: true, bytes: greeting)], offers: false)
            run.show(plain[0].bytes, isUpstream: true)
            #expect(run.reason == CloseReason(.upstream, .upstreamTLSRefused))
        }
    }

    @Test("a greeting with anything behind it is refused, and so is one that comes twice")
    func greetsTwice() {
        let greeting = MySQLExchange.named("native password")[0].bytes
        for legs in MySQLLegs.all where !legs.securesUpstream {
            var run = MySQLRun(legs)
            run.show(greeting + [0], isUpstream: true)
            #expect(run.reason == CloseReason(.upstream, .preludeMalformed))
            var twice = MySQLRun(legs)
            twice.show(greeting, isUpstream: true)
            twice.show(greeting, isUpstream: true)
            #expect(twice.reason == CloseReason(.upstream, .preludeMalformed))
        }
    }
}

@Suite("A MySQL downstream in plain text") struct MySQLRequestTests {
    private let exchange = MySQLExchange.named("native password")

    private func greeted() -> MySQLRun {
        var run = MySQLRun(
            MySQLLegs(isWrapped: false, securesUpstream: false, isExposed: false))
        run.show(self.exchange[0].bytes, isUpstream: true)
        return run
    }

    @Test("is told that TLS is required, under the sequence id that it awaits")
    func plain() {
        var run = self.greeted()
        run.show(self.exchange[1].bytes, isUpstream: false)
        #expect(run.reason == CloseReason(.local, .plaintextRefused))
        #expect(run.machine.errorSequence == 2)
        #expect(run.machine.hasGreeted)
        #expect(run.toUpstream.isEmpty)
    }

    @Test("gives whatever follows its request to TLS, and nothing of it to anybody else")
    func early() {
        var machine = self.greeted().machine
        let request = MySQLLeg.request(
            MySQLLeg(asks: true).packets(self.exchange, offers: true)[1].bytes)
        let early = request + self.exchange[1].bytes
        #expect(
            machine.receivedFromDownstream(early.span) == .secureDownstream(consumed: 36))
        #expect(!machine.awaitsDownstream)
    }

    @Test(
        "is refused with a request that does not add up",
        arguments: [
            [31, 0, 0, 1], [32, 0, 0, 0], [32, 0, 0, 2], [0, 0, 0, 1],
            [32, 0, 0, 1, 0, 0x08] + [UInt8](repeating: 0, count: 30),
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        var run = self.greeted()
        run.show(bytes, isUpstream: false)
        #expect(run.reason == CloseReason(.local, .preludeMalformed))
    }

    @Test("is refused with a second request, inside TLS")
    func twice() {
        var run = self.greeted()
        var request = MySQLLeg.request(
            MySQLLeg(asks: true).packets(self.exchange, offers: true)[1].bytes)
        run.show(request, isUpstream: false)
        request[3] = 2
        run.show(request, isUpstream: false)
        #expect(run.reason == CloseReason(.local, .preludeMalformed))
        #expect(run.toUpstream.isEmpty)
    }

    @Test("is refused out of order, and with more than the bound", arguments: [0, 1, 3, 200])
    func order(sequence: UInt8) {
        var run = self.greeted()
        var response = MySQLLeg(asks: true).packets(self.exchange, offers: true)[1].bytes
        run.show(MySQLLeg.request(response), isUpstream: false)
        var long = run
        response[3] = sequence
        run.show(response, isUpstream: false)
        #expect(run.reason == CloseReason(.local, .preludeMalformed))
        long.show([0xFF, 0xFF, 0xFF, 2], isUpstream: false)
        #expect(long.reason == CloseReason(.local, .preludeMalformed))
        #expect(long.machine.errorSequence == 3)
    }
}
