// The same for one listener, one tenant, one service: what must fit to the rest of the file.

internal import StraitCore

/// Judges one listener by the rest of the configuration.
struct ListenerCheck {
    let configuration: Configuration
    let listener: Configuration.Listener
    let context: ReadingContext

    func run() {
        self.checkTarget()
        self.checkRaw()
        self.checkServerFirst()
        if self.listener.redirectsToHTTPS, !self.isShared(.http) {
            self.report(
                .keyNeedsAnother, "redirect_to_https", found: "redirect_to_https without http",
                expected: "http among the protocols", remedy: "write protocols: [http]")
        }
        if case .required = self.listener.proxyHeader, case .unix(let path) = self.listener.address,
            !path.isEmpty
        {
            self.report(
                .keysExclude, "proxy_protocol", found: "PROXY headers on a UNIX socket",
                expected: "an IP address, so that `trusted` can be checked",
                remedy: "listen on 127.0.0.1:PORT, and trust 127.0.0.1")
        }
    }

    private func checkTarget() {
        guard let tenantName = self.listener.tenant else {
            guard let service = self.listener.service, !service.isEmpty else { return }
            let owner = self.configuration.tenants.first { tenant in
                tenant.services.contains { $0.name == service }
            }
            self.report(
                .keyNeedsAnother, "service", found: "service \"\(service)\" without a tenant",
                expected: "the tenant whose service it is",
                remedy: owner.map { "add tenant: \($0.name) (line \($0.place.line))" }
                    ?? "add tenant: NAME")
            return
        }
        guard let tenant = self.configuration.tenant(named: tenantName) else {
            self.configuration.reportUnknownTenant(
                tenantName, at: self.place("tenant"), context: self.context)
            return
        }
        guard let service = self.listener.service else { return }
        _ = tenant.knows(service, at: self.place("service"), context: self.context)
    }

    private func checkRaw() {
        guard self.listener.protocols == .raw else { return }
        if self.listener.service == nil {
            self.report(
                .keyNeedsAnother, "protocols", found: "raw, without a service",
                expected: "the service that gets every byte",
                remedy: "add tenant: NAME and service: NAME, or list the protocols")
        }
        if self.listener.serverFirst != nil {
            self.report(
                .keysExclude, "server_first", found: "server_first on a raw listener",
                expected: "no server_first, as a raw listener connects at once",
                remedy: "take server_first out")
        }
    }

    /// Programs of MySQL say nothing before the server has.
    private func checkWaiting() {
        guard self.listener.tenant != nil, self.listener.service != nil,
            let reference = self.configuration.namelessService(.mysql, on: self.listener),
            let service = self.configuration.service(reference), service.isUnderstood,
            service.serviceProtocol == .mysql
        else { return }
        self.report(
            .bothWait, "service",
            found: "\"\(service.name)\" (line \(service.place.line)), whose protocol is mysql, "
                + "on a listener that waits for the first bytes",
            expected: "protocols: raw or server_first: mysql, as programs wait for the server",
            remedy: "write protocols: raw; leave it where `strait connect` alone dials this port")
    }

    private func checkServerFirst() {
        guard self.listener.protocols != .raw else { return }
        guard let first = self.listener.serverFirst else { return self.checkWaiting() }
        let word = first.serviceProtocol.rawValue
        guard
            let reference = self.configuration.namelessService(
                first.serviceProtocol, on: self.listener)
        else {
            guard self.listener.tenant.map({ self.configuration.tenant(named: $0) != nil }) ?? true
            else { return }
            self.report(
                .keyNeedsAnother, "server_first",
                found: "server_first: \(word), without a default service",
                expected: "a service that silent downstreams get",
                remedy: self.listener.tenant == nil
                    ? "add defaults: { \(word): TENANT/SERVICE }, or tenant and service here"
                    : "add service: NAME here, or default: true to a \(word) service of the tenant")
            return
        }
        guard let service = self.configuration.service(reference),
            service.serviceProtocol != first.serviceProtocol
        else { return }
        self.report(
            .wrongRelation, "server_first",
            found: "server_first: \(word), but \"\(service.name)\" (line \(service.place.line)) "
                + "speaks \(service.serviceProtocol.rawValue)",
            expected: "a service with protocol \(word)",
            remedy: "name another service, or take server_first out")
    }

    private func isShared(_ shared: Configuration.Listener.SharedProtocol) -> Bool {
        if case .shared(let all) = self.listener.protocols { all.contains(shared) } else { false }
    }

