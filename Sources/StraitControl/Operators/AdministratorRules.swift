// What a tenant's administrator may not write into its tenant's document: what others would pay
// for, and what leads into the router's own machine.

internal import StraitConfig
internal import StraitCore

/// Compares a tenant as it is with what its administrator wants.
enum AdministratorRules {
    /// Why the change needs an operator; nil where it does not.
    ///
    /// - Parameters:
    ///   - before: The tenant as it is.
    ///   - after: As it is to be.
    ///   - routerNames: By which the router itself is reached.
    ///   - own: Where it listens.
    /// - Returns: A sentence without a full stop.
    static func refusal(
        from before: Configuration.Tenant, to after: Configuration.Tenant,
        routerNames: [HostName], own: OwnPlaces
    ) -> String? {
        if before.limits != after.limits || before.sourceLimits != after.sourceLimits {
            return "limits: what a tenant may use of the router is not its own to say"
        }
        if before.domains.map(\.value) != after.domains.map(\.value) {
            return "domains: which names lead to a tenant's own is the operators' to say"
        }
        if before.homeRegion?.value != after.homeRegion?.value {
            return "region: where a tenant is at home is the operators' to say"
        }
        let aliases = Dictionary(
            before.aliases.map { ($0.name.value, $0.until) },
            uniquingKeysWith: { first, _ in first })
        let now = UInt64(clamping: wallClockSeconds())
        let kept = Set(after.aliases.map(\.name.value))
        if after.aliases.contains(where: { aliases[$0.name.value] != .some($0.until) })
            || before.aliases.contains(where: {
                !kept.contains($0.name.value) && $0.until ?? .max > now
            })
        {
            return "aliases: which names lead to a tenant's own is the operators' to say"
        }
        return Self.refusal(ofNamesFrom: before, to: after, routerNames)
            ?? Self.refusal(ofUpstreamsFrom: before, to: after, own)
    }

    private static func refusal(
        ofNamesFrom before: Configuration.Tenant, to after: Configuration.Tenant,
        _ routerNames: [HostName]
    ) -> String? {
        let hosts = Set(before.services.flatMap { $0.hosts.map(\.value) })
        for host in after.services.flatMap({ $0.hosts.map(\.value) }) where !hosts.contains(host) {
            guard host.name.bytes.contains(UInt8(ascii: ".")) else {
                return "hosts: \(host) has one label, or is a wildcard of a whole top level"
            }
            guard !routerNames.contains(where: host.covers) else {
                return "hosts: \(host) leads to the router itself"
            }
            guard Self.isBesideOwn(host.name, after.domains.map(\.value)) else { continue }
            return "hosts: \(host) lies where tenants get their own names, and not beneath one of "
                + "this tenant's"
        }
        for service in after.services
        where !before.services.contains(where: { $0.name == service.name }) {
            let names = after.domains.compactMap { HostName("\(service.name).\($0.value)") }
            guard let name = names.first(where: routerNames.contains) else { continue }
            return "services: \(name) leads to the router itself"
        }
        return nil
    }

    private static func refusal(
        ofUpstreamsFrom before: Configuration.Tenant, to after: Configuration.Tenant,
        _ own: OwnPlaces
    ) -> String? {
        for service in after.services {
            let known = before.services.first { $0.name == service.name }
            for upstream in service.upstreams {
                guard let reason = Self.refusal(of: upstream.target, own) else { continue }
                // What an operator has led there stays as it is, whole.
                let isAsBefore =
                    known?.serviceProtocol == service.serviceProtocol
                    && known?.health == service.health && known?.mode == service.mode
                    && known?.clientCertificate == service.clientCertificate
                    && known?.upstreams.contains { $0.isAlike(upstream) } == true
                guard !isAsBefore else { continue }
                return "services[\(service.name)].upstreams: \(upstream.target) \(reason)"
            }
        }
        return nil
    }

