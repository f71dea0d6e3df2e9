// The keys of a tenant, its services and their upstreams -> their values.

internal import StraitCore

extension Section {
    /// The tenant that this section describes; placeholders stand for what was reported.
    func tenant() -> Configuration.Tenant {
        let name = self.name("name")
        if name == "other" {
            self.report(
                .malformedName, "name", found: "\"other\"", expected: "another name",
                remedy:
                    "metrics of tenants without series of their own are called that; choose another"
            )
        }
        let limits = self.mentions("limits") ? self.section("limits") : nil
        return Configuration.Tenant(
            name: name,
            domains: self.uniqueTexts("domains").compactMap { text in
                self.hostName(text).map { .init(value: $0, place: text.place) }
            },
            certificates: self.context.registeredTenant != nil
                ? []
                : self.sections("certificates").compactMap {
                    $0.certificateFiles(chain: "chain", key: "key", place: $0.place)
                },
            clientAuthorities: self.uniqueTexts("client_ca").compactMap { self.file($0) },
            limits: limits?.limitSet() ?? LimitSet(),
            sourceLimits: limits?.section("per_source").limitSet() ?? LimitSet(),
            services: self.sections("services").map { $0.service() },
            ports: self.context.registeredTenant != nil ? self.tenantPorts() : [],
            homeRegion: self.context.registeredTenant != nil ? self.homeRegion() : nil,
            aliases: self.sections("aliases").compactMap { $0.alias() },
            place: self.place)
    }

    /// The service that this section describes.
    private func service() -> Configuration.Service {
        let problems = self.context.problems.count
        let serviceProtocol = self.choice("protocol", ServiceProtocol.self) ?? .tcp
        let mode = self.choice("mode", ServiceMode.self) ?? .passthrough
        let isUnderstood = self.context.problems.count == problems
        let policy = self.choice("client_certificate", ClientCertificatePolicy.self)
        let health = self.mentions("health") ? self.section("health").health() : .standard
        let upstreams = self.sections("upstreams").map { $0.upstream(mode: mode) }
        self.checkHealth(health, serviceProtocol, mode, upstreams)
        if serviceProtocol == .mysql, mode == .terminate { self.checkExposure(upstreams) }
        return Configuration.Service(
            name: self.name("name"),
            serviceProtocol: serviceProtocol,
            mode: mode,
            isUnderstood: isUnderstood,
            hosts: self.uniqueTexts("hosts").compactMap { text in
                self.hostPattern(text).map { .init(value: $0, place: text.place) }
            },
            applicationProtocols: self.applicationProtocols(),
            clientCertificate: policy ?? .none,
            isDefault: self.flag("default") ?? false,
            connectTimeout: self.duration("connect_timeout"),
            idleTimeout: self.duration("idle_timeout"),
            connectAttempts: self.integer("connect_attempts") ?? Limits.connectAttempts,
            health: health,
            upstreams: upstreams,
            place: self.place)
    }

    /// Reports upstreams to which passwords would go in clear.
    ///
    /// Inside TLS MySQL's programs give a password away to who asks for it, and a server may ask in
    /// more ways than can be told from its packets.
    private func checkExposure(_ upstreams: [Configuration.Upstream]) {
        for upstream in upstreams where upstream.tls == nil && !upstream.target.staysOnMachine {
            self.context.report(
                .keysExclude, at: upstream.place,
                found: "an upstream without TLS, for MySQL whose TLS ends here",
                expected: "tls://, unix:, or a loopback address: inside TLS programs give their "
                    + "passwords away",
                remedy: "write tls:// with ca, or mode: passthrough")
        }
    }

    /// Reports a check inside TLS of an address that takes none.
    private func checkHealth(
        _ health: Configuration.HealthSettings, _ serviceProtocol: ServiceProtocol,
        _ mode: ServiceMode, _ upstreams: [Configuration.Upstream]
    ) {
        guard health.check == .tls || health.check == .https else { return }
        guard serviceProtocol != .mysql else {
            self.section("health").report(
                .keysExclude, "check", found: "\(health.check.rawValue) with protocol mysql",
                expected: "a check of what comes first: MySQL's TLS comes after its greeting",
                remedy: "write check: greeting")
            return
        }
        guard mode == .terminate,
            upstreams.contains(where: { $0.tls == nil && $0.target != .address(.unreadable) })
        else { return }
        self.section("health").report(
            .keysExclude, "check",
            found: "\(health.check.rawValue), where TLS ends here and an upstream has none",
            expected: "a check of what the upstream speaks",
            remedy: health.check == .https ? "write check: http" : "write check: tcp")
    }

    private func applicationProtocols() -> [ApplicationProtocol] {
        self.uniqueTexts("alpn").compactMap { text in
            let isPrintable = text.value.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            if isPrintable, let identifier = ApplicationProtocol(bytes: Array(text.value.utf8)) {
                return identifier
            }
            self.context.report(
                .malformedText, at: text.place, found: ReadingContext.quoted(text.value),
                expected: KeyType.applicationProtocol.expectation,
                remedy: "write an identifier as in the IANA registry of ALPN protocol ids")
            return nil
        }
    }

    /// The texts of a list; a warning for each that stands there twice, which is then left out.
    func uniqueTexts(_ name: String) -> [Configuration.Located<String>] {
        let texts = self.texts(name)
        guard texts.count > 1 else { return texts }
        var lines: [String: Int] = [:]
        return texts.filter { text in
            guard let first = lines[text.value] else {
                lines[text.value] = text.place.line
                return true
            }
            self.context.report(
                .listedTwice, at: text.place,
                found: "\(ReadingContext.quoted(text.value)) a second time; first in line \(first)",
                expected: "each once", remedy: "take one out")
            return false
        }
    }
}

