// Whose names are looked up when.

import StraitCore
import StraitState
import Testing

@Suite("NameSchedule") struct NameScheduleTests {
    private let start = Instant(nanoseconds: 1_000_000_000)

    private func name(_ text: String) throws -> HostName { try #require(HostName(text)) }

    private func names(_ prefix: String, _ count: Int) -> Set<HostName> {
        Set((0..<count).compactMap { HostName("\(prefix)-\($0).internal") })
    }

    private func answer(_ name: HostName, _ schedule: inout NameSchedule) -> Bool {
        schedule.answered(
            name, ipv4: .addresses([IPAddress(v4: 1)], lifetimeSeconds: 3600), ipv6: .none,
            at: self.start) != nil
    }

    @Test("one name of an owner at a time; owners take turns")
    func turns() throws {
        var schedule = NameSchedule()
        _ = schedule.watchToo(self.names("a", 64), of: "acme", at: self.start)
        _ = schedule.watchToo(self.names("b", 2), of: "beta", at: self.start)
        let firstName = schedule.next(at: self.start)
        let first = try #require(firstName)
        let secondName = schedule.next(at: self.start)
        let second = try #require(secondName)
        #expect(Set([first, second].map { $0.description.first }) == ["a", "b"])
        #expect(schedule.next(at: self.start) == nil && schedule.nextTime != nil)
        for name in [first, second] {
            let isWanted = self.answer(name, &schedule)
            #expect(isWanted)
        }
        let thirdName = schedule.next(at: self.start)
        let third = try #require(thirdName)
        #expect(third.description.first == first.description.first)
    }

    @Test("no more than a few at once, of however many owners")
    func bound() {
        var schedule = NameSchedule()
        for owner in 0..<20 {
            _ = schedule.watchToo(self.names("o\(owner)", 3), of: "\(owner)", at: self.start)
        }
        var asked = 0
        while schedule.next(at: self.start) != nil { asked += 1 }
        #expect(asked == Limits.nameLookUpsAtOnce && schedule.nextTime == nil)
    }

    @Test("what an owner tries replaces what it tried; what is watched stays")
    func trials() throws {
        var schedule = NameSchedule()
        let kept = try self.name("kept.internal")
        _ = schedule.watch([kept], at: self.start)
        #expect(schedule.watchToo(self.names("a", 64), of: "acme", at: self.start).isEmpty)
        let gone = schedule.watchToo(self.names("b", 64), of: "acme", at: self.start)
        #expect(gone == self.names("a", 64))
        _ = schedule.watchToo([kept], of: "acme", at: self.start)
        #expect(schedule.count == 1)
        // Others' changes do not end a trial.
        _ = schedule.watchToo(self.names("c", 1), of: "acme", at: self.start)
        #expect(schedule.watch([kept], at: self.start).isEmpty && schedule.count == 2)
    }

    @Test("a trial ends by itself, and an answer that nobody wants any more is none")
    func ends() throws {
        var schedule = NameSchedule()
        let tried = try self.name("tried.internal")
        _ = schedule.watchToo([tried], of: "acme", at: self.start)
        #expect(schedule.next(at: self.start) == tried)
        let end = self.start.advanced(byNanoseconds: Limits.nameTrial.nanoseconds)
        #expect(schedule.dropEnded(at: self.start).isEmpty)
        #expect(schedule.dropEnded(at: end) == [tried])
        let isWanted = self.answer(tried, &schedule)
        #expect(!isWanted && schedule.count == 0)
    }

    @Test("whoever asks for a name that another has put behind slow ones has it in its own turn")
    func newOwner() throws {
        var schedule = NameSchedule()
        let wanted = try self.name("zz.internal")
        _ = schedule.watchToo(
            self.names("a", 63).union([wanted]), of: "acme", at: self.start)
        let firstName = schedule.next(at: self.start)
        let first = try #require(firstName)
        guard first != wanted else { return }
        _ = schedule.watchToo([wanted], of: "beta", at: self.start)
        #expect(schedule.next(at: self.start) == wanted)
    }
}