    /// Whether a name lies beneath what a domain of the tenant lies beneath, but not beneath the
    /// domain: other tenants' names are there, or will be.
    private static func isBesideOwn(_ host: HostName, _ domains: [HostName]) -> Bool {
        func lies(_ name: HostName, within zone: ArraySlice<UInt8>) -> Bool {
            name.bytes.suffix(zone.count) == zone
                && (name.bytes.count == zone.count
                    || name.bytes[name.bytes.count - zone.count - 1] == UInt8(ascii: "."))
        }
        guard !domains.contains(where: { lies(host, within: $0.bytes[...]) }) else { return false }
        return domains.contains { domain in
            guard let dot = domain.bytes.firstIndex(of: UInt8(ascii: ".")) else { return false }
            let zone = domain.bytes[(dot + 1)...]
            // A zone of one label, as `com`, is everybody's.
            return zone.contains(UInt8(ascii: ".")) && lies(host, within: zone)
        }
    }

    /// Why an upstream is not a tenant's to name; nil where it is.
    private static func refusal(
        of target: Configuration.Upstream.Target, _ own: OwnPlaces
    ) -> String? {
        switch target {
        case .address(.unix): "is a socket of the router's machine"
        case .address(.ip(let address, let port)):
            if address.staysWithin {
                "is the router's machine, or beside it"
            } else {
                own.contains(address, port) ? "is the router, or its machine" : nil
            }
        // What it leads to is judged each time it is looked up.
        case .name: nil
        }
    }
}

extension Configuration.Upstream {
    /// Whether it is reached, and verified, as another is.
    fileprivate func isAlike(_ other: Self) -> Bool {
        func paths(_ files: Configuration.CertificateFiles?) -> [String]? {
            files.map { [$0.chain.path, $0.key.path] }
        }
        func authority(_ tls: TLS?) -> String? {
            if case .file(let file)? = tls?.authorities { file.path } else { nil }
        }
        return self.target == other.target && self.proxyHeader == other.proxyHeader
            && (self.tls == nil) == (other.tls == nil)
            && self.tls?.serverName == other.tls?.serverName
            && self.tls?.verifies == other.tls?.verifies
            && authority(self.tls) == authority(other.tls)
            && paths(self.tls?.certificate) == paths(other.tls?.certificate)
    }
}

extension Configuration.HostPattern {
    /// Whether a name leads where the pattern does.
    fileprivate func covers(_ other: HostName) -> Bool {
        guard self.isWildcard else { return self.name == other }
        let behind = other.bytes.drop { $0 != UInt8(ascii: ".") }.dropFirst()
        return behind.elementsEqual(self.name.bytes)
    }
}

extension IPAddress {
    /// Whether it means this machine or what is beside it alone: loopback, link-local (where clouds
    /// tell machines their secrets), unspecified and multicast (RFC 6890); also within IPv6.
    var staysWithin: Bool {
        if self.isLoopback || !self.isUnicast { return true }
        if Self.metadata.contains(self) { return true }
        // 169.254.0.0/16.
        if self.isIPv4 { return self.v4Bits >> 16 == 0xA9FE }
        // fe80::/10, fec0::/10, Teredo.
        if [0x3FA, 0x3FB].contains(self.high >> 54) || self.high >> 32 == 0x2001_0000 {
            return true
        }
        return self.carriedIPv4?.staysWithin ?? false
    }

    /// Where clouds have their metadata outside of what is link-local: Alibaba, Azure, Oracle;
    /// Amazon, Google, Scaleway.
    private static let metadata = Set(
        [
            "100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254",
            "fd00:42::42",
        ].compactMap { IPAddress($0) })

    /// The address of IPv4 that one of IPv6 leads to: 2002:a.b.c.d::, ::a.b.c.d,
    /// ::ffff:0:a.b.c.d, 64:ff9b::a.b.c.d and 64:ff9b:1::a.b.c.d; nil where there is none.
    var carriedIPv4: IPAddress? {
        guard !self.isIPv4 else { return nil }
        if self.high >> 48 == 0x2002 {
            return IPAddress(v4: UInt32(truncatingIfNeeded: self.high >> 16))
        }
        let carriesIPv4 =
            (self.high == 0 && [0, 0xFFFF_0000].contains(self.low >> 32))
            || self.high >> 32 == 0x0064_FF9B
        return carriesIPv4 ? IPAddress(v4: UInt32(truncatingIfNeeded: self.low)) : nil
    }
}
