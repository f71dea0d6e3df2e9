// What a new downstream wants, over all rules of a listener and all first bytes.

import StraitCore
import StraitState
import StraitWire
import Testing

/// Every place to cut `bytes` at.
private func everyByte(_ bytes: [UInt8]) -> Range<Int> { 0..<bytes.count }

/// Bytes, and how many of them decide.
private let earlyDecisions: [([UInt8], Int)] = [
    (Array("SSH-2.0-OpenSSH\r\n".utf8), 8), (Array("SSH-1.99-x".utf8), 9),
    (Array("SSH-1.5".utf8), 7), ([0x20, 0, 0, 1], 1), ([22, 2, 0], 2), (PeekSample.startup, 6),
    (PeekSample.http + [1, 2], PeekSample.http.count), (Array("PRI * HTTP/2.0\r\n".utf8), 14),
    (Hello().records() + [0], Hello().records().count),
]

@Suite("PeekMachine, every rule and every beginning") struct PeekMachineTableTests {
    @Test(
        "bytes that come one by one get their verdict, under all rules", arguments: PeekSample.all)
    func oneByOne(sample: PeekSample) {
        for rules in PeekRules.all(requiresProxyHeader: false) {
            let run = PeekRun(rules, sample.bytes, cuts: everyByte(sample.bytes))
            let answers = rules.allowsPostgres && !rules.isRaw ? sample.answers : ""
            #expect(run.verdict == sample.expected(rules), "\(rules)")
            #expect(run.answers == Array(answers.utf8), "\(rules)")
            #expect(run.consumed == 8 * answers.utf8.count, "\(rules)")
            #expect(run.violation == nil, "\(rules)")
        }
    }

    @Test(
        "bytes that come at once get the same, but for what may not be sent before an answer",
        arguments: PeekSample.all)
    func atOnce(sample: PeekSample) {
        for rules in PeekRules.all(requiresProxyHeader: false) {
            let run = PeekRun(rules, sample.bytes)
            #expect(run.violation == nil, "\(rules)")
            if sample.isPipelined, rules.allowsPostgres, !rules.isRaw {
                #expect(run.verdict == .refuse(.preludeMalformed, .nothing), "\(rules)")
                #expect(run.answers == [], "CVE-2021-23214: nothing is read into TLS")
                #expect(run.consumed == 0, "\(rules)")
            } else {
                let slow = PeekRun(rules, sample.bytes, cuts: everyByte(sample.bytes))
                #expect(run.decision == slow.decision, "\(rules)")
            }
        }
    }

    @Test(
        "one byte behind a request is one too many",
        arguments: [
            PeekSample.sslRequest, PeekSample.gssencRequest,
        ])
    func pipelining(request: [UInt8]) {
        for byte in UInt8.min ... .max {
            let run = PeekRun(.everything, request + [byte])
            #expect(run.actions == [.refuse(.preludeMalformed, .nothing)])
        }
    }

    @Test("a cut anywhere, or two, changes nothing", arguments: PeekSample.all)
    func cutAnywhere(sample: PeekSample) {
        let slow = PeekRun(.everything, sample.bytes, cuts: everyByte(sample.bytes)).decision
        let count = sample.bytes.count
        for first in 0..<count {
            for second in Set([first + 1, first + 8, (first + count) / 2]) where second < count {
                let run = PeekRun(.everything, sample.bytes, cuts: [first, second])
                #expect(run.agrees(with: slow), "cut at \(first) and \(second)")
            }
        }
    }

    @Test("it is decided by the first byte that tells", arguments: earlyDecisions)
    func early(bytes: [UInt8], count: Int) {
        let run = PeekRun(.everything, bytes, cuts: everyByte(bytes))
        #expect(run.decidedAfter == count)
    }

    @Test(
        "a hello's body is handed on whole, wherever it begins",
        arguments: [[], [60, 75], [1], [1, 2, 3], [4], [40, 41, 42, 43]], [0, 8, 16])
    func helloBody(recordCuts: [Int], preludeBytes: Int) {
        let prelude = (PeekSample.gssencRequest + PeekSample.sslRequest).suffix(preludeBytes)
        let bytes = prelude + Hello().records(cuts: recordCuts)
        let run = PeekRun(.everything, Array(bytes), cuts: everyByte(Array(bytes)))
        #expect(run.helloBody == Array(Hello().message.dropFirst(4)))
        guard case .hello(let hello, _, _)? = run.last, let body = run.helloBody else {
            Issue.record("no hello: \(run.actions)")
            return
        }
        #expect(hello.serverName.map { Array(body[$0]) } == Array("orders.acme.example.com".utf8))
    }

    @Test("a cancel's key is found in the input, also behind other things")
    func cancelKey() {
        let header = ProxyHeader(command: .local).encodedV2()
        let packet = PostgresPrelude.cancelRequest(processID: 7, key: [11, 12, 13, 14, 15])
        let bytes = header + PeekSample.gssencRequest + packet + [99]
        let cuts = [header.count + 8]
        let run = PeekRun(PeekRules.everything.behindProxy, bytes, cuts: cuts)
        guard case .cancel(7, let key)? = run.last else {
            Issue.record("no cancel: \(run.actions)")
            return
        }
        #expect(Array(bytes[key]) == [11, 12, 13, 14, 15])
    }
}

@Suite("PeekMachine, hellos of many connections in turns") struct PeekMachineTurnsTests {
    @Test("hellos that span records do not mix")
    func turns() {
        let hellos = (0..<5).map { Hello(name: "tenant-\($0).example.com", paddingBytes: 7 * $0) }
        let inputs = hellos.map { $0.records(cuts: [5, 30, 60, 61]) }
        var machines = hellos.map { _ in PeekMachine(rules: .everything) }
        for count in 1...(inputs.map(\.count).max() ?? 0) {
            for index in machines.indices where count <= inputs[index].count {
                let action = machines[index].shown(inputs[index], count)
                guard count == inputs[index].count else {
                    #expect(action == .needMore)
                    continue
                }
                guard case .hello(let hello, .assembled, false) = action else {
                    Issue.record("\(action)")
                    continue
                }
                let body = machines[index].assembledBody
                #expect(body == Array(hellos[index].message.dropFirst(4)))
                let name = hello.serverName.map { String(decoding: body[$0], as: UTF8.self) }
                #expect(name == hellos[index].name)
            }
        }
    }

    @Test("a hello in one record is not copied")
    func notCopied() {
        var machine = PeekMachine(rules: .everything)
        _ = machine.shown(Hello().records())
        #expect(machine.assembledBody == [])
    }
}

@Suite("PeekMachine, once it is decided") struct PeekMachineEndTests {
    @Test(
        "showing more stops the process",
        arguments: [
            Array("SSH-2.0-x\n".utf8), PeekSample.http, [1], PeekSample.startup, Hello().records(),
            PostgresPrelude.cancelRequest(processID: 1, key: [1, 2, 3, 4]),
        ])
    func terminal(bytes: [UInt8]) async {
        #expect(PeekRun(.everything, bytes).decidedAfter != nil)
        await #expect(processExitsWith: .failure) { [bytes] in
            var machine = PeekMachine(rules: .everything)
            _ = machine.shown(bytes)
            _ = machine.shown(bytes)
        }
    }

    @Test("and so it does where bytes are not looked at")
    func raw() async {
        await #expect(processExitsWith: .failure) {
            var rules = PeekRules.everything
            rules.isRaw = true
            var machine = PeekMachine(rules: rules)
            _ = machine.shown([])
            _ = machine.shown([])
        }
    }
}
