// The id that everybody quotes.

import StraitCore
import Testing

@Suite("ConnectionID") struct ConnectionIDTests {
    @Test(
        "an id is read as it was written",
        arguments: [0, 1, 31, 32, .max, .max - 1, 1 << 63, 0x0123_4567_89AB_CDEF] as [UInt64])
    func roundTrip(rawValue: UInt64) {
        let id = ConnectionID(rawValue: rawValue)
        #expect(ConnectionID(id.description) == id)
        #expect(id.description.utf8.count == ConnectionID.textBytes)
        #expect(Array(id.description.utf8) == id.textBytes)
    }

    @Test("the worker is kept, and a number that is too long does not change it")
    func worker() {
        #expect(ConnectionID(worker: 200, number: 5).worker == 200)
        #expect(ConnectionID(worker: 1, number: .max).worker == 1)
        #expect(ConnectionID(worker: 1, number: 1 << 56) == ConnectionID(worker: 1, number: 0))
        #expect(ConnectionID(worker: 0, number: 0).description == "c-0000000000000")
        #expect(ConnectionID(rawValue: .max).description == "c-fzzzzzzzzzzzz")
    }

    @Test(
        "every other spelling is refused",
        arguments: [
            "", "c-", "0000000000000", "c-000000000000", "c-00000000000000", "C-0000000000000",
            "c_0000000000000",
            "c-000000000000i", "c-000000000000l", "c-000000000000o", "c-000000000000u",
            "c-000000000000A", "c-g000000000000",
            "c-zzzzzzzzzzzzz", "c-000000000000 ", " c-0000000000000", "c-00000000000\u{E9}",
        ])
    func refused(text: String) {
        #expect(ConnectionID(text) == nil)
    }
}
