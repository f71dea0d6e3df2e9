// The keys of an alias: a name that a tenant had, and until when it leads to it.

package import StraitCore

extension Configuration {
    /// A name that leads to a tenant as its domains do, for a while.
    package struct Alias: Sendable, Equatable {
        /// Beside the domains; names of services lie beneath it, too.
        package var name: Located<HostName>
        /// Seconds since 1970, from which on it leads nowhere; nil: it stays.
        package var until: UInt64?

        /// See the properties.
        package init(name: Located<HostName>, until: UInt64?) {
            self.name = name
            self.until = until
        }

        /// Whether its time is over.
        package func hasEnded(at now: UInt64) -> Bool { self.until.map { $0 <= now } ?? false }
    }
}

extension Configuration.Tenant {
    /// Its domains, then its aliases, whether their time is over or not.
    package var ownNames: [HostName] {
        self.domains.map(\.value) + self.aliases.map(\.name.value)
    }

    /// Its domains, then the aliases that lead to it at `now`, in seconds since 1970.
    package func ownNames(at now: UInt64) -> [HostName] {
        self.domains.map(\.value)
            + self.aliases.filter { !$0.hasEnded(at: now) }.map(\.name.value)
    }
}

extension Keys {
    /// Aliases of a tenant.
    static let aliasesMax = 16

    static let alias: [Key] = [
        Key(
            "name", .hostName, isRequired: true, example: "old.example.com",
            "A name that the tenant had; its services are SERVICE.NAME, too."),
        Key(
            "until", .time, note: "it stays", example: "\"2027-01-31T00:00:00Z\"",
            "When it ends by itself (RFC 3339, UTC)."),
    ]
}

extension Section {
    /// The alias that this section describes; nil where it was reported.
    func alias() -> Configuration.Alias? {
        let until = self.time("until")
        guard let text = self.text("name"),
            let name = self.hostName(.init(value: text, place: self.place(of: "name")))
        else { return nil }
        return Configuration.Alias(
            name: .init(value: name, place: self.place(of: "name")), until: until)
    }

    /// Seconds since 1970; nil where it is absent or reported.
    private func time(_ key: String) -> UInt64? {
        guard let text = self.text(key) else { return nil }
        if let seconds = TimeText.parse(text) { return seconds }
        self.report(
            .wrongType, key, found: ReadingContext.quoted(text),
            expected: KeyType.time.expectation, remedy: "write it like 2027-01-31T00:00:00Z")
        return nil
    }
}
