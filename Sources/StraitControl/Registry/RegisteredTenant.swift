// All rows of one tenant, and what they come to.

package import StraitConfig
package import StraitStore

/// All that a registry has of one tenant.
package struct RegisteredTenant: Sendable {
    /// As operators write it.
    package let name: String
    /// The row of its document, where there is one.
    package private(set) var document: StoredRow?
    /// By the paths that the document's names stand for.
    private(set) var files: [String: [UInt8]] = [:]

    /// A tenant of which nothing is known yet.
    package init(name: String) { self.name = name }

    /// Takes one of the tenant's rows.
    package mutating func take(_ row: StoredRow) {
        if row.key.description.hasSuffix("/document") {
            self.document = row
        } else {
            self.files[row.key.description] = row.value
        }
    }

    /// The tenant with `document` instead of its own.
    func with(_ document: TenantDocument) throws(StoreError) -> RegisteredTenant {
        var changed = self
        changed.document = StoredRow(
            key: try RegistryKey.document(self.name), value: document.json, created: 0, changed: 0)
        return changed
    }

    /// The tenant as a file would have it.
    ///
    /// - Parameter process: The configuration of this router.
    package func read(process: Configuration) -> TenantDocument.Reading {
        guard let document else { return .init(tenant: nil, problems: []) }
        do throws(JSONProblem) {
            return try TenantDocument(json: document.value).tenant(
                named: self.name, certificates: [], process: process)
        } catch {
            return .init(tenant: nil, problems: [error.problem(of: self.name)])
        }
    }
}

extension JSONProblem {
    /// In the words of all problems.
    package func problem(of tenant: String) -> ConfigurationProblem {
        ConfigurationProblem(
            .syntax, file: "tenant/\(tenant)",
            place: SourcePlace(line: self.line, column: self.column, path: ""),
            found: "what is no JSON", expected: self.expected, remedy: "write it as JSON, RFC 8259")
    }
}
