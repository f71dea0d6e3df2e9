// Who changed what: one row for each change of the registry, in the same commit.

/// One change.
package struct AuditEntry: RegistryRow, Codable, Hashable, Sendable {
    /// Rises with time; the name of its row.
    package var id: String
    /// RFC 3339.
    package var time: String
    /// Who asked for it: `uid 0` on the operators' socket.
    package var actor: String
    /// `create`, `change`, `delete`, `rename`; of what `strait` does by itself also `issue`,
    /// `seal` and `lease`.
    package var action: String
    /// `tenant/acme`.
    package var resource: String
    /// The document before, as JSON; nil where it came.
    package var before: String?
    /// The document since, as JSON; nil where it went.
    package var after: String?
    /// Whether `before` or `after` is but the beginning, or left out, as all of it would be too
    /// long; nil: neither.
    package var isCut: Bool?

    /// See the properties.
    package init(
        id: String, time: String, actor: String, action: String, resource: String,
        before: String?, after: String?
    ) {
        self.id = id
        self.time = time
        self.actor = actor
        self.action = action
        self.resource = resource
        self.before = before
        self.after = after
    }
}

extension AuditEntry {
    /// Whether it tells of that tenant, or of what is its own; nil: whatever it tells of.
    package func concerns(_ tenant: String?) -> Bool {
        guard let tenant else { return true }
        return self.resource == "tenant/\(tenant)" || self.resource.hasPrefix("tenant/\(tenant)/")
    }
}
