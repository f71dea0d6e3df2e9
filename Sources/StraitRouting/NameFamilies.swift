// What lies beneath a name: targets by the name that they share an ending with.

/// Members by name; shares with its older versions what did not change.
struct NameFamilies: Sendable {
    /// Names to numbers in `members`.
    private var names: NameTable
    private var members = SlotTable<[NameTarget]>()

    /// How many names something lies beneath.
    var count: Int { self.names.count }

    init(seed: UInt64) { self.names = NameTable(seed: seed) }

    /// What lies beneath the name that is `name` without its first `start` bytes.
    func members(beneath name: Span<UInt8>, from start: Int = 0) -> [NameTarget] {
        guard let number = self.names.value(of: name, from: start) else { return [] }
        return self.members[Int(number)]
    }

    mutating func add(_ target: NameTarget, beneath name: ArraySlice<UInt8>) {
        if let number = self.names.value(of: name.span) {
            self.members.change(Int(number)) { $0.append(target) }
        } else {
            _ = self.names.insert(name, UInt32(self.members.add([target])))
        }
    }

    /// Takes one out that was added.
    mutating func remove(_ target: NameTarget, beneath name: ArraySlice<UInt8>) {
        guard let raw = self.names.value(of: name.span) else {
            preconditionFailure("only what was added is taken out")
        }
        let number = Int(raw)
        self.members.change(number) { family in
            // The newest go first, most often.
            guard let index = family.lastIndex(of: target) else { return }
            family.remove(at: index)
        }
        guard self.members[number].isEmpty else { return }
        self.members.remove(number)
        _ = self.names.remove(name)
    }
}
