// All rows of one tenant, and what they come to.

package import StraitConfig
internal import StraitSnapshot
package import StraitStore

/// All that a registry has of one tenant.
package struct RegisteredTenant: Sendable {
    /// As operators write it.
    package let name: String
    /// The row of its document, where there is one.
    package private(set) var document: StoredRow?
    /// Its other rows, in the order of their keys.
    private(set) var rows: [StoredRow] = []
    /// Open what is sealed in the rows; nil where nobody needs to.
    let keys: RegistryKeys?

    /// A tenant of which nothing is known yet.
    package init(name: String) { self.init(name: name, keys: nil) }

    init(name: String, keys: RegistryKeys?) {
        self.name = name
        self.keys = keys
    }

    /// Takes one of the tenant's rows.
    package mutating func take(_ row: StoredRow) {
        // A certificate may be called so, too: its row has a longer name.
        let ending = "/document"
        if row.key.description.utf8.count == "tenant/".count + self.name.utf8.count + ending.count,
            row.key.description.hasSuffix(ending)
        {
            self.document = row
        } else {
            self.rows.append(row)
        }
    }

    /// The tenant with `document` instead of its own.
    func with(_ document: TenantDocument) throws(StoreError) -> RegisteredTenant {
        var changed = self
        changed.document = StoredRow(
            key: try RegistryKey.document(self.name), value: document.json,
            created: self.document?.created ?? 0, changed: 0)
        return changed
    }

    /// The tenant with other rows beside its document.
    func with(_ writes: [StoreWrite]) -> RegisteredTenant {
        var changed = self
        for write in writes {
            let index = changed.rows.firstIndex { $0.key == write.key }
            switch (write, index) {
            case (.put(_, let value), let index?): changed.rows[index].value = value
            case (.put(let key, let value), nil):
                changed.rows.append(StoredRow(key: key, value: value, created: 0, changed: 0))
                changed.rows.sort { $0.key < $1.key }
            case (.delete, let index?): changed.rows.remove(at: index)
            case (.delete, nil): break
            }
        }
        return changed
    }

    // MARK: Reading

    /// The tenant as a file would have it.
    ///
    /// - Parameter process: The configuration of this router.
    /// - Returns: The tenant, unless something is wrong with it.
    package func read(process: Configuration) -> RegisteredReading {
        guard let document else { return .init(tenant: nil, problems: []) }
        let (certificates, problems) = self.certificates()
        do throws(JSONProblem) {
            var reading = try TenantDocument(json: document.value).tenant(
                named: self.name, certificates: certificates.map(\.name), process: process)
            reading.tenant?.incarnation = document.created
            return RegisteredReading(
                tenant: problems.isEmpty ? reading.tenant : nil,
                problems: reading.problems + problems, certificates: certificates)
        } catch {
            return .init(tenant: nil, problems: [error.problem(of: self.name)] + problems)
        }
    }

    /// What was uploaded first, then what the installation's authority has issued: of two that
    /// carry a name, the first is shown.
    private func certificates() -> ([RegisteredCertificate], [ConfigurationProblem]) {
        var uploaded: [RegisteredCertificate] = []
        var issued: [RegisteredCertificate] = []
        var problems: [ConfigurationProblem] = []
        for row in self.rows {
            guard let name = RegistryKey.certificate(of: row.key, tenant: self.name) else {
                continue
            }
            do throws(JSONProblem) {
                let document = try CertificateDocument(json: row.value)
                let stored = self.keys.flatMap {
                    StoredCertificate(document, row: row.key.description, keys: $0)
                }
                guard let stored else {
                    throw JSONProblem(line: 1, column: 1, expected: "chain: certificates as PEM")
                }
                let certificate = RegisteredCertificate(
                    name: name, row: row, document: document, stored: stored)
                switch certificate.document.source {
                case .upload: uploaded.append(certificate)
                case .installation: issued.append(certificate)
                }
            } catch {
                problems.append(error.problem(ofRow: row.key))
            }
        }
        return (uploaded + issued, problems)
    }

    /// Lets go of what ``read(process:)`` has read; files that are no certificates stay.
    mutating func forgetRead() {
        self.document?.value = []
        self.rows.removeAll { RegistryKey.certificate(of: $0.key, tenant: self.name) != nil }
    }

    /// What the tenant names as a file: an authority, or one half of a certificate.
    ///
    /// - Throws: ``FileError`` where there is none, or a key cannot be opened; never with a part of
    ///   the key.
    func content(ofFile path: String) throws -> [UInt8] {
        if let row = self.rows.first(where: { $0.key.description == path }) { return row.value }
        for (ending, isKey) in [("/chain", false), ("/key", true)] where path.hasSuffix(ending) {
            let key = path.dropLast(ending.count)
            guard let row = self.rows.first(where: { $0.key.description == key }), let keys else {
                continue
            }
            let document: CertificateDocument
            do throws(JSONProblem) {
                document = try CertificateDocument(json: row.value)
            } catch {
                throw FileError(description: "the row is no certificate")
            }
            guard isKey else { return document.chainPEM }
            do throws(CertificateNotOpened) {
                return try keys.openedPEM(document.sealedKey, row: row.key.description)
            } catch {
                throw FileError(description: error.reason)
            }
        }
        throw FileError(description: "the registry has no such row")
    }
}

