// What can only be judged when the whole file was read: names, references, addresses, and values
// that must fit together. Both sides are named with their lines.

package import StraitCore

extension Configuration {
    /// The service that gets connections of `serviceProtocol` that carry no name on `listener`;
    /// nil: they are refused.
    ///
    /// The listener's own service; else, on a listener of one tenant, that tenant's default service
    /// of the protocol; on any other listener what ``defaults`` says.
    package func namelessService(
        _ serviceProtocol: ServiceProtocol, on listener: Configuration.Listener
    ) -> ServiceReference? {
        guard let name = listener.tenant else { return self.defaults[serviceProtocol] }
        if let service = listener.service {
            return ServiceReference(tenant: name, service: service, place: listener.place)
        }
        let service = self.tenant(named: name)?.services.first {
            $0.isDefault && $0.serviceProtocol == serviceProtocol
        }
        return service.map { ServiceReference(tenant: name, service: $0.name, place: $0.place) }
    }

    /// Reports what does not fit together.
    func checkTogether(_ section: Section) {
        let context = section.context
        self.checkNames(context)
        self.checkListenerAddresses(context)
        for listener in self.listeners {
            ListenerCheck(configuration: self, listener: listener, context: context).run()
        }
        for tenant in self.tenants {
            TenantCheck(configuration: self, tenant: tenant, context: context).run()
        }
        self.checkDefaults(context)
        self.checkTimeouts(section)
        if let registry, let tenant = self.tenants.first {
            context.report(
                .keysExclude, at: tenant.place,
                found: "tenants beside a registry "
                    + "(line \(registry.place.line))",
                expected: "tenants in one of the two",
                remedy: "move them: strait import FILE; or take registry out")
        }
        if self.registry == nil, self.tenants.isEmpty, !context.hasErrors {
            context.report(
                .nothingToServe, at: section.place(of: "tenants"), found: "no tenants",
                expected: "at least one tenant with a service",
                remedy: "add tenants; until then every connection is refused")
        }
    }

    private func checkNames(_ context: ReadingContext) {
        context.checkUnique(self.listeners.map { ($0.name, $0.place) }, what: "listener")
        context.checkUnique(self.tenants.map { ($0.name, $0.place) }, what: "tenant")
        for tenant in self.tenants {
            context.checkUnique(
                tenant.services.map { ($0.name, $0.place) }, what: "service of this tenant")
        }
    }

    private func checkListenerAddresses(_ context: ReadingContext) {
        var first: [SocketAddress: SourcePlace] = [
            .unix(path: self.admin.unixPath): self.admin.place
        ]
        for listener in self.allListeners
        where listener.address != .unreadable && !listener.isAnyPort {
            let other = listener.sameAddresses.lazy.compactMap { address in
                first[address].map { (address, $0) }
            }.first
            guard let (address, place) = other else {
                first[listener.address] = listener.place
                continue
            }
            let isSame = address == listener.address
            context.report(
                .addressTwice,
                at: listener.name == Configuration.Listener.operatorsName
                    ? listener.place : context.place(of: "address", in: listener.place),
                found: isSame
                    ? "\"\(address)\" a second time; first at \(place.lineAndPath)"
                    : "\"\(listener.address)\" beside \"\(address)\", \(place.lineAndPath)",
                expected: "an address of its own",
                remedy: isSame
                    ? "change one of the two, or make them one listener"
                    : "keep [::]:\(listener.address.port) only; it takes IPv4 too")
        }
    }

    private func checkDefaults(_ context: ReadingContext) {
        for (serviceProtocol, reference) in self.defaults {
            guard self.knows(reference, context: context) else { continue }
            guard let service = self.service(reference), service.isUnderstood,
                service.serviceProtocol != serviceProtocol
            else { continue }
            context.report(
                .wrongRelation, at: reference.place,
                found: "\"\(reference.tenant)/\(reference.service)\" (line \(service.place.line)), "
                    + "whose protocol is \(service.serviceProtocol.rawValue)",
                expected: "a service with protocol \(serviceProtocol.rawValue)",
                remedy: "name another service, or change its protocol")
        }
    }

