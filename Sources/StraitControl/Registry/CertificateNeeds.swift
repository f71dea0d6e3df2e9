// Which certificates a tenant wants from the installation's authority, and which names it may
// upload one for. Pure.
//
// One certificate carries the tenant's domains and aliases, `*.` each of them, and the hosts of its
// services. A service that offers h2 gets one of its own: browsers send requests for every name of
// a certificate down one h2 connection (RFC 9113 §9.1.1).

internal import StraitConfig
internal import StraitCore

/// A certificate that the installation's authority must issue.
struct WantedCertificate: Hashable {
    /// What its row is called.
    let name: String
    /// 1 to ``Limits/certificateNamesMax``, each once.
    let names: [Configuration.HostPattern]
}

/// What certificates a tenant needs.
struct CertificateNeeds {
    /// Before the names of all rows of the installation's authority; nobody else's begin with it.
    static let issuedPrefix = "installation"
    /// Services with a certificate of their own; the others share one.
    private static let ownMax = 8

    let tenant: Configuration.Tenant
    /// The names of what was uploaded.
    let uploaded: Set<Configuration.HostPattern>

    /// What no uploaded certificate carries, as certificates to be issued.
    func wanted() -> [WantedCertificate] {
        let own = Array(
            self.tenant.services.filter { self.needsOwn($0) }.prefix(Self.ownMax))
        let sharing = self.tenant.services.filter { service in
            service.mode == .terminate && !own.contains { $0.name == service.name }
        }
        var certificates: [WantedCertificate] = []
        let shared = self.shared(by: sharing)
        for (index, start) in stride(
            from: 0, to: shared.count, by: Limits.certificateNamesMax
        ).enumerated() {
            certificates.append(
                WantedCertificate(
                    name: Self.issuedPrefix + (index == 0 ? "" : "_\(index + 1)"),
                    names: Array(shared[start...].prefix(Limits.certificateNamesMax))))
        }
        for service in own {
            let names = self.bare(self.derivedNames(of: service) + service.hosts.map(\.value))
            guard !names.isEmpty else { continue }
            certificates.append(
                WantedCertificate(
                    name: "\(Self.issuedPrefix)-\(service.name)",
                    names: Array(names.prefix(Limits.certificateNamesMax))))
        }
        return certificates
    }

    /// Whether the tenant may have a certificate with this name: one of its hosts, a domain, or
    /// whatever lies beneath a domain.
    static func owns(_ pattern: Configuration.HostPattern, _ tenant: Configuration.Tenant) -> Bool {
        let isBeneath = tenant.ownNames.contains { domain in
            pattern.name == domain
                || pattern.name.bytes.suffix(domain.bytes.count + 1)
                    .elementsEqual([UInt8(ascii: ".")] + domain.bytes)
        }
        return isBeneath
            || tenant.services.contains { service in
                service.hosts.contains { Self.covers($0.value, pattern) }
            }
    }

    /// Whether a certificate with the name `carried` does for `pattern`.
    static func covers(
        _ carried: Configuration.HostPattern, _ pattern: Configuration.HostPattern
    ) -> Bool {
        if carried == pattern { return true }
        guard carried.isWildcard, !pattern.isWildcard,
            let dot = pattern.name.bytes.firstIndex(of: UInt8(ascii: "."))
        else { return false }
        return pattern.name.bytes[(dot + 1)...].elementsEqual(carried.name.bytes)
    }

    // MARK: Parts

    /// Names of the certificate that services share; the tenant's own names are the router's.
    private func shared(
        by services: [Configuration.Service]
    ) -> [Configuration.HostPattern] {
        var names = self.tenant.ownNames.map {
            Configuration.HostPattern(name: $0, isWildcard: false)
        }
        for domain in self.tenant.ownNames
        where services.contains(where: { !self.bare(self.derivedNames(of: $0)).isEmpty }) {
            // `*.` of the longest names is none; each service is then reached by its hosts alone.
            guard domain.bytes.count + 2 <= HostName.bytesMax else { continue }
            names.append(Configuration.HostPattern(name: domain, isWildcard: true))
        }
        names += services.flatMap { $0.hosts.map(\.value) }
        return self.bare(names)
    }

    private func needsOwn(_ service: Configuration.Service) -> Bool {
        service.mode == .terminate
            && (service.applicationProtocols.contains(.http2)
                || service.serviceProtocol == .kubernetes && service.applicationProtocols.isEmpty)
    }

    private func derivedNames(of service: Configuration.Service) -> [Configuration.HostPattern] {
        self.tenant.ownNames.compactMap { HostName("\(service.name).\($0)") }
            .map { Configuration.HostPattern(name: $0, isWildcard: false) }
    }

    /// Those that no uploaded certificate carries, each once.
    private func bare(
        _ names: [Configuration.HostPattern]
    ) -> [Configuration.HostPattern] {
        var known: Set<Configuration.HostPattern> = []
        return names.filter { name in
            known.insert(name).inserted && !self.isCovered(name)
        }
    }

    private func isCovered(_ name: Configuration.HostPattern) -> Bool {
        guard !self.uploaded.contains(name) else { return true }
        guard !name.isWildcard,
            let dot = name.name.bytes.firstIndex(of: UInt8(ascii: ".")),
            let parent = HostName(
                String(decoding: name.name.bytes[(dot + 1)...], as: UTF8.self))
        else { return false }
        return self.uploaded.contains(Configuration.HostPattern(name: parent, isWildcard: true))
    }
}
