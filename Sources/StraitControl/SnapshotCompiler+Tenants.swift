// Tenants: certificates, authorities, counters.

package import StraitConfig
internal import StraitCore
internal import StraitRouting
internal import StraitSnapshot
internal import StraitTLS

/// One certificate chain with its key, as the identity of a set is made of.
struct CertificateContent: Hashable, Sendable {
    var chainPEM: [UInt8]
    var keyPEM: [UInt8]
}

extension SnapshotCompiler {
    /// Below this many seconds a certificate is warned about.
    static let certificateSoonSeconds: Int64 = 7 * 86_400

    /// Compiles the tenants of `work` into tables, in which they replace those of their names.
    mutating func compileTenants(
        into tables: inout TenantTables, removing removed: [Int], _ work: inout Compilation
    ) {
        let configured = work.configuration.tenants
        let plans = configured.map { self.compileTenant($0, &work) }
        let before = tables.routes
        guard
            let (routes, numbers, offers) = work.routesAndOffers(
                before, removing: removed, tenants: plans)
        else { return self.findProblems(plans, &work) }
        tables.clear(removed, keeping: numbers.tenants)
        tables.routes = routes
        var next = 0
        for (index, tenant) in configured.enumerated() {
            let number = numbers.tenants[index]
            var services: [ServicePlan] = []
            for service in tenant.services {
                let plan = self.compileService(
                    service, of: plans[index], domains: tenant.domains.map(\.value),
                    offered: offers[next], &work)
                tables.services.set(numbers.services[next], to: plan)
                services.append(plan)
                next += 1
            }
            tables.tenants.set(number, to: plans[index])
            tables.facts.set(
                number,
                to: TenantFacts(
                    name: tenant.name,
                    mark: TenantMark(plans[index], services, tenant).hashValue,
                    upstreamNames: tenant.upstreamNames,
                    upstreamAddresses: tenant.upstreamNames.map { work.addresses[$0] ?? [] },
                    certificateEnds: work.certificateEnds[tenant.name] ?? [],
                    ports: work.ports[tenant.name] ?? [:],
                    aliases: work.aliases(of: tenant, plans[index])))
            tables.setPorts(work.ports[tenant.name] ?? [:], of: tenant, number: number)
        }
        work.checkCoalescing(routes: routes, numbers: numbers, tenants: plans)
        work.checkNames(tenants: plans)
    }

    /// Compiles services whose rules contradict each other, so that what else is wrong is told,
    /// too.
    private mutating func findProblems(_ plans: [TenantPlan], _ work: inout Compilation) {
        for (tenant, plan) in zip(work.configuration.tenants, plans) {
            for service in tenant.services {
                _ = self.compileService(
                    service, of: plan, domains: tenant.domains.map(\.value), offered: [], &work)
            }
        }
    }

    private mutating func compileTenant(
        _ tenant: Configuration.Tenant, _ work: inout Compilation
    ) -> TenantPlan {
        let before = self.tables.tenant(named: tenant.name)
        let usage = before?.usage ?? TenantUsage()
        return TenantPlan(
            name: tenant.name, incarnation: tenant.incarnation,
            certificates: self.compileCertificates(tenant, &work),
            clientAuthoritiesPEM: work.authorities(tenant.clientAuthorities),
            limits: usage.limits(tenant.limits, perSource: tenant.sourceLimits), usage: usage,
            aliases: tenant.aliases.filter { !$0.hasEnded(at: work.now.seconds) }.map { alias in
                let name = alias.name.value
                let known = before?.aliases.first { $0.name == name }
                return AliasPlan(name: name, usage: known?.usage ?? AliasUsage())
            })
    }

