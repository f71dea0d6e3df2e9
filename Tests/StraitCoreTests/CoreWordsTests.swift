// The rest of the words: limits, durations, instants, reasons, phases.

import StraitCore
import Testing

@Suite("Limits") struct LimitsTests {
    @Test("the bounds hold their relations")
    func relations() {
        #expect(Limits.violations == [])
    }

    @Test("what is kept while peeking holds each thing that is read there")
    func peek() {
        let largest = [
            Limits.clientHelloBytesMax, Limits.proxyV1BytesMax, Limits.proxyV2BytesMax,
            Limits.sshBannerBytesMax, Limits.postgresStartupBytesMax, Limits.httpHeadBytesMax,
        ].max()
        #expect(largest.map { $0 <= Limits.peekBytesMax } == true)
        #expect(Limits.tlsRecordBytesMax == 1 << 14)
    }
}

@Suite("Instants and durations") struct InstantTests {
    @Test("adding stops at never, subtracting at 0")
    func bounds() {
        let early = Instant(nanoseconds: 5)
        #expect(early.advanced(byNanoseconds: 3) == Instant(nanoseconds: 8))
        #expect(early.advanced(byNanoseconds: .max) == .never)
        #expect(Instant.never.advanced(byNanoseconds: 1) == .never)
        #expect(early.nanoseconds(since: .zero) == 5)
        #expect(Instant.zero.nanoseconds(since: early) == 0)
        #expect(Instant.zero < early)
        #expect(early < .never)
    }

    @Test(
        "durations become whole nanoseconds within their bounds",
        arguments: [
            (Duration.zero, 0), (.nanoseconds(1), 1), (.milliseconds(300), 300_000_000),
            (.seconds(3600), 3_600_000_000_000),
            (.seconds(-1), 0), (.nanoseconds(-1), 0), (.milliseconds(-1500), 0),
            (.seconds(18_446_744_073), 18_446_744_073_000_000_000),
            (.seconds(18_446_744_074), .max), (.seconds(Int64.max), .max),
            (Duration(secondsComponent: 0, attosecondsComponent: 999_999_999), 0),
            (
                Duration(
                    secondsComponent: 18_446_744_073, attosecondsComponent: 999_999_999 << 30),
                .max
            ),
        ] as [(Duration, UInt64)])
    func nanoseconds(duration: Duration, expected: UInt64) {
        #expect(duration.nanoseconds == expected)
    }
}

@Suite("Reasons and phases") struct ReasonTests {
    @Test("every kind has a word of its own in lower case, and its check is stable")
    func kinds() {
        let words = CloseReason.Kind.allCases.map(\.rawValue)
        #expect(Set(words).count == words.count)
        #expect(words.allSatisfy { $0.allSatisfy { $0.isLowercase || $0 == "_" } })
        let used = Set(CloseReason.Kind.allCases.compactMap(\.check))
        #expect(CloseReason.Kind.helloMalformed.check == .tls)
        #expect(CloseReason.Kind.finished.check == nil)
        #expect(!used.isEmpty)
    }

    @Test("only what both ends wished is orderly")
    func orderly() {
        let orderly = CloseReason.Kind.allCases.filter { CloseReason(.local, $0).isOrderly }
        #expect(orderly == [.finished, .redirected, .cancelForwarded])
    }

    @Test("sides and phases have words of their own, in the order of a life")
    func names() {
        #expect(CloseReason.Side.allCases.map(\.name) == ["downstream", "upstream", "local"])
        let phases = Phase.allCases.map(\.name)
        #expect(phases.first == "accept")
        #expect(phases.last == "close")
        #expect(Set(phases).count == Phase.allCases.count)
    }
}
