// What a registry has, in the form in which `strait export` takes it out and `strait import` puts
// it into another: names, texts and numbers, and private keys as they lie there, sealed.

package import StraitConfig
internal import StraitStore

/// A certificate that was uploaded.
package struct MovedCertificate: Codable, Hashable, Sendable {
    /// What operators call it.
    package var name: String
    /// The certificate and its intermediates as PEM.
    package var chain: String
    /// Its private key, sealed for its row; base64.
    package var sealedKey: String
}

/// Authorities that were uploaded.
package struct MovedAuthorities: Codable, Hashable, Sendable {
    /// What operators and the document call them.
    package var name: String
    /// PEM.
    package var certificates: String
}

/// A tenant and what is its own beside its document.
///
/// What the installation's authority has issued is not in it: it is issued again. Neither is who
/// may administer it.
package struct MovedTenant: Sendable {
    /// As operators write it.
    package var document: TenantDocument
    /// What was uploaded.
    package var certificates: [MovedCertificate]
    /// What was uploaded.
    package var authorities: [MovedAuthorities]

    /// - Parameter json: A mapping with `document`; the other two may be left out.
    /// - Throws: Why it is none.
    package init(json: [UInt8]) throws(JSONProblem) {
        let all = try TenantDocument(json: json)
        guard let document = all.item("document") else {
            throw JSONProblem(line: 1, column: 1, expected: "document: a tenant")
        }
        self.document = document
        self.certificates = try Self.items("certificates", of: all)
        self.authorities = try Self.items("authorities", of: all)
    }

    private static func items<Item: Decodable>(
        _ key: String, of all: TenantDocument
    ) throws(JSONProblem) -> [Item] {
        guard let list = all.item(key) else { return [] }
        do {
            return try AnswerJSON.decode([Item].self, from: list.json)
        } catch {
            throw JSONProblem(
                line: 1, column: 1, expected: "\(key): a list as `strait export` writes it")
        }
    }
}

/// A port that is leased or in quarantine.
package struct MovedPort: Codable, Hashable, Sendable {
    /// In which region.
    package var region: String
    /// Which.
    package var port: UInt16
    /// Who has it, or had it.
    package var tenant: String
    /// What for.
    package var kind: String
    /// When its quarantine ends, RFC 3339; nil: it is leased.
    package var until: String?
}

/// A part of the list of ports.
package struct MovedPorts: Codable, Hashable, Sendable {
    /// Of all regions, in the order of their keys.
    package var ports: [MovedPort]
    /// The `after` of the next part, where there is one.
    package var next: String?

    /// See the properties.
    package init(ports: [MovedPort], next: String? = nil) {
        self.ports = ports
        self.next = next
    }
}

/// The installation's authority.
package struct MovedInstallation: Codable, Hashable, Sendable {
    /// Its certificate as PEM.
    package var certificate: String
    /// Its private key, sealed for its row; base64.
    package var sealedKey: String
}