    /// Whether tenant and service exist; reported when not.
    func knows(_ reference: ServiceReference, context: ReadingContext) -> Bool {
        guard let tenant = self.tenant(named: reference.tenant) else {
            self.reportUnknownTenant(reference.tenant, at: reference.place, context: context)
            return false
        }
        return tenant.knows(reference.service, at: reference.place, context: context)
    }

    /// Reports a tenant that is not there, unless one could not be read and may be it.
    func reportUnknownTenant(_ name: String, at place: SourcePlace, context: ReadingContext) {
        // What a registry has is known when the router runs.
        guard self.registry == nil, !name.isEmpty,
            !self.tenants.contains(where: \.name.isEmpty)
        else { return }
        let names = self.tenants.map(\.name)
        let nearest = nearestWord(to: name, in: names)
        let meant = nearest.flatMap { self.tenant(named: $0) }
        context.report(
            .unknownReference, at: place, found: "tenant \"\(name)\", which is not in this file",
            expected: names.isEmpty ? "a tenant" : ReadingContext.someOf(names),
            remedy: meant.map { "did you mean \"\($0.name)\" (line \($0.place.line))?" }
                ?? "name a tenant of this file, or add it")
    }

    private func checkTimeouts(_ section: Section) {
        let context = section.context
        guard !context.hasProblem(under: "timeouts") else { return }
        let firstByte = self.timeouts.firstByte
        if firstByte > self.timeouts.hello {
            let inner = section.section("timeouts")
            inner.report(
                .wrongRelation, inner.mentions("first_byte") ? "first_byte" : "hello",
                found: "first_byte \(DurationText.text(firstByte)), "
                    + "hello \(DurationText.text(self.timeouts.hello))",
                expected: "first_byte no longer than hello, of which it is a part",
                remedy: "shorten first_byte or lengthen hello")
        }
        for listener in self.listeners {
            guard let wait = listener.serverFirst?.wait, wait >= firstByte else { continue }
            context.report(
                .wrongRelation, at: context.place(of: "server_first_wait", in: listener.place),
                found: "server_first_wait \(DurationText.text(wait)), "
                    + "timeouts.first_byte \(DurationText.text(firstByte))",
                expected: "server_first_wait shorter than timeouts.first_byte",
                remedy: "shorten server_first_wait")
        }
    }
}

extension Configuration.Listener {
    /// Whether the kernel chooses the port.
    fileprivate var isAnyPort: Bool {
        if case .ip(_, port: 0) = self.address { true } else { false }
    }

    /// This address, and those that cannot be bound beside it: `[::]` takes what `0.0.0.0` takes.
    fileprivate var sameAddresses: [SocketAddress] {
        guard case .ip(let ip, let port) = self.address, ip == .anyIPv4 || ip == .anyIPv6 else {
            return [self.address]
        }
        return [self.address, .ip(ip == .anyIPv4 ? .anyIPv6 : .anyIPv4, port: port)]
    }
}

extension IPAddress {
    fileprivate static let anyIPv4 = IPAddress(v4: 0)
    fileprivate static let anyIPv6 = IPAddress(high: 0, low: 0)
}

extension SourcePlace {
    /// For a sentence that names the other side: `line 4 (listeners[0])`.
    var lineAndPath: String { "line \(self.line) (\(self.path))" }
}

extension ReadingContext {
    /// Reports names that stand twice.
    func checkUnique(_ names: [(String, SourcePlace)], what: String) {
        var first: [String: SourcePlace] = [:]
        for (name, place) in names where !name.isEmpty {
            guard let other = first[name] else {
                first[name] = place
                continue
            }
            self.report(
                .duplicateName, at: self.place(of: "name", in: place),
                found: "\"\(name)\" a second time; first at \(other.lineAndPath)",
                expected: "a name that no other \(what) has", remedy: "rename one of the two")
        }
    }

    /// The first of many names.
    static func someOf(_ names: [String]) -> String {
        names.count <= 8
            ? Self.alternatives(names)
            : names.prefix(8).joined(separator: ", ") + " or one of \(names.count - 8) more"
    }
}
