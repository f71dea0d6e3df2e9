// What a good configuration becomes, and that all faults of a bad one are told at once.

import StraitConfig
import StraitCore
import Testing

@Suite("A configuration that is right") struct ConfigurationReaderTests {
    private let reader = ConfigurationReader(checksFiles: false)

    private func configuration(_ text: String) throws -> Configuration {
        let reading = self.reader.read(
            text: text, file: "/etc/strait/strait.yaml")
        #expect(reading.problems.isEmpty, "\(reading.problems.map(\.text).joined(separator: "\n"))")
        return try #require(reading.configuration)
    }

    @Test("gets the defaults of the limits where it says nothing")
    func defaults() throws {
        let text = BrokenConfiguration.listeners + BrokenConfiguration.tenants
        let configuration = try self.configuration(text)

        #expect(configuration.region == "local")
        #expect(configuration.workers == nil)
        #expect(configuration.admin.unixPath == "/run/strait/admin.sock")
        #expect(configuration.timeouts.firstByte == Limits.firstByteTimeout)
        #expect(configuration.timeouts.hello == Limits.helloTimeout)
        #expect(configuration.timeouts.handshake == Limits.handshakeTimeout)
        #expect(configuration.timeouts.connect == Limits.connectTimeout)
        #expect(configuration.timeouts.idle == Limits.idleTimeout)
        #expect(configuration.timeouts.halfClosed == Limits.halfClosedTimeout)
        #expect(configuration.timeouts.drain == Limits.drainTimeout)
        #expect(configuration.limits.connections == nil)
        #expect(configuration.limits.unroutedConnections == Limits.unroutedConnectionsMax)
        #expect(configuration.tcp.keepaliveIdle == Limits.keepaliveIdle)
        #expect(configuration.tcp.userTimeout == Limits.userTimeout)
        #expect(configuration.access.destination == .standardOutput)
        #expect(configuration.access.recent == Limits.recentConnectionsMax)
        #expect(configuration.metrics.tenants == 200)
        #expect(configuration.tls.ticketLifetime == Limits.ticketLifetime)
        #expect(configuration.log.level == .info)
        #expect(configuration.log.format == .text)
        let listener = try #require(configuration.listeners.first)
        #expect(listener.protocols == .shared([.tls, .ssh, .http, .postgres]))
        #expect(listener.proxyHeader == .absent)
        #expect(listener.backlog == Limits.listenBacklog)
        #expect(listener.place == SourcePlace(line: 2, column: 5, path: "listeners[0]"))
        let service = try #require(configuration.tenants.first?.services.first)
        #expect(service.mode == .passthrough)
        #expect(service.applicationProtocols.isEmpty)
        #expect(service.clientCertificate == .none)
        #expect(service.connectTimeout == nil)
        #expect(service.place.path == "tenants[0].services[0]")
    }

    @Test("has every value that it wrote")
    func values() throws {
        let text = """
            workers: 3
            admin: { unix: run/admin.sock }
            listeners:
              - { name: lb, address: "unix:///run/a", protocols: [http], redirect_to_https: true }
              - { name: b, address: "0.0.0.0:1", proxy_protocol: required,
                  trusted: ["::1", 10.0.0.0/8] }
              - { name: c, address: "[::]:2", tenant: acme, service: db }
              - { name: d, address: "[::]:3", tenant: acme, service: db, server_first: mysql }
            tenants:
              - name: acme
                domains: [ACME.example.com.]
                certificates: [{ chain: ../acme.pem, key: /keys/acme.key }]
                client_ca: [people.pem]
                limits: { connections: 5, new_connections_per_second: 6 }
                services:
                  - name: db
                    protocol: mysql
                    hosts: ["*.db.example.com"]
                    alpn: [h2]
                    connect_timeout: 250ms
                    idle_timeout: 2h
                    upstreams: [{ address: "unix:/run/db", proxy_protocol: v1 }]
                  - name: web
                    protocol: web
                    mode: terminate
                    client_certificate: optional
                    default: true
                    upstreams:
                      - { address: "tls://[::1]:4", ca: ca.pem, certificate: c.pem, key: c.key }
                      - { address: "tls+unix:/run/w", ca: system, server_name: W.internal }
            defaults: { mysql: acme/db }
            access: { path: access.log, recent: 0 }
            """
        let configuration = try self.configuration(text)

        #expect(configuration.workers == 3)
        #expect(configuration.admin.unixPath == "/etc/strait/run/admin.sock")
        #expect(configuration.access.destination == .file("/etc/strait/access.log"))
        #expect(configuration.access.recent == 0)
        #expect(configuration.defaults[.mysql]?.service == "db")
        try self.checkListeners(configuration.listeners)
        let tenant = try #require(configuration.tenant(named: "acme"))
        #expect(tenant.domains.map(\.value.description) == ["acme.example.com"])
        #expect(tenant.certificates.map(\.chain.path) == ["/etc/acme.pem"])
        #expect(tenant.certificates.map(\.key.path) == ["/keys/acme.key"])
        #expect(tenant.clientAuthorities.map(\.path) == ["/etc/strait/people.pem"])
        #expect(tenant.limits.connections == 5)
        #expect(tenant.limits.newConnections.perSecond == 6)
        try self.checkServices(tenant.services)
    }