extension RegisteredTenant {
    /// Reads what these tenants name as files.
    static func load(
        from tenants: [RegisteredTenant]
    ) -> @Sendable (String) throws -> [UInt8] {
        let known = Dictionary(tenants.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
        return { path in
            let name = path.split(separator: "/", maxSplits: 2).dropFirst().first.map(String.init)
            guard let tenant = name.flatMap({ known[$0] }) else {
                throw FileError(description: "the registry has no such row")
            }
            return try tenant.content(ofFile: path)
        }
    }
}

/// A certificate of a tenant.
struct RegisteredCertificate: Sendable {
    /// What operators call it.
    let name: String
    /// Where it lies.
    let row: StoredRow
    let document: CertificateDocument
    /// For the compiler.
    let stored: StoredCertificate
}

/// What a tenant's rows come to.
package struct RegisteredReading: Sendable {
    /// Nil exactly when a problem is an error.
    package var tenant: Configuration.Tenant?
    /// All problems.
    package var problems: [ConfigurationProblem]
    /// Those that are good.
    var certificates: [RegisteredCertificate] = []

    /// For the compiler, by the paths of their chains.
    func stored(of tenant: String) -> [String: StoredCertificate] {
        var stored: [String: StoredCertificate] = [:]
        for certificate in self.certificates {
            stored[RegisteredFile.chain(certificate.name, of: tenant)] = certificate.stored
        }
        return stored
    }
}

extension JSONProblem {
    /// In the words of all problems.
    package func problem(of tenant: String) -> ConfigurationProblem {
        self.problem(file: "tenant/\(tenant)")
    }

    /// The same of a row that a program has written.
    func problem(ofRow key: RowKey) -> ConfigurationProblem {
        self.problem(file: key.description)
    }

    private func problem(file: String) -> ConfigurationProblem {
        ConfigurationProblem(
            .syntax, file: file,
            place: SourcePlace(line: self.line, column: self.column, path: ""),
            found: "what is no JSON", expected: self.expected, remedy: "write it as JSON, RFC 8259")
    }
}

extension RegisteredTenant {
    /// The row of that name beside the document.
    func row(_ key: RowKey) -> StoredRow? { self.rows.first { $0.key == key } }

    /// What was uploaded, by the names that operators gave it.
    var certificateNames: [String] {
        self.rows.compactMap { RegistryKey.certificate(of: $0.key, tenant: self.name) }
            .filter { !$0.hasPrefix(CertificateNeeds.issuedPrefix) }
    }

    /// Its authorities, by name.
    var authorityNames: [String] {
        self.rows.compactMap { RegistryKey.authority(of: $0.key, tenant: self.name) }
    }
}
