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
/// | `tenant/T/administrator/F` | ``IdentityDocument``, JSON; F is a certificate's fingerprint |
/// | `operator/F` | the same of an operator |
/// | `authority/installation` | ``AuthorityDocument``, JSON; its key is sealed |
/// | `name/H` | the tenant that has the host name or wildcard H: a row each, so that it is one's |
/// | `region/R` | ``RegionRow``, JSON |
/// | `home/R` | the tenant that came to be at home in region R last |
/// | `router/R` | ``RouterRow``, JSON: the router says every 30 s that it is there |
/// | `renamed/T` | ``RenamedRow``, JSON: what the tenant is called that was called T |
/// | `port/R/P` | ``PortRow``, JSON: who has port P in region R |
/// | `audit/A` | ``AuditEntry``, JSON; A rises with time |
/// | `audited/T/A` | `audit`: that entry tells of tenant T, or of what is its own |
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

    /// Before the rows of operators, or of a tenant's administrators.
    static func identities(of tenant: String?) -> String {
        tenant.map { Self.tenant($0) + "administrator/" } ?? "operator/"
    }

    static func identity(
        _ fingerprint: String, of tenant: String?
    ) throws(StoreError) -> RowKey {
        try RowKey(self.identities(of: tenant) + fingerprint)
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
        try RowKey(self.installationAuthorityText)
    }

    /// The same as text.
    static let installationAuthorityText = "authority/installation"

    /// `host` may begin with `*.`.
    static func name(_ host: String) throws(StoreError) -> RowKey { try RowKey(self.names + host) }

    /// Before the rows that find what tells of a tenant.
    static func audited(_ tenant: String) -> String { "audited/\(tenant)/" }

    static func audited(_ tenant: String, _ id: String) throws(StoreError) -> RowKey {
        try RowKey(self.audited(tenant) + id)
    }

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

/// What a row says, as JSON.
protocol RegistryRow: Decodable {}

extension RegistryRow {
    /// Nil for what a newer program wrote, or somebody by hand: whoever reads many leaves it out.
    init?(_ value: [UInt8]) {
        // Who reads it says so, with the key.
        guard let row = try? AnswerJSON.decode(Self.self, from: value) else { return nil }
        self = row
    }
}