    /// Certificates with the same names form one set, so that ECDSA and RSA stand side by side.
    private mutating func compileCertificates(
        _ tenant: Configuration.Tenant, _ work: inout Compilation
    ) -> CertificateTable {
        struct Group {
            var names: CertificateNames
            var keyTypes: Set<String>
            var members: [ShownCertificate]
        }
        let known = Set(
            tenant.domains.map(\.value) + tenant.services.flatMap(\.hosts).map(\.value.name))
        var groups: [Group] = []
        for files in tenant.certificates {
            guard let shown = work.shown(files, of: tenant.name, known) else {
                work.tenantsInDoubt.insert(tenant.name)
                continue
            }
            let known = groups.firstIndex {
                $0.names == shown.names && !$0.keyTypes.contains(shown.keyType)
            }
            if let known {
                groups[known].members.append(shown)
                groups[known].keyTypes.insert(shown.keyType)
            } else {
                groups.append(
                    Group(names: shown.names, keyTypes: [shown.keyType], members: [shown]))
            }
        }
        return CertificateTable(
            sets: groups.map { group in
                CertificateSet(
                    id: ContentDigest(ofParts: group.members.flatMap(\.identity)),
                    names: group.names.exact, wildcards: group.names.wildcards,
                    certificates: group.members.map(\.plan))
            })
    }
}

/// One certificate that downstreams are shown.
struct ShownCertificate {
    var names: CertificateNames
    var keyType: String
    /// Equal where the chain and its key are.
    var identity: [[UInt8]]
    var plan: CertificatePlan
}

/// The DNS names of a certificate that can be host names.
struct CertificateNames: Hashable {
    var exact: [HostName]
    /// Without their `*.`.
    var wildcards: [HostName]

    init(dnsNames: [String]) {
        self.exact = dnsNames.filter { !$0.hasPrefix("*.") }.compactMap(HostName.init)
        self.wildcards = dnsNames.filter { $0.hasPrefix("*.") }
            .compactMap { HostName(String($0.dropFirst(2))) }
    }

    init(exact: [HostName], wildcards: [HostName]) {
        self.exact = exact
        self.wildcards = wildcards
    }

    /// The one that stands for all of them where one must.
    var first: String? {
        self.exact.first.map { "\($0)" } ?? self.wildcards.first.map { "*.\($0)" }
    }

    var isEmpty: Bool { self.exact.isEmpty && self.wildcards.isEmpty }

    /// The same, in the memory of those that are known already.
    func sharing(_ known: Set<HostName>) -> CertificateNames {
        func shared(_ name: HostName) -> HostName {
            known.firstIndex(of: name).map { known[$0] } ?? name
        }
        return CertificateNames(
            exact: self.exact.map(shared), wildcards: self.wildcards.map(shared))
    }
}

extension SnapshotCompiler {
    /// What is wrong with the files that a configuration names, where it cannot be compiled.
    ///
    /// Those that cannot be read were reported by the reader of the configuration.
    package func problems(
        inFilesOf draft: Configuration, now: Timestamp
    ) -> [ConfigurationProblem] {
        var work = Compilation(
            configuration: draft, files: FileContents(load: self.load), now: now)
        for tenant in draft.tenants {
            for files in tenant.certificates {
                _ = work.pair(files, tenant: tenant.name, kind: "listener")
            }
            _ = work.authorities(tenant.clientAuthorities)
            for tls in tenant.services.flatMap(\.upstreams).compactMap(\.tls) {
                if case .file(let file) = tls.authorities { _ = work.authority(file) }
                guard let files = tls.certificate else { continue }
                _ = work.pair(files, tenant: tenant.name, kind: "upstream")
            }
        }
        return work.sortedProblems.filter { $0.code != .namedFileUnreadable }
    }
}

extension Compilation {
    /// The aliases of a tenant, also those whose time is over.
    func aliases(of tenant: Configuration.Tenant, _ plan: TenantPlan) -> [AliasFacts] {
        tenant.aliases.map { alias in
            let routed = plan.aliases.first { $0.name == alias.name.value }
            return AliasFacts(
                name: alias.name.value, until: alias.until, usage: routed?.usage ?? AliasUsage(),
                isRouted: routed != nil)
        }
    }

    /// A certificate with its key, read and checked.
    struct Pair {
        var content: CertificateContent
        var names: CertificateNames
        var keyType: String
    }

