// What a store refuses whichever database keeps it, and a commit that is only tried.

internal import StraitCore

extension StoreCondition {
    /// Whether it holds for a row that was written last at `changed`; nil: that is not there.
    func holds(changed: UInt64?) -> Bool {
        switch self {
        case .absent: changed == nil
        case .present: changed != nil
        case .unchanged(_, let since): changed == since
        }
    }
}

/// What one commit may be.
enum StoreBounds {
    /// - Throws: ``StoreError/refused(_:)`` where it writes nothing, too much, or a row twice.
    static func check(
        _ writes: [StoreWrite], _ conditions: [StoreCondition]
    ) throws(StoreError) {
        guard (1...Limits.storeWritesMax).contains(writes.count),
            conditions.count <= Limits.storeWritesMax
        else {
            throw .refused(
                "\(writes.count) writes and \(conditions.count) conditions; expected 1 to "
                    + "\(Limits.storeWritesMax) and no more than that")
        }
        guard Set(writes.map(\.key)).count == writes.count else {
            throw .refused("a row is written twice in one commit")
        }
        for case .put(let key, let value) in writes where value.count > Limits.storeValueBytesMax {
            throw .refused(
                "\(key) has \(value.count) bytes; expected at most \(Limits.storeValueBytesMax)")
        }
    }
}

extension Store {
    /// What ``commit(_:if:)`` would come to now, as far as reading tells; writes nothing.
    ///
    /// - Parameters:
    ///   - writes: As it would have them.
    ///   - conditions: As it would have them.
    /// - Throws: ``StoreError``, as that.
    package func tryCommit(
        _ writes: [StoreWrite], if conditions: [StoreCondition]
    ) async throws(StoreError) {
        try StoreBounds.check(writes, conditions)
        for condition in conditions {
            let changed = try await self.row(condition.key)?.changed
            guard condition.holds(changed: changed) else {
                throw .conflict(condition.key, changed: changed)
            }
        }
    }
}
