// When a direction changes between copying and splicing.

import StraitState
import Testing

extension TransferMode {
    /// Whether any of `count` copied reads of `bytes` asked for splicing.
    fileprivate mutating func copiedRuns(_ count: Int, bytes: Int) -> [Bool] {
        (0..<count).map { _ in self.copied(bytes: bytes) }
    }

    fileprivate mutating func splicedRuns(_ count: Int, bytes: Int) -> [Bool] {
        (0..<count).map { _ in self.spliced(bytes: bytes) }
    }
}

@Suite("TransferMode") struct TransferModeTests {
    private let large = TransferMode.largeBytes
    private let small = TransferMode.smallBytes

    @Test("a direction begins copying")
    func begins() {
        #expect(!TransferMode().isSplicing)
    }

    @Test("the fourth large read in a row asks for splicing, and so does each after it")
    func toSplice() {
        var mode = TransferMode()
        #expect(mode.copiedRuns(6, bytes: self.large) == [false, false, false, true, true, true])
        #expect(!mode.isSplicing, "asking is not having: there may be no pipe")
    }

    @Test("a read of one byte less is not large, and one among large ones begins the count anew")
    func justBelowLarge() {
        var mode = TransferMode()
        #expect(mode.copiedRuns(100, bytes: self.large - 1).allSatisfy { !$0 })
        #expect(mode.copiedRuns(3, bytes: self.large) == [false, false, false])
        #expect(mode.copied(bytes: self.large - 1) == false)
        #expect(mode.copiedRuns(4, bytes: self.large) == [false, false, false, true])
    }

    @Test("a direction that may never splice reads large for ever, without a trap")
    func manyLargeReads() {
        var mode = TransferMode()
        let answers = mode.copiedRuns(100_000, bytes: 65_536)
        #expect(answers.dropFirst(3).allSatisfy { $0 })
    }

    @Test("the eighth small move in a row asks for copying, and so does each after it")
    func toCopy() {
        var mode = TransferMode()
        mode.beganSplicing()
        #expect(mode.isSplicing)
        let answers = mode.splicedRuns(100_000, bytes: self.small - 1)
        #expect(answers.prefix(7).allSatisfy { !$0 })
        #expect(answers.dropFirst(7).allSatisfy { $0 })
        #expect(mode.isSplicing, "asking is not doing: the pipe may not be empty yet")
    }

    @Test("a move of as many bytes as the bound is not small, and begins the count anew")
    func justNotSmall() {
        var mode = TransferMode()
        mode.beganSplicing()
        #expect(mode.splicedRuns(100, bytes: self.small).allSatisfy { !$0 })
        #expect(mode.splicedRuns(7, bytes: 1).allSatisfy { !$0 })
        #expect(mode.spliced(bytes: self.small) == false)
        #expect(mode.splicedRuns(8, bytes: 1) == Array(repeating: false, count: 7) + [true])
    }

    @Test("each change begins the count anew, also when no pipe was to be had")
    func changes() {
        var mode = TransferMode()
        _ = mode.copiedRuns(4, bytes: self.large)
        mode.beganCopying()
        #expect(!mode.isSplicing)
        #expect(mode.copiedRuns(4, bytes: self.large) == [false, false, false, true])
        mode.beganSplicing()
        #expect(mode.splicedRuns(7, bytes: 1).allSatisfy { !$0 })
        mode.beganCopying()
        #expect(!mode.isSplicing)
        #expect(mode.copiedRuns(3, bytes: self.large).allSatisfy { !$0 })
        mode.beganSplicing()
        #expect(mode.splicedRuns(7, bytes: 1).allSatisfy { !$0 })
    }

    @Test(
        "between the bounds is room, so that one size of message does not change the mode both ways"
    )
    func hysteresis() {
        #expect(self.small < self.large)
        #expect(TransferMode.smallMovesToCopy > TransferMode.largeReadsToSplice)
    }
}
