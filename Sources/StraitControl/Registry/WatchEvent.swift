// What is told of a commit to those who watch: which resource, whose, and whether it is still
// there; never what it says, so that no key can be in it. Pure.

internal import StraitConfig
package import StraitStore

/// One event of `GET /v1/watch`, as a server-sent event (WHATWG HTML, section 9.2).
package struct WatchEvent: Hashable, Sendable {
    /// What has become of a resource.
    package enum Action: String, Hashable, Sendable {
        case put, delete
    }

    /// `tenant`, `certificate`, `authority`, `name`, `port`.
    package var kind: String
    /// `tenant/acme`, `tenant/acme/certificate/main`, `name/acme.example.com`.
    package var resource: String
    /// Whose it is, or was; nil: nobody's, or not known any more.
    package var tenant: String?
    /// What has become of it.
    package var action: Action
    /// The commit's.
    package var revision: UInt64

    /// See the properties.
    package init(
        kind: String, resource: String, tenant: String?, action: Action, revision: UInt64
    ) {
        self.kind = kind
        self.resource = resource
        self.tenant = tenant
        self.action = action
        self.revision = revision
    }

    /// What a commit is to those who watch, in the order of its writes.
    ///
    /// Rows of the audit, and those that a newer program writes, are nothing.
    ///
    /// - Parameters:
    ///   - commit: One commit.
    ///   - tenant: Only what is this tenant's; nil: everything.
    /// - Returns: An event for each resource.
    package static func events(of commit: StoreCommit, tenant: String?) -> [WatchEvent] {
        // A row that is gone does not say whose it was: but names and ports go together with a
        // change of their tenant.
        let tenants = Set(commit.changes.compactMap { RegistryKey.tenant(of: $0.key) })
        let only = tenants.count == 1 ? tenants.first.map(String.init) : nil
        return commit.changes.compactMap { change in
            guard let event = Self(change, revision: commit.revision, only: only),
                tenant == nil || event.tenant == tenant
            else { return nil }
            return event
        }
    }

    private init?(_ change: StoreChange, revision: UInt64, only: String?) {
        let key = change.key.description
        let words = key.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let action: Action = change.value == nil ? .delete : .put
        func event(_ kind: String, _ resource: String, _ tenant: String?) -> WatchEvent {
            WatchEvent(
                kind: kind, resource: resource, tenant: tenant, action: action, revision: revision)
        }
        switch words.first {
        case "tenant" where words.count == 3:
            let tenant = String(words[1])
            let kind = words[2].split(separator: "/").first ?? ""
            switch kind {
            case "document": self = event("tenant", "tenant/\(tenant)", tenant)
            case "certificate", "authority": self = event(String(kind), key, tenant)
            default: return nil
            }
        case "name":
            let owner = change.value.map { String(decoding: $0, as: UTF8.self) }
            self = event("name", key, owner ?? only)
        case "port":
            self = event("port", key, change.value.flatMap(PortRow.init)?.tenant ?? only)
        case "authority": self = event("authority", key, nil)
        default: return nil
        }
    }
}

/// Words of the stream, beside events of resources.
package enum WatchText {
    /// Begins the stream: how long to wait before it is asked for anew, in milliseconds.
    package static let retry = "retry: 1000\n\n"

    /// A comment: somebody is there.
    ///
    /// With the revision to go on from, which is no event, so that who is told little need not
    /// begin far back.
    package static func quiet(at revision: UInt64) -> String { ":\nid: \(revision)\n\n" }

    /// The events of one commit.
    ///
    /// Only the last one has the `id`: who is cut off between them is told the whole commit again.
    package static func commit(_ events: [WatchEvent]) -> String {
        events.enumerated().map { index, event in
            Self.event(
                event.kind, id: index == events.count - 1 ? event.revision : nil,
                [
                    ("resource", JSONString.quoted(event.resource)),
                    ("tenant", event.tenant.map(JSONString.quoted) ?? "null"),
                    ("action", JSONString.quoted(event.action.rawValue)),
                    ("revision", "\(event.revision)"),
                ])
        }.joined()
    }

    /// Every worker obeys all up to a revision.
    package static func live(_ revision: UInt64, milliseconds: Double?) -> String {
        Self.event(
            "live", id: nil,
            [("revision", "\(revision)")]
                + (milliseconds.map { [("milliseconds", "\($0)")] } ?? []))
    }

    /// Commits are missing: whoever watches must list anew, and is told what comes after
    /// `revision`.
    package static func compacted(goingOnFrom revision: UInt64) -> String {
        Self.event("compacted", id: revision, [("revision", "\(revision)")])
    }

    /// The stream ends; ask for it anew.
    package static func ended(_ reason: String) -> String {
        Self.event("ended", id: nil, [("reason", JSONString.quoted(reason))])
    }

    /// JSON has no line feed of its own: `data` is one line.
    private static func event(
        _ kind: String, id: UInt64?, _ members: [(String, String)]
    ) -> String {
        let data = members.map { "\"\($0)\":\($1)" }.joined(separator: ",")
        return (id.map { "id: \($0)\n" } ?? "") + "event: \(kind)\ndata: {\(data)}\n\n"
    }
}