    private func checkListeners(_ listeners: [Configuration.Listener]) throws {
        try #require(listeners.count == 4)
        #expect(listeners[0].address == .unix(path: "/run/a"))
        #expect(listeners[0].redirectsToHTTPS)
        #expect(listeners[0].protocols == .shared([.http]))
        let trusted = ["::1", "10.0.0.0/8"].compactMap { CIDRBlock($0) }
        #expect(listeners[1].proxyHeader == .required(trusted: trusted))
        #expect(listeners[2].protocols == .raw)
        #expect(listeners[3].protocols == .shared([.tls, .ssh, .http, .postgres]))
        #expect(listeners[3].serverFirst?.serviceProtocol == .mysql)
        #expect(listeners[3].serverFirst?.wait == Limits.serverFirstWait)
    }

    private func checkServices(_ services: [Configuration.Service]) throws {
        try #require(services.count == 2)
        #expect(services[0].hosts.map(\.value.description) == ["*.db.example.com"])
        #expect(services[0].applicationProtocols == [.http2])
        #expect(services[0].connectTimeout == .milliseconds(250))
        #expect(services[0].idleTimeout == .seconds(7200))
        #expect(services[0].upstreams.map(\.proxyHeader) == [.v1])
        #expect(services[1].isDefault)
        #expect(services[1].clientCertificate == .optional)
        let first = try #require(services[1].upstreams.first?.tls)
        #expect(first.serverName == "::1")
        #expect(first.serverNameIsAddress)
        #expect(first.verifies)
        #expect(first.certificate?.key.path == "/etc/strait/c.key")
        let second = try #require(services[1].upstreams.last?.tls)
        #expect(second.authorities == .system)
        #expect(second.serverName == "w.internal")
        #expect(!second.serverNameIsAddress)
    }

    @Test("says who gets connections without a name")
    func nameless() throws {
        let text = """
            listeners:
              - { name: shared, address: "127.0.0.1:1" }
              - { name: tenant, address: "127.0.0.1:2", tenant: b }
              - { name: service, address: "127.0.0.1:3", tenant: b, service: two }
            tenants:
              - name: a
                services: [{ name: one, protocol: ssh, upstreams: [{ address: "tcp://[::1]:22" }] }]
              - name: b
                services:
                  - { name: two, protocol: ssh, upstreams: [{ address: "tcp://[::1]:22" }] }
                  - { name: three, protocol: ssh, default: true,
                      upstreams: [{ address: "tcp://[::1]:22" }] }
            defaults: { ssh: a/one }
            """
        let configuration = try self.configuration(text)
        let names = configuration.listeners.map { listener in
            configuration.namelessService(.ssh, on: listener).map { "\($0.tenant)/\($0.service)" }
        }
        #expect(names == ["a/one", "b/three", "b/two"])
        #expect(configuration.namelessService(.mysql, on: configuration.listeners[0]) == nil)
        #expect(configuration.namelessService(.mysql, on: configuration.listeners[1]) == nil)
    }

    @Test("may have several listeners on any free port")
    func freePorts() throws {
        let text = """
            listeners:
              - { name: a, address: "127.0.0.1:0" }
              - { name: b, address: "127.0.0.1:0" }
              - { name: c, address: "[::1]:0" }

            """
        #expect(try self.configuration(text + BrokenConfiguration.tenants).listeners.count == 3)
    }

    @Test("of two thousand tenants is read in one piece")
    func large() throws {
        let tenants = (0..<2000).map { index in
            """
              - name: t\(index)
                domains: [t\(index).example.com]
                services: [{ name: w, protocol: web, upstreams: [{ address: "tcp://[::1]:80" }] }]

            """
        }
        let text = BrokenConfiguration.listeners + "tenants:\n" + tenants.joined()
        #expect(try self.configuration(text).tenants.last?.place.line == 5998 + 3)
    }
}

@Suite("A configuration with many faults") struct ManyFaultsTests {
    @Test("tells every one of them in one run, in the order of the file")
    func everyFault() {
        let text = """
            region: Eu
            workers: 0
            listeners:
              - { name: public, address: "443", protocols: [tsl] }
              - { name: public, address: "[::]:80", tenant: amce }
              - { name: lb, address: "0.0.0.0:80", proxy_protocol: required }
            tenants:
              - name: acme
                domains: [*.example.com, "https://x"]
                services:
                  - { name: web, protocl: web, pin: all, upstreams: [{ address: "htttp://h:1" }] }
                  - { name: web, protocol: web, mode: terminate, client_certificate: required,
                      upstreams: [{ address: "tls://10.0.0.1:1", weight: 0 }] }
            timeouts: { hello: 5 }
            log: { level: loud, level: info }
            defaults: { ssh: acme/bastion }
            """
        let problems = ConfigurationReader().read(text: text, file: "strait.yaml").problems
        #expect(
            problems.map { "\($0.line) \($0.code.rawValue) \($0.path)" } == [
                "1 E2110 region", "2 E2106 workers", "4 E2108 listeners[0].address",
                "4 E2104 listeners[0].protocols[0]", "5 E2201 listeners[1].name",
                "5 E2202 listeners[1].tenant", "6 E2205 listeners[2].address",
                "6 E2203 listeners[2].proxy_protocol", "9 E2006 ",
                "9 E2109 tenants[0].domains[1]", "11 E2101 tenants[0].services[0].protocl",
                "11 E2102 tenants[0].services[0].pin",
                "11 E2104 tenants[0].services[0].upstreams[0].address",
                "12 E2201 tenants[0].services[1].name",
                "12 E2203 tenants[0].services[1].client_certificate",
                "13 E2203 tenants[0].services[1].upstreams[0].address",
                "13 E2106 tenants[0].services[1].upstreams[0].weight",
                "14 E2107 timeouts.hello", "15 E2007 log.level",
                "16 E2202 defaults.ssh",
            ])
    }
}