extension Section {
    /// The upstream that this section describes.
    fileprivate func upstream(mode: ServiceMode) -> Configuration.Upstream {
        let target = self.upstreamAddress("address", mode: mode)
        let header = self.choice("proxy_protocol", ProxyHeaderVersion.self)
        if let target, target.isTLS, mode == .passthrough {
            let plain = (self.text("address") ?? "").replacing("tls+unix:", with: "unix:")
                .replacing("tls://", with: "tcp://")
            self.report(
                .keysExclude, "address", found: "an upstream with TLS in a passthrough service",
                expected: "tcp:// or unix:, as TLS passes unopened",
                remedy: "write \"\(plain)\", or mode: terminate")
        }
        let isTLS = target?.isTLS ?? self.mentions("ca")
        return Configuration.Upstream(
            target: target?.target ?? .address(.unreadable),
            tls: isTLS ? self.upstreamTLS(target?.target) : self.withoutTLS(target?.target),
            proxyHeader: header ?? .none,
            weight: self.integer("weight") ?? 1,
            isBackup: self.flag("backup") ?? false,
            place: self.place)
    }

    /// Reports keys that mean nothing without TLS.
    private func withoutTLS(
        _ target: Configuration.Upstream.Target?
    ) -> Configuration.Upstream.TLS? {
        guard target != nil else { return nil }
        for name in ["ca", "server_name", "certificate", "key", "verify"]
        where self.keys.contains(where: { $0.name == name }) && self.has(name) {
            guard name != "verify" || self.flag(name) == false else { continue }
            self.report(
                .keyNeedsAnother, name, found: "\(name), for an upstream without TLS",
                expected: "an address with tls:// or tls+unix:",
                remedy: "write tls:// if the upstream speaks TLS, else take \(name) out")
        }
        return nil
    }

    private func upstreamTLS(
        _ target: Configuration.Upstream.Target?
    ) -> Configuration.Upstream.TLS {
        let verifies = self.flag("verify") ?? true
        if !verifies {
            self.report(
                .verificationOff, "verify", found: "false", expected: "true",
                remedy:
                    "name the authority of its certificate in ca; without, anybody can pose as it")
        }
        let name = self.serverName(target, verifies: verifies)
        return Configuration.Upstream.TLS(
            authorities: self.authorities(verifies: verifies),
            serverName: name,
            serverNameIsAddress: IPAddress(name) != nil,
            verifies: verifies,
            certificate: self.upstreamCertificate())
    }

    private func authorities(
        verifies: Bool
    ) -> Configuration.Upstream.TLS.Authorities? {
        guard self.mentions("ca") else {
            if verifies {
                self.report(
                    .keyNeedsAnother, "address", found: "an upstream with TLS, without \"ca\"",
                    expected: "whose certificates are trusted",
                    remedy: "add ca: FILE.pem, or ca: system for the system's authorities")
            }
            return nil
        }
        if self.text("ca") == "system" { return .system }
        return self.file("ca").map { .file($0) }
    }

    /// The name that the upstream's certificate must carry: as written, or the address.
    private func serverName(
        _ target: Configuration.Upstream.Target?, verifies: Bool
    ) -> String {
        guard self.mentions("server_name") else {
            switch target {
            case .address(.ip(let ip, _))?: return ip.description
            case .name(let name, _)?: return name.description
            case .address(.unix)?:
                if verifies {
                    self.report(
                        .keyNeedsAnother, "address",
                        found: "TLS over a UNIX socket, without \"server_name\"",
                        expected: "the name that its certificate carries",
                        remedy: "add server_name: NAME")
                }
                return ""
            case nil: return ""
            }
        }
        guard let text = self.text("server_name") else { return "" }
        if let ip = IPAddress(text) { return ip.description }
        let located = Configuration.Located(value: text, place: self.place(of: "server_name"))
        return self.hostName(located)?.description ?? ""
    }

    private func upstreamCertificate() -> Configuration.CertificateFiles? {
        if let tenant = self.context.registeredTenant {
            return self.registeredCertificate(of: tenant)
        }
        switch (self.mentions("certificate"), self.mentions("key")) {
        case (true, true):
            return self.certificateFiles(
                chain: "certificate", key: "key", place: self.place(of: "certificate"))
        case (false, false): return nil
        case (true, false), (false, true):
            let (has, lacks) =
                self.mentions("certificate") ? ("certificate", "key") : ("key", "certificate")
            self.report(
                .keyNeedsAnother, has, found: "\(has) without \(lacks)", expected: "both",
                remedy: "add \(lacks): FILE.pem, or take \(has) out")
            return nil
        }
    }
}

extension Section {
    /// Chain and key under one name.
    private func registeredCertificate(
        of tenant: String
    ) -> Configuration.CertificateFiles? {
        guard let text = self.text("certificate") else { return nil }
        let located = Configuration.Located(value: text, place: self.place(of: "certificate"))
        let chain = self.registered(located) { RegisteredFile.chain($0, of: tenant) }
        let key = self.registered(located) { RegisteredFile.key($0, of: tenant) }
        guard let chain, let key else { return nil }
        return .init(chain: chain, key: key, place: located.place)
    }
}

extension Configuration.Upstream.Target {
    /// Whether what goes there is on no wire; a name may lead anywhere.
    fileprivate var staysOnMachine: Bool {
        switch self {
        case .address(let address): address.staysOnMachine
        case .name: false
        }
    }
}