    /// A certificate of the registry, or of files; nil, with a problem, where it cannot be used.
    ///
    /// `known` are names that the tenant's routes keep in any case.
    mutating func shown(
        _ files: Configuration.CertificateFiles, of tenant: String, _ known: Set<HostName>
    ) -> ShownCertificate? {
        guard let stored = self.storedCertificates[files.chain.path] else {
            return self.pair(files, tenant: tenant, kind: "listener").map { pair in
                let content = pair.content
                return ShownCertificate(
                    names: pair.names, keyType: pair.keyType,
                    identity: [content.chainPEM, content.keyPEM],
                    plan: CertificatePlan(chainPEM: content.chainPEM, keyPEM: content.keyPEM))
            }
        }
        self.judgeValidity(notBefore: stored.notBefore, notAfter: stored.notAfter, files)
        return ShownCertificate(
            names: stored.names.sharing(known), keyType: stored.keyType,
            identity: [stored.chainDigest], plan: CertificatePlan(sealed: stored.sealed))
    }

    /// Reads a chain and its key; nil, with a problem, where they cannot be used.
    mutating func pair(
        _ files: Configuration.CertificateFiles, tenant: String, kind: String
    ) -> Pair? {
        // Both are read before either is missed, so that both problems are told.
        let chain = self.read(files.chain)
        let key = self.read(files.key)
        guard let chain, let key else { return nil }
        let facts: TLSCertificateFacts
        do throws(TLSSetupError) {
            facts = try TLSCertificateFacts(chainPEM: chain, keyPEM: key)
        } catch {
            self.report(
                .certificateUnusable, files.place, found: error.message,
                expected: "a PEM chain, leaf first, and the unencrypted PEM key of its leaf",
                remedy: "check that \(files.chain.path) and \(files.key.path) belong together")
            return nil
        }
        self.judgeValidity(notBefore: facts.notBefore, notAfter: facts.notAfter, files)
        let names = CertificateNames(dnsNames: facts.dnsNames)
        if names.isEmpty, kind == "listener" {
            self.report(
                .certificateUnusable, files.chain.place,
                found: "a certificate without DNS names (subject \(facts.subject))",
                expected: "subject alternative names, RFC 6125 §6.4.4",
                remedy: "have the certificate issued with the host names that it serves")
            return nil
        }
        let name = names.first ?? facts.subject
        self.certificateEnds[tenant, default: []].append(
            MetricsDirectory.CertificateEnd(
                tenant: tenant, name: name, kind: kind, notAfter: facts.notAfter))
        return Pair(
            content: CertificateContent(chainPEM: chain, keyPEM: key), names: names,
            keyType: facts.keyType)
    }

    /// An expired certificate is served all the same: what is behind it may be reached by who
    /// ignores that.
    private mutating func judgeValidity(
        notBefore: Int64, notAfter: Int64, _ files: Configuration.CertificateFiles
    ) {
        let now = Int64(self.now.seconds)
        let end = Timestamp(seconds: notAfter)
        if notAfter < now {
            self.report(
                .certificateExpired, files.chain.place, found: "it expired at \(end)",
                expected: "a certificate that is valid now", remedy: "renew it")
        } else if notBefore > now {
            let start = Timestamp(seconds: notBefore)
            self.report(
                .certificateExpired, files.chain.place, found: "it is not valid before \(start)",
                expected: "a certificate that is valid now",
                remedy: "check the clock of this machine, or have it issued again")
        } else if notAfter - now < SnapshotCompiler.certificateSoonSeconds {
            self.report(
                .certificateExpiresSoon, files.chain.place, found: "it expires at \(end)",
                expected: "a certificate that is valid for 7 days and more", remedy: "renew it")
        }
    }

    /// The PEM of all authority files, one after the other; a problem for each that cannot be used.
    mutating func authorities(_ files: [Configuration.FileReference]) -> [UInt8] {
        var bundle: [UInt8] = []
        for file in files {
            guard let pem = self.authority(file) else { continue }
            bundle += pem
            if bundle.last != UInt8(ascii: "\n") { bundle.append(UInt8(ascii: "\n")) }
        }
        return bundle
    }

    /// The PEM of one authority file; nil, with a problem, where it cannot be used.
    mutating func authority(_ file: Configuration.FileReference) -> [UInt8]? {
        guard let pem = self.read(file) else { return nil }
        do throws(TLSSetupError) {
            try TLSCertificateFacts.checkAuthorities(pem: pem)
            return pem
        } catch {
            self.report(
                .authorityUnusable, file.place, found: "\(file.path): \(error.message)",
                expected: "one or more PEM certificates of authorities",
                remedy: "name the file of the authority that issues, not of what it issued")
            return nil
        }
    }
}
