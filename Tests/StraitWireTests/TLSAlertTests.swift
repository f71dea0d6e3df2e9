// Alerts as they go out.

import StraitWire
import Testing

@Suite("TLSAlert") struct TLSAlertTests {
    @Test("an alert is one whole record in plain text, fatal")
    func record() {
        #expect(
            TLSAlert.unrecognizedName.plaintextRecord(legacyRecordVersion: 0x0301) == [
                21, 3, 1, 0, 2, 2, 112,
            ])
        #expect(TLSAlert.noApplicationProtocol.plaintextRecord() == [21, 3, 3, 0, 2, 2, 120])
    }

    @Test("close_notify is a warning")
    func closeNotify() {
        #expect(TLSAlert.closeNotify.plaintextRecord() == [21, 3, 3, 0, 2, 1, 0])
    }

    @Test("every alert has a name of its own in lower case")
    func names() {
        let names = TLSAlert.allCases.map(\.name)
        #expect(Set(names).count == TLSAlert.allCases.count)
        #expect(names.allSatisfy { $0 == $0.lowercased() && !$0.contains(" ") })
        #expect(TLSAlert(rawValue: 70) == .protocolVersion)
        #expect(TLSAlert(rawValue: 1) == nil)
    }
}
