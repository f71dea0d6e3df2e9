// One tenant as a registry has it: the keys of `tenants[]` as JSON, names where those are files.

internal import StraitCore

/// A tenant's document.
package struct TenantDocument: Sendable, Equatable {
    var root: YAMLNode

    init(root: YAMLNode) { self.root = root }

    /// - Parameter json: One mapping.
    /// - Throws: Why it is not JSON.
    package init(json: [UInt8]) throws(JSONProblem) {
        var reader = JSONReader(json)
        self.root = try reader.read()
    }

    /// Compact, the keys in their order.
    package var json: [UInt8] {
        var text = ""
        self.root.writeJSON(to: &text)
        return Array(text.utf8)
    }

    /// What reading came to.
    package struct Reading: Sendable {
        /// Nil exactly when a problem is an error.
        package var tenant: Configuration.Tenant?
        /// All problems, in the document's order; paths start at the tenant.
        package var problems: [ConfigurationProblem]

        /// See the properties.
        package init(tenant: Configuration.Tenant?, problems: [ConfigurationProblem]) {
            self.tenant = tenant
            self.problems = problems
        }
    }

    /// The tenant, judged by itself and by the listeners of this router.
    ///
    /// - Parameters:
    ///   - name: What the tenant is called where its document lies.
    ///   - certificates: Names of the certificates that the tenant has.
    ///   - process: The configuration of this router; its tenants are not looked at.
    /// - Returns: The tenant, unless something is wrong with it.
    package func tenant(
        named name: String, certificates: [String], process: Configuration
    ) -> Reading {
        let context = ReadingContext(
            file: "tenant/\(name)", folder: "/", checksFiles: false, registeredTenant: name)
        context.root = self.root
        let place = SourcePlace(line: self.root.line, column: self.root.column, path: "")
        let section = Section(
            self.root, keys: Keys.registeredTenant, place: place, context: context)
        var tenant = section.tenant()
        if !tenant.name.isEmpty, tenant.name != name {
            section.report(
                .wrongRelation, "name", found: "\"\(tenant.name)\"", expected: "\"\(name)\"",
                remedy: "write the name that the tenant has; another one is given by renaming it")
        }
        tenant.certificates = certificates.map { certificate in
            Configuration.CertificateFiles(
                chain: .init(path: RegisteredFile.chain(certificate, of: name), place: place),
                key: .init(path: RegisteredFile.key(certificate, of: name), place: place),
                place: place)
        }
        context.checkUnique(
            tenant.services.map { ($0.name, $0.place) }, what: "service of this tenant")
        tenant.checkPorts(context)
        TenantCheck(configuration: process, tenant: tenant, context: context).run()
        return Reading(
            tenant: context.hasErrors ? nil : tenant, problems: context.sortedProblems)
    }
}