    private func place(_ key: String) -> SourcePlace {
        self.context.place(of: key, in: self.listener.place)
    }

    private func report(
        _ code: ConfigurationProblem.Code, _ key: String, found: String, expected: String,
        remedy: String
    ) {
        self.context.report(
            code, at: self.place(key), found: found, expected: expected, remedy: remedy)
    }
}

/// Judges one tenant and its services by the rest of the configuration.
struct TenantCheck {
    let configuration: Configuration
    let tenant: Configuration.Tenant
    let context: ReadingContext

    func run() {
        self.checkDefaultServices()
        for service in self.tenant.services {
            self.checkClientCertificate(service)
            self.checkReachedWithoutTLS(service)
            self.checkReachable(service)
            self.checkOwnSockets(service)
        }
    }

    private func checkDefaultServices() {
        var first: [ServiceProtocol: Configuration.Service] = [:]
        for service in self.tenant.services where service.isDefault {
            guard let other = first[service.serviceProtocol] else {
                first[service.serviceProtocol] = service
                continue
            }
            self.context.report(
                .keysExclude, at: self.context.place(of: "default", in: service.place),
                found: "a second default for \(service.serviceProtocol.rawValue); "
                    + "the first is \"\(other.name)\" in line \(other.place.line)",
                expected: "one default service a protocol",
                remedy: "take default out of one of the two")
        }
    }

    private func checkClientCertificate(_ service: Configuration.Service) {
        guard service.clientCertificate != .none else { return }
        let place = self.context.place(of: "client_certificate", in: service.place)
        let word = service.clientCertificate.rawValue
        if service.mode == .passthrough {
            self.context.report(
                .keysExclude, at: place, found: "client_certificate: \(word) with mode passthrough",
                expected:
                    "mode terminate, as the router cannot see a certificate that passes unopened",
                remedy: "write mode: terminate, or let the upstream ask for the certificate")
            return
        }
        if self.tenant.clientAuthorities.isEmpty,
            !self.context.hasProblem(under: self.tenant.place.inside("client_ca", nil).path)
        {
            self.context.report(
                .keyNeedsAnother, at: place,
                found: "client_certificate: \(word), while tenant \"\(self.tenant.name)\" "
                    + "(line \(self.tenant.place.line)) has no client_ca",
                expected: "the authorities to verify it against",
                remedy: "add client_ca: [FILE.pem] to the tenant")
        }
    }

    private func checkReachable(_ service: Configuration.Service) {
        let reference = (self.tenant.name, service.name)
        let isReached =
            !self.tenant.domains.isEmpty || !service.hosts.isEmpty
            || self.configuration.defaults.values.contains { ($0.tenant, $0.service) == reference }
            || self.configuration.listeners.contains { listener in
                listener.tenant == self.tenant.name
                    && (listener.service == service.name
                        || (listener.service == nil && service.isDefault))
            }
        guard !isReached, !self.context.hasErrors else { return }
        self.context.report(
            .unreachableService, at: service.place,
            found: "service \"\(service.name)\", to which no name and no listener leads",
            expected:
                "a domain of the tenant, a host of the service, or a listener of its own",
            remedy: "add domains: [NAME] to the tenant, or hosts: [NAME] here")
    }
}

extension Configuration.Tenant {
    /// Whether the tenant has a service of that name; reported when not.
    func knows(_ name: String, at place: SourcePlace, context: ReadingContext) -> Bool {
        guard !name.isEmpty, !self.services.contains(where: { $0.name == name }) else {
            return true
        }
        guard !self.services.contains(where: \.name.isEmpty) else { return false }
        let names = self.services.map(\.name)
        let nearest = nearestWord(to: name, in: names)
        let meant = nearest.flatMap { nearest in self.services.first { $0.name == nearest } }
        context.report(
            .unknownReference, at: place,
            found: "service \"\(name)\", which tenant \"\(self.name)\" "
                + "(line \(self.place.line)) does not have",
            expected: names.isEmpty ? "a service" : ReadingContext.someOf(names),
            remedy: meant.map { "did you mean \"\($0.name)\" (line \($0.place.line))?" }
                ?? "name a service of this tenant, or add it")
        return false
    }
}

extension ReadingContext {
    /// Whether something was reported about a key, whose value then may only seem to be absent.
    func hasProblem(under path: String) -> Bool {
        self.problems.contains { $0.path.hasPrefix(path) }
    }
}
