// A PROXY header in front of everything else: required, or not looked for; never optional.

import StraitCore
import StraitState
import StraitWire
import Testing

/// Headers that are good, with what they say.
private let headers: [(bytes: [UInt8], header: ProxyHeader)] = {
    let four = ProxyHeader(
        command: .proxy, source: .ip(IPAddress(v4: 192, 0, 2, 1), port: 56_324),
        destination: .ip(IPAddress(v4: 192, 0, 2, 7), port: 443))
    let six = ProxyHeader(
        command: .proxy, source: .ip(IPAddress(high: 0x2001_0DB8 << 32, low: 1), port: 1),
        destination: .ip(IPAddress(high: 0x2001_0DB8 << 32, low: 2), port: 65_535))
    var named = four
    named.tlvs.append(ProxyTLVType.authority, Array("a.example".utf8))
    let local = ProxyHeader(command: .local)
    return [
        (four.encodedV1(), four), (six.encodedV1(), six), (local.encodedV1(), local),
        (four.encodedV2(), four), (six.encodedV2(withChecksum: true), six),
        (named.encodedV2(), named), (local.encodedV2(), local),
    ]
}()

/// Beginnings of a header that cannot become one.
private let malformed: [[UInt8]] = {
    var wrongSum = headers[4].bytes
    wrongSum[20] ^= 1
    let signature = ProxyHeader.signatureV2
    return [
        Array("PROXY TCP4 192.0.2.1 192.0.2.7 56324\r\n".utf8),
        Array("PROXY TCP5 192.0.2.1 192.0.2.7 1 2\r\n".utf8),
        Array("PROXY TCP4 192.0.2.1 192.0.2.7 1 2\n".utf8),
        Array("PROXY TCP4 192.0.2.01 192.0.2.7 1 2\r\n".utf8),
        Array("PROXY TCP4 192.0.2.1 192.0.2.7 1 65536\r\n".utf8),
        Array("PROXY ".utf8) + Array(repeating: UInt8(ascii: "x"), count: 101),
        signature + [0x11], signature + [0x22], signature + [0x21, 0x99],
        signature + [0x21, 0x11, 0, 11], signature + [0x21, 0x11, 0xFF, 0xFF], wrongSum,
    ]
}()

@Suite("PeekMachine, behind a PROXY header") struct PeekMachineProxyTests {
    @Test("the header changes nothing of what follows but its place", arguments: PeekSample.all)
    func sameBehindHeader(sample: PeekSample) {
        for rules in PeekRules.all(requiresProxyHeader: false) {
            let bare = PeekRun(rules, sample.bytes, cuts: 0..<sample.bytes.count)
            for (bytes, header) in headers {
                let input = bytes + sample.bytes
                let run = PeekRun(rules.behindProxy, input, cuts: bytes.count..<input.count)
                #expect(run.actions.first == .proxied(header))
                #expect(run.verdict == bare.verdict, "\(rules)")
                #expect(run.answers == bare.answers, "\(rules)")
                #expect(run.helloBody == bare.helloBody, "\(rules)")
                #expect(run.consumed == bytes.count + bare.consumed, "\(rules)")
                #expect(run.violation == nil, "\(rules)")
            }
        }
    }

    @Test(
        "header and all that follows may come in one piece, or byte by byte",
        arguments: PeekSample.all)
    func pieces(sample: PeekSample) {
        let rules = PeekRules.everything.behindProxy
        for (bytes, header) in headers {
            let input = bytes + sample.bytes
            let slow = PeekRun(rules, input, cuts: 0..<input.count)
            let atOnce = PeekRun(rules, input)
            #expect(slow.actions.first == .proxied(header))
            #expect(atOnce.actions.first == .proxied(header))
            #expect(atOnce.agrees(with: slow.decision))
        }
    }

    @Test("exactly the header is consumed, and nothing before it is whole", arguments: headers)
    func consumed(bytes: [UInt8], header: ProxyHeader) {
        var machine = PeekMachine(rules: PeekRules.everything.behindProxy)
        for count in 0..<bytes.count {
            #expect(machine.shown(bytes, count) == .needMore)
            #expect(machine.consumed == 0)
        }
        #expect(machine.shown(bytes) == .proxied(header))
        #expect(machine.consumed == bytes.count)
        #expect(machine.shown(bytes) == .needMore)
        #expect(machine.shown(bytes + Array("SSH-2.0-".utf8)) == .ssh)
        #expect(machine.consumed == bytes.count)
    }

    @Test(
        "anything else in its place is refused, whatever the rules allow", arguments: PeekSample.all
    )
    func missing(sample: PeekSample) {
        let isHeader = sample.name.contains("PROXY header")
        for rules in PeekRules.all(requiresProxyHeader: true) {
            let run = PeekRun(rules, sample.bytes, cuts: 0..<sample.bytes.count)
            #expect(run.consumed == (isHeader ? sample.bytes.count : 0))
            guard !isHeader, !sample.bytes.isEmpty else { continue }
            #expect(run.actions == [.refuse(.proxyHeaderMissing, .nothing)], "\(rules)")
        }
    }

    @Test("one that is malformed is refused, in one piece or byte by byte", arguments: malformed)
    func malformedHeader(bytes: [UInt8]) {
        for rules in PeekRules.all(requiresProxyHeader: true) {
            for cuts in [0..<0, 0..<bytes.count] {
                let run = PeekRun(rules, bytes + PeekSample.http, cuts: cuts)
                #expect(run.actions == [.refuse(.proxyHeaderMalformed, .nothing)], "\(rules)")
                #expect(run.consumed == 0)
            }
        }
    }

    @Test("a second one is not accepted, of either version", arguments: headers)
    func second(bytes: [UInt8], header: ProxyHeader) {
        for (other, _) in headers {
            let run = PeekRun(PeekRules.everything.behindProxy, bytes + other)
            let refusal = PeekAction.refuse(.protocolUnknown, .nothing)
            #expect(run.actions == [.proxied(header), refusal])
            #expect(run.consumed == bytes.count)
        }
    }

    @Test("none is read behind a Postgres answer", arguments: headers)
    func behindPrelude(bytes: [UInt8], header: ProxyHeader) {
        let afterNo = PeekRun(.everything, PeekSample.gssencRequest + bytes, cuts: [8])
        #expect(afterNo.last == .refuse(.protocolUnknown, .nothing))
        let afterYes = PeekRun(.everything, PeekSample.sslRequest + bytes, cuts: [8])
        #expect(afterYes.last == .refuse(.preludeMalformed, .nothing))
    }

    @Test(
        "where bytes are not looked at, the header still is, and nothing behind it",
        arguments: headers)
    func raw(bytes: [UInt8], header: ProxyHeader) {
        var rules = PeekRules.everything.behindProxy
        rules.isRaw = true
        for rest in [[], [0], bytes, PeekSample.http] {
            let run = PeekRun(rules, bytes + rest)
            #expect(run.actions == [.proxied(header), .raw])
            #expect(run.consumed == bytes.count)
        }
    }
}
