// What a tenant of a registry names where a tenant of a file names files.

/// Paths of what a registry has for its tenants; none is another's.
package enum RegisteredFile {
    /// Whether text can be the name of a certificate or of authorities.
    package static func isName(_ text: String) -> Bool { Section.isName(text) }
    /// PEM of authorities.
    package static func authority(_ name: String, of tenant: String) -> String {
        "tenant/\(tenant)/authority/\(name)"
    }
    /// The certificate and its intermediates.
    package static func chain(_ name: String, of tenant: String) -> String {
        "tenant/\(tenant)/certificate/\(name)/chain"
    }
    /// The private key of a certificate.
    package static func key(_ name: String, of tenant: String) -> String {
        "tenant/\(tenant)/certificate/\(name)/key"
    }
}

extension Keys {
    /// The keys of a tenant in a registry: its certificates stand by themselves, and files are
    /// names.
    static let registeredTenant =
        Self.registered(Self.tenant).filter { $0.name != "certificates" } + [
            Self.registeredPorts, Self.homeRegion,
        ]

    private static func registered(_ keys: [Key]) -> [Key] {
        keys.compactMap { key in
            switch key.type {
            // The key of a certificate comes with it.
            case .file where key.name == "key": nil
            case .file: key.with(.registeredName)
            case .fileOr(let words): key.with(.registeredNameOr(words))
            case .list(of: .file, let range): key.with(.list(of: .registeredName, range))
            case .section(let inner): key.with(.section(Self.registered(inner)))
            case .sections(let inner, let range):
                key.with(.sections(Self.registered(inner), range))
            default: key
            }
        }
    }
}
