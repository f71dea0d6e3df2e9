// Audit rows: how they are written, read and forgotten. A tenant's are found by rows of its own, so
// that its administrators page through them and see nothing of others, not even that there are any.

internal import StraitCore
internal import StraitPosix
package import StraitStore
internal import Synchronization

extension Registry {
    /// The rows that tell of a change.
    ///
    /// - Parameter entry: What is to be told; what is too long of it is cut.
    /// - Returns: What it says, and for its tenant where to find it.
    /// - Throws: ``StoreError``.
    static func auditWrites(_ entry: AuditEntry) throws(StoreError) -> [StoreWrite] {
        var writes = [StoreWrite.put(try RegistryKey.audit(entry.id), try entry.json())]
        if let tenant = entry.tenant {
            writes.append(
                .put(try RegistryKey.audited(tenant, entry.id), Array("audit".utf8)))
        }
        return writes
    }

    /// Changes, the newest last, behind the one with that id; of `tenant` alone, since it has its
    /// name, where one is given.
    ///
    /// - Returns: At most `limit`, and the id of the last one where there are more behind it.
    package func audit(
        after id: String?, limit: Int, of tenant: String? = nil
    ) async throws(StoreError) -> (entries: [AuditEntry], next: String?) {
        if let tenant { return try await self.audit(after: id, limit: limit, ofAlone: tenant) }
        let page = try await self.store.page(
            prefix: RegistryKey.audits,
            after: try id.map { id throws(StoreError) in try RegistryKey.audit(id) }, limit: limit)
        return (
            page.rows.compactMap { AuditEntry($0.value) }, page.next(behind: RegistryKey.audits)
        )
    }

    private func audit(
        after id: String?, limit: Int, ofAlone tenant: String
    ) async throws(StoreError) -> (entries: [AuditEntry], next: String?) {
        guard let since = try await self.store.row(try RegistryKey.document(tenant))?.created else {
            return ([], nil)
        }
        let prefix = RegistryKey.audited(tenant)
        var last = try id.map { id throws(StoreError) in try RegistryKey.audited(tenant, id) }
        while true {
            let page = try await self.store.page(prefix: prefix, after: last, limit: limit)
            last = page.rows.last?.key
            var entries: [AuditEntry] = []
            for row in page.rows where row.created >= since {
                let key = try RegistryKey.audit(String(row.key.description.dropFirst(prefix.count)))
                if let entry = try await self.store.row(key).flatMap({ AuditEntry($0.value) }) {
                    entries.append(entry)
                }
            }
            let next = page.next(behind: prefix)
            // A page of one that had the name before says nothing.
            if !entries.isEmpty || next == nil { return (entries, next) }
        }
    }

    // MARK: Forgetting

    /// How many audit rows there are.
    func auditCount() async throws(StoreError) -> Int {
        let count = Mutex(0)
        _ = try await self.store.load(prefix: RegistryKey.audits) { _ in
            count.withLock { $0 += 1 }
        }
        return count.withLock { $0 }
    }

    /// Forgets some of the oldest audit rows.
    ///
    /// - Parameters:
    ///   - excess: How many there are too many.
    ///   - time: Those that are older go in any case; nanoseconds since 1970.
    /// - Returns: How many went, at most ``Limits/auditForgottenAtOnce``.
    /// - Throws: ``StoreError``.
    package func forgetAudits(excess: Int, before time: UInt64) async throws(StoreError) -> Int {
        let page = try await self.store.page(
            prefix: RegistryKey.audits, after: nil, limit: Limits.auditForgottenAtOnce)
        let going = page.rows.enumerated().filter { index, row in
            index < excess || row.auditTime < time
        }.map(\.element)
        guard !going.isEmpty else { return 0 }
        var writes = going.map { StoreWrite.delete($0.key) }
        for row in going {
            guard let entry = AuditEntry(row.value), let tenant = entry.tenant else { continue }
            writes.append(.delete(try RegistryKey.audited(tenant, entry.id)))
        }
        _ = try await self.store.commit(writes, if: [])
        return going.count
    }
}

extension StoredRow {
    /// When an audit row was written, nanoseconds since 1970; never, where its key does not say.
    fileprivate var auditTime: UInt64 {
        let id = self.key.description.dropFirst(RegistryKey.audits.count)
        return UInt64(id.prefix { $0 != "-" }) ?? .max
    }
}

extension AuditEntry {
    /// Whose it is to read; nil: the operators' alone.
    fileprivate var tenant: String? {
        let words = self.resource.split(separator: "/", maxSplits: 2)
        return words.count > 1 && words[0] == "tenant" ? String(words[1]) : nil
    }

    /// As a row has it: no longer than that may be.
    fileprivate func json() throws(StoreError) -> [UInt8] {
        var entry = self
        for quote in [\AuditEntry.before, \.after] {
            guard let text = self[keyPath: quote], text.utf8.count > Limits.auditQuoteBytesMax
            else { continue }
            let bytes = text.utf8.prefix(Limits.auditQuoteBytesMax)
            entry[keyPath: quote] = String(decoding: bytes, as: UTF8.self)
            entry.isCut = true
        }
        do {
            let json = try AnswerJSON.encode(entry)
            guard json.count > Limits.storeValueBytesMax else { return json }
            // Of characters that are escaped by many.
            (entry.before, entry.after, entry.isCut) = (nil, nil, true)
            return try AnswerJSON.encode(entry)
        } catch {
            throw .refused("\(error)")
        }
    }
}
