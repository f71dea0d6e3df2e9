// A tenant that gets another name keeps its number and those of its services.

extension RouteTable {
    /// The table with a tenant by another name; its host names stay until it is put anew.
    ///
    /// Nil where there is none of the old name, or another one of the new name.
    package func renaming(_ old: String, to new: String) -> RouteTable? {
        guard let number = self.tenantNumber(named: old), self.tenantNumber(named: new) == nil
        else { return nil }
        return RouteTable(self.compiled.renaming(number, to: new))
    }
}

extension CompiledRules {
    fileprivate func renaming(_ number: Int, to name: String) -> CompiledRules {
        var tenants = self.tenants
        var names = self.tenantNames
        let old = tenants[number]
        tenants.set(
            number,
            to: Tenant(
                name: name, domains: old.domains, services: old.services, defaults: old.defaults))
        _ = names.remove(Array(old.name.utf8)[...])
        _ = names.insert(Array(name.utf8)[...], UInt32(number))
        return CompiledRules(
            tenants: tenants, services: self.services, tenantNames: names, exact: self.exact,
            wildcards: self.wildcards, children: self.children, descendants: self.descendants)
    }
}
