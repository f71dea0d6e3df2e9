// Which name of an upstream is looked up next. Owners take turns: whose names are slow, or many,
// waits for itself.

package import StraitCore

/// Names with their owners and times; no look-up, no clock.
package struct NameSchedule: Sendable {
    private struct Entry: Sendable {
        var machine: NameMachine
        /// Who waits for it: at most one name of an owner is looked up at a time.
        var owner: String
        var isWatched = false
        /// Until then it is kept, though nobody watches it.
        var trialEnd: Instant

        func isWanted(at now: Instant) -> Bool { self.isWatched || self.trialEnd > now }
    }

    /// What an answer came to.
    package struct Outcome: Sendable {
        /// The name, with the answer in it.
        package var machine: NameMachine
        /// How many questions in a row had failed.
        package var failuresBefore: Int
        /// Whether it leads elsewhere.
        package var hasChanged: Bool
    }

    private var entries: [HostName: Entry] = [:]
    /// Owners whose names are looked up now, by name: it may change hands meanwhile.
    private var asked: [HostName: String] = [:]
    /// Owners in the order of their last turns; who had none comes first.
    private var lastTurns: [String: UInt64] = [:]
    private var turns: UInt64 = 0
    /// What each owner tried last.
    private var trials: [String: Set<HostName>] = [:]

    /// Nothing is looked up.
    package init() {}

    /// How many names there are.
    package var count: Int { self.entries.count }

    // MARK: What is wanted

    /// These names are wanted from now on; others only while they are tried.
    ///
    /// - Returns: Names that are forgotten.
    package mutating func watch(_ names: Set<HostName>, at now: Instant) -> Set<HostName> {
        for name in self.entries.keys where !names.contains(name) {
            self.entries[name]?.isWatched = false
        }
        for name in names {
            self.entries[name, default: Self.entry(of: "", at: now)].isWatched = true
        }
        let gone = self.entries.filter { !$1.isWanted(at: now) }
        self.forgetOwners()
        return self.drop(gone.keys)
    }

    /// These names are wanted, too, for a while; what else their owner tries is not any more.
    ///
    /// - Returns: Names that are forgotten.
    package mutating func watchToo(
        _ names: Set<HostName>, of owner: String, at now: Instant
    ) -> Set<HostName> {
        let gone = self.trials[owner, default: []].subtracting(names).filter { name in
            self.entries[name].map { !$0.isWatched && $0.owner == owner } ?? false
        }
        let end = now.advanced(byNanoseconds: Limits.nameTrial.nanoseconds)
        for name in names {
            var entry = self.entries[name] ?? Self.entry(of: owner, at: now)
            // Whoever asked for it first may have put others before it.
            if !entry.machine.isAnswered { entry.owner = owner }
            entry.trialEnd = end
            self.entries[name] = entry
        }
        self.trials[owner] = names
        return self.drop(gone)
    }

    /// Names are dropped that nobody watches, and whose trial has ended.
    package mutating func dropEnded(at now: Instant) -> Set<HostName> {
        let gone = self.entries.filter { !$1.isWanted(at: now) }
        return self.drop(gone.keys)
    }

    private static func entry(of owner: String, at now: Instant) -> Entry {
        Entry(machine: NameMachine(at: now), owner: owner, trialEnd: now)
    }

    /// Owners without names are forgotten, now and then.
    private mutating func forgetOwners() {
        guard self.lastTurns.count + self.trials.count > 4 * self.entries.count + 64 else { return }
        let owners = Set(self.entries.values.map(\.owner))
        self.lastTurns = self.lastTurns.filter { owners.contains($0.key) }
        self.trials = self.trials.filter { owners.contains($0.key) }
    }

    private mutating func drop(_ names: some Sequence<HostName>) -> Set<HostName> {
        let names = Set(names)
        for name in names { self.entries[name] = nil }
        return names
    }

    // MARK: Turns

    /// The name to look up now, which counts as asked from here on; nil: none, or enough are.
    package mutating func next(at now: Instant) -> HostName? {
        guard self.asked.count < Limits.nameLookUpsAtOnce else { return nil }
        let busy = Set(self.asked.values)
        var next: (name: HostName, owner: String, turn: UInt64, time: Instant)?
        for (name, entry) in self.entries
        where self.asked[name] == nil && entry.machine.nextQuestion <= now
            && !busy.contains(entry.owner)
        {
            let turn = self.lastTurns[entry.owner] ?? 0
            let time = entry.machine.nextQuestion
            if let next, (next.turn, next.time) <= (turn, time) { continue }
            next = (name, entry.owner, turn, time)
        }
        guard let next else { return nil }
        self.turns += 1
        self.lastTurns[next.owner] = self.turns
        self.asked[next.name] = next.owner
        return next.name
    }

    /// When something is to be done next; nil: when somebody wants something.
    package var nextTime: Instant? {
        // With as many under way as may be, an answer comes first.
        guard self.asked.count < Limits.nameLookUpsAtOnce else { return nil }
        let busy = Set(self.asked.values)
        let questions = self.entries.lazy.filter { name, entry in
            self.asked[name] == nil && !busy.contains(entry.owner)
        }.map(\.value.machine.nextQuestion)
        let ends = self.entries.values.lazy.filter { !$0.isWatched }.map(\.trialEnd)
        return [questions.min(), ends.min()].compactMap(\.self).min()
    }

    /// A look-up has ended; nil where nobody wants the name any more.
    package mutating func answered(
        _ name: HostName, ipv4: NameMachine.Answer, ipv6: NameMachine.Answer, at now: Instant
    ) -> Outcome? {
        self.asked[name] = nil
        guard var entry = self.entries[name] else { return nil }
        let failures = entry.machine.failures
        let hasChanged = entry.machine.answered(ipv4: ipv4, ipv6: ipv6, at: now)
        self.entries[name] = entry
        return Outcome(
            machine: entry.machine, failuresBefore: failures, hasChanged: hasChanged)
    }
}
