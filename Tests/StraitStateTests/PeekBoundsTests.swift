// How much a peek machine waits for, and how often it looks at a byte.

import StraitCore
import StraitState
import StraitWire
import Testing

/// A beginning that goes on for ever, and within how many bytes it must be decided.
private struct Endless: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var head: [UInt8]
    var unit: [UInt8]
    var bytesMax: Int

    static let all: [Endless] = [
        Endless(
            testDescription: "a hello in records of one byte",
            head: [1, 0, 0xFF, 0].flatMap { [22, 3, 1, 0, 1, $0] }, unit: [22, 3, 1, 0, 1, 7],
            bytesMax: Limits.peekBytesMax + 6),
        Endless(
            testDescription: "an HTTP line", head: Array("GET /".utf8), unit: [UInt8(ascii: "a")],
            bytesMax: Limits.httpHeadBytesMax + 1),
        Endless(
            testDescription: "HTTP fields", head: Array("GET / HTTP/1.1\r\n".utf8),
            unit: Array("a: b\r\n".utf8), bytesMax: Limits.httpHeadBytesMax + 6),
    ]
}

@Suite("PeekMachine, bounds") struct PeekMachineBoundsTests {
    @Test("what never ends is refused within its bound", arguments: Endless.all)
    private func endless(_ endless: Endless) {
        var input = endless.head
        while input.count < endless.bytesMax + 61 { input += endless.unit }
        let cuts = stride(from: 0, to: input.count, by: 61)
        let run = PeekRun(.everything, input, cuts: cuts)
        let whole = PeekRun(.everything, input)
        #expect(run.decision == whole.decision)
        let isRefused =
            switch run.last {
            case .refuse(.helloTooLarge, .alert(.decodeError)), .http(nil): true
            default: false
            }
        #expect(isRefused, "\(run.actions)")
        #expect((run.decidedAfter ?? .max) <= endless.bytesMax + 61)
    }

    @Test("a PROXY line that never ends is refused within its bound")
    func endlessLine() {
        let line = Array("PROXY UNKNOWN ".utf8) + Array(repeating: 65, count: 200)
        let run = PeekRun(PeekRules.everything.behindProxy, line, cuts: 0..<line.count)
        #expect(run.last == .refuse(.proxyHeaderMalformed, .nothing))
        #expect(run.decidedAfter == Limits.proxyV1BytesMax)
    }

    @Test("the largest hello is taken, in one record after the other")
    func largest() {
        let empty = Hello().message.count
        let hello = Hello(paddingBytes: Limits.clientHelloBytesMax - empty)
        #expect(hello.message.count == Limits.clientHelloBytesMax)
        let records = hello.records()
        let run = PeekRun(.everything, records, cuts: stride(from: 0, to: records.count, by: 777))
        #expect(run.helloBody == Array(hello.message.dropFirst(4)))
    }

    @Test("one byte more is refused by its header alone")
    func tooLarge() {
        let empty = Hello().message.count
        let hello = Hello(paddingBytes: Limits.clientHelloBytesMax - empty + 1)
        let run = PeekRun(.everything, Array(hello.records()[..<9]))
        #expect(run.last == .refuse(.helloTooLarge, .alert(.decodeError)))
    }

    /// Shows `input` byte by byte and zeroes what was shown before, but for what stands from `kept`
    /// on, which tells from where on bytes may be looked at again when so many were shown.
    private func runForgetting(_ input: [UInt8], kept: (Int) -> Int) -> (PeekAction, [UInt8]) {
        var machine = PeekMachine(rules: .everything)
        var action = PeekAction.needMore
        for count in 1...input.count where action == .needMore {
            var shown = Array(input[..<count])
            for index in 0..<min(kept(count - 1), count - 1) { shown[index] = 0 }
            action = machine.received(shown.span)
        }
        return (action, machine.assembledBody)
    }

    @Test(
        "a hello's bytes are looked at once, so that crumbs cost no more than a whole hello",
        arguments: [[5], [1, 2, 3], [4, 50, 51, 80], Array(1...80)])
    func helloOnce(cuts: [Int]) {
        let input = Hello().records(cuts: cuts)
        // Two bytes tell that it is TLS; each byte after them is forgotten as soon as it was shown.
        let (action, body) = self.runForgetting(input) { $0 < 2 ? 0 : $0 }
        #expect(action == PeekRun(.everything, input).last)
        #expect(body == Array(Hello().message.dropFirst(4)))
    }

    @Test("lines of an HTTP head are looked at once")
    func httpOnce() {
        let input = Array("GET /a HTTP/1.1\r\nAccept: x\r\nHost: a.example\r\n\r\n".utf8)
        let (action, _) = self.runForgetting(input) { count in
            (input[..<count].lastIndex(of: UInt8(ascii: "\n")) ?? -1) + 1
        }
        #expect(action == PeekRun(.everything, input).last)
    }
}
