// How rows of the registry are called. All that is one tenant's lies together.

internal import StraitConfig
internal import StraitStore

/// Keys of the registry's rows.
///
/// | key | value |
/// |---|---|
/// | `tenant/T/document` | ``TenantDocument``, JSON |
/// | `tenant/T/authority/N` | PEM of authorities |
/// | `tenant/T/certificate/N` | ``CertificateDocument``, JSON; its key is sealed |
/// | `authority/installation` | ``AuthorityDocument``, JSON; its key is sealed |
/// | `name/H` | the tenant that has the host name or wildcard H: a row each, so that it is one's |
/// | `audit/A` | ``AuditEntry``, JSON; A rises with time |
enum RegistryKey {
    /// Before all rows of tenants.
    static let tenants = "tenant/"
    /// Before all rows of host names.
    static let names = "name/"
    /// Before all rows of changes.
    static let audits = "audit/"

    /// Before all rows of one tenant.
    static func tenant(_ name: String) -> String { "\(self.tenants)\(name)/" }

    static func document(_ tenant: String) throws(StoreError) -> RowKey {
        try RowKey(self.tenant(tenant) + "document")
    }

    static func authority(_ name: String, of tenant: String) throws(StoreError) -> RowKey {
        try RowKey(RegisteredFile.authority(name, of: tenant))
    }

    static func certificate(_ name: String, of tenant: String) throws(StoreError) -> RowKey {
        try RowKey(self.tenant(tenant) + "certificate/" + name)
    }

    /// The name of a certificate; nil where the row is none of this tenant's.
    static func certificate(of key: RowKey, tenant: String) -> String? {
        Self.name(of: key, behind: self.tenant(tenant) + "certificate/")
    }

    /// The name of authorities; nil where the row is none of this tenant's.
    static func authority(of key: RowKey, tenant: String) -> String? {
        Self.name(of: key, behind: self.tenant(tenant) + "authority/")
    }

    private static func name(of key: RowKey, behind prefix: String) -> String? {
        guard key.description.hasPrefix(prefix) else { return nil }
        return String(Substring(key.description.utf8.dropFirst(prefix.utf8.count)))
    }

    static func installationAuthority() throws(StoreError) -> RowKey {
        try RowKey("authority/installation")
    }

    /// `host` may begin with `*.`.
    static func name(_ host: String) throws(StoreError) -> RowKey { try RowKey(self.names + host) }

    static func audit(_ id: String) throws(StoreError) -> RowKey {
        try RowKey(self.audits + id)
    }

    /// Whose row it is; nil where it is no tenant's.
    static func tenant(of key: RowKey) -> Substring? {
        guard key.description.hasPrefix(self.tenants) else { return nil }
        let rest = key.description.dropFirst(self.tenants.count)
        return rest.firstIndex(of: "/").map { rest[..<$0] }
    }
}
