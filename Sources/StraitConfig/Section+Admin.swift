// The keys of `admin`: where operators are answered.

package import StraitCore

extension Keys {
    static let admin: [Key] = [
        Key(
            "unix", .socketPath, default: "/run/strait/admin.sock",
            "UNIX socket of the operators; a relative path starts at this file's folder."),
        Key(
            "https", .listenerAddress, note: "none", example: "\"[::]:3025\"",
            "Where operators and tenants' administrators with certificates are answered, too."),
        Key(
            "names", .list(of: .serverName, 1...16),
            note: "the machine's name, localhost and the address of https",
            example: "[router-1.example.com, 10.0.3.2]",
            "Names and addresses by which https is reached; its certificate has them."),
    ]
}

extension Configuration {
    /// Where operators are answered.
    package struct Admin: Sendable, Equatable {
        /// Absolute, at most 107 bytes.
        package var unixPath: String
        /// Where they are answered by TLS, with certificates of the installation's authority.
        package var https: Listener?
        /// The host names by which that is reached; none: as the machine is called.
        package var names: [HostName]
        /// Likewise addresses.
        package var addresses: [IPAddress]
        /// Where it stands.
        package var place: SourcePlace
    }

    /// Every listener, the operators' one behind the others.
    package var allListeners: [Listener] {
        self.listeners + (self.admin.https.map { [$0] } ?? [])
    }
}

extension Configuration.Listener {
    /// What the operators' listener is called; no other has a name with a full stop.
    package static let operatorsName = "admin.https"
}

extension Section {
    /// `hasRegistry`: whether the router keeps its tenants in one.
    func admin(hasRegistry: Bool) -> Configuration.Admin {
        let text = self.text("unix") ?? ""
        let path = self.resolved(text)
        if text.isEmpty || path.utf8.contains(0) || path.utf8.count > 107 {
            self.report(
                .malformedText, "unix", found: ReadingContext.quoted(text),
                expected: "a path of at most 107 bytes (sun_path), absolute or from this folder",
                remedy: "write a shorter path, as in /run/strait/admin.sock")
        }
        let names = self.adminNames()
        return .init(
            unixPath: path, https: self.adminListener(hasRegistry: hasRegistry),
            names: names.names, addresses: names.addresses, place: self.place(of: "unix"))
    }

    private func adminListener(hasRegistry: Bool) -> Configuration.Listener? {
        guard self.mentions("https") else {
            if self.mentions("names") {
                self.report(
                    .keyNeedsAnother, "names", found: "names, without \"https\"",
                    expected: "https beside it", remedy: "add https: \"[::]:3025\"")
            }
            return nil
        }
        if !hasRegistry {
            self.report(
                .keyNeedsAnother, "https", found: "https without a registry",
                expected: "a registry, which keeps the authority that operators' certificates "
                    + "are verified with",
                remedy: "add registry: { path: registry.db }, or use admin.unix alone")
        }
        guard let address = self.listenerAddress("https") else { return nil }
        guard case .ip = address else {
            self.report(
                .malformedAddress, "https", found: "\"\(address)\"",
                expected: "an IP address and a port", remedy: "write \"[::]:3025\"")
            return nil
        }
        return Configuration.Listener(
            name: Configuration.Listener.operatorsName, address: address,
            protocols: .shared([.tls]), proxyHeader: .absent, tenant: nil, service: nil,
            serverFirst: nil, redirectsToHTTPS: false, backlog: Limits.listenBacklog,
            place: self.place(of: "https"))
    }

    private func adminNames() -> (names: [HostName], addresses: [IPAddress]) {
        var names: [HostName] = []
        var addresses: [IPAddress] = []
        for text in self.uniqueTexts("names") {
            if let address = IPAddress(text.value) {
                addresses.append(address)
            } else if let name = self.hostName(text) {
                names.append(name)
            }
        }
        return (names, addresses)
    }
}
