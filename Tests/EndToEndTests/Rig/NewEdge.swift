// A router that starts with nothing, what its operator types, and the programs that reach it.

import Foundation
import Testing

/// A tenant of a ``NewEdge`` under one of its names.
struct EdgeTenant: Sendable {
    var name: String
    /// The name it was made with: what its upstreams answer.
    let origin: String
    var domain: String
    /// What its API server's certificate is verified by.
    let kubernetesAuthority: String
    let upstreams: TenantUpstreams
    /// By kind, as `strait port ls` tells them.
    var ports: [String: Int] = [:]

    func port(_ kind: String) throws -> Int { try #require(self.ports[kind], "\(kind)") }
}

/// The router, in a folder where nothing was but its configuration.
struct NewEdge: Sendable {
    let rig: Rig
    let router: Router
    /// Where everybody's names are.
    let port: Int
    /// Its folder is the router's.
    let shell: Shell
    /// The installation's authority.
    var authority: String { "\(self.shell.directory)/ca.pem" }

    init(_ rig: Rig) async throws {
        self.rig = rig
        self.port = try Loopback.freePort()
        self.router = try await Router.start(
            "from-nothing",
            """
            workers: 2
            listeners: [{ name: public, address: "[::]:\(self.port)" }]
            registry: { path: registry.db }
            ports: { ranges: [21200-21239] }

            """, in: rig.shell)
        self.shell = Shell(
            directory: (self.router.configurationPath as NSString).deletingLastPathComponent)
        try await self.strait("authority", "show", "--installation").text.write(
            toFile: self.authority, atomically: true, encoding: .utf8)
    }

    // MARK: The operator

    /// Runs a command, which has to succeed.
    @discardableResult
    func strait(_ arguments: String...) async throws -> Output {
        try await self.shell.must(self.words(arguments))
    }

    /// Changes the registry; every worker obeys when the command ends.
    func change(_ arguments: String...) async throws { try await self.change(arguments) }

    private func change(_ arguments: [String]) async throws {
        let output = try await self.shell.must(self.words(arguments))
        let live = #/.*: revision \d+ live on all workers after [\d.]+ ms\n/#
        #expect(output.text.wholeMatch(of: live) != nil, "\(output)")
        // Kept with STRAIT_KEEP=1, for who wants to read how long changes took.
        try await self.shell.must(
            ["tee", "-a", "\(self.shell.directory)/answers"], input: .text(output.text))
    }

    private func words(_ arguments: [String]) -> [String] {
        [Programs.strait] + arguments + ["--admin", self.router.adminSocket]
    }

    /// Its API server is passed through, and shows a certificate of its own.
    func addBeta() async throws -> EdgeTenant {
        let tls = try await Certificates.renew(
            "beta-kube", names: ["beta.example.com", "prod.beta.example.com"], in: self.rig.shell)
        return try await self.add(
            "beta", postgres: self.rig.postgres15, tls: tls,
            kubernetesAuthority: self.rig.certificates.hostAuthority)
    }

    /// TLS to its API server ends here.
    func addAcme() async throws -> EdgeTenant {
        try await self.add(
            "acme", postgres: self.rig.postgres17, tls: nil, kubernetesAuthority: self.authority)
    }

    private func add(
        _ name: String, postgres: PostgreSQL, tls: Identity?, kubernetesAuthority: String
    ) async throws -> EdgeTenant {
        let upstreams = try await TenantUpstreams.start(
            name, self.rig, postgres: postgres, tls: tls)
        try await self.change("tenant", "add", name, "--domain", "\(name).example.com")
        try await self.change(
            "authority", "add", name, "inside", "--file", self.rig.certificates.hostAuthority)
        func service(
            _ service: String, _ kind: String, _ mode: String, _ upstream: String...
        )
            async throws
        {
            try await self.change(
                [
                    "service", "add", "\(name)/\(service)", "--protocol", kind, "--mode", mode,
                    "--upstream",
                ] + upstream)
        }
        try await service("orders", "postgres", "terminate", "tcp://127.0.0.1:\(postgres.port)")
        try await service("shop", "mysql", "terminate", "tcp://127.0.0.1:\(upstreams.mariadbPort)")
        try await service("bastion", "ssh", "terminate", "tcp://127.0.0.1:\(upstreams.ssh.port)")
        try await service("echo", "tcp", "terminate", "tcp://[::1]:\(upstreams.echoPort)")
        let web = "tls://127.0.0.1:\(upstreams.webPort)"
        try await service(
            "www", "web", "terminate", web, "--key", #"alpn=["h2","http/1.1"]"#, "--key",
            Self.inside(web))
        let cluster = "127.0.0.1:\(upstreams.kubernetesPort)"
        if tls == nil {
            try await service(
                "prod", "kubernetes", "terminate", "tls://\(cluster)", "--key",
                Self.inside("tls://\(cluster)"))
        } else {
            try await service("prod", "kubernetes", "passthrough", "tcp://\(cluster)")
        }
        var tenant = EdgeTenant(
            name: name, origin: name, domain: "\(name).example.com",
            kubernetesAuthority: kubernetesAuthority, upstreams: upstreams)
        try await self.addEchoPort(name)
        tenant.ports = try await self.ports(of: name)
        let direct = try await Kubectl(
            self.rig, host: tls == nil ? "any.acme.test" : "prod.beta.example.com",
            router: cluster, authority: self.rig.certificates.hostAuthority, token: "it")
        try await direct.must(["label", "pod", "web", "tide=\(name)"])
        return tenant
    }

    /// An upstream by TLS, verified by what the tenant has under that name.
    private static func inside(_ upstream: String) -> String {
        #"upstreams=[{"address":"\#(upstream)","ca":"inside","server_name":"localhost"}]"#
    }

    /// One port more, by the document.
    private func addEchoPort(_ name: String) async throws {
        let program = Programs.strait
        let admin = "--admin \(self.router.adminSocket)"
        let output = try await self.shell.bash(
            "\(program) tenant show \(name) --format json \(admin) | sed -e 's/}$/,"
                + #""ports":[{"kind":"echo","service":"echo"}]}/' -e 's/^/tenants: [/' "#
                + "-e 's/$/]/' | \(program) import \(admin) -")
        #expect(output.succeeded, "\(output)")
    }

    /// What the tenant has now.
    func ports(of name: String) async throws -> [String: Int] {
        struct Port: Decodable {
            var port: Int
            var kind: String
        }
        let output = try await self.strait("port", "ls", "--tenant", name, "--format", "json")
        let rows = try JSONDecoder().decode([Port].self, from: output.standardOutput)
        #expect(rows.count == 6, "\(output)")
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.kind, $0.port) })
    }

    /// Renames acme; its ports stay.
    func rename(_ acme: EdgeTenant) async throws -> EdgeTenant {
        try await self.change(
            "tenant", "rename", "acme", "anvil", "--domain", "anvil.example.com")
        var anvil = acme
        anvil.name = "anvil"
        anvil.domain = "anvil.example.com"
        anvil.ports = try await self.ports(of: "anvil")
        #expect(anvil.ports == acme.ports)
        return anvil
    }

    /// Uploads a certificate, and another one in its place: each is shown at once.
    func rotate(_ tenant: EdgeTenant) async throws {
        let host = "www.\(tenant.domain)"
        for name in ["first", "second"] {
            let identity = try await Certificates.renew(name, names: [host], in: self.rig.shell)
            try await self.change(
                "certificate", "add", tenant.name, "public", "--chain", identity.certificate,
                "--key", identity.key)
            let digest = "openssl x509 -noout -fingerprint -sha256"
            let output = try await self.shell.bash(
                "openssl s_client -connect 127.0.0.1:\(self.port) -servername \(host) "
                    + "</dev/null 2>/dev/null | \(digest); \(digest) -in \(identity.certificate)")
            let shown = output.text.split(separator: "\n")
            #expect(shown.count == 2 && shown.first == shown.last, "\(name): \(output)")
        }
        let trusting = ["--cacert", self.rig.certificates.hostAuthority]
        let web = try await self.curl(host, "/", .ipv4, trusting)
        #expect(web.text == "\(tenant.origin) HTTP/2.0\n", "\(web)")
    }

    /// Gives a service another upstream; new connections lead there.
    func move(_ tenant: EdgeTenant) async throws {
        let web = "tls://127.0.0.1:\(tenant.upstreams.movedWebPort)"
        try await self.change("service", "set", "\(tenant.name)/www", "--key", Self.inside(web))
        let answer = try await self.curl(
            "www.\(tenant.domain)", "/", .ipv6,
            ["--cacert", self.rig.certificates.hostAuthority])
        #expect(answer.text == "moved \(tenant.origin) HTTP/2.0\n", "\(answer)")
    }

    // MARK: Everybody's programs

    /// By the service's name, by the tenant's port, and there with no name at all.
    func psql(_ tenant: EdgeTenant, _ family: Family) async throws -> [Output] {
        let program: PostgresProgram = family == .ipv4 ? .psql15 : .psql17
        let verified = "sslmode=verify-full sslrootcert=\(self.authority)"
        let own = try tenant.port("postgres")
        return try await [
            "host=orders.\(tenant.domain) port=\(self.port) \(verified)",
            "host=\(tenant.domain) port=\(own) \(verified)",
            "host=\(family.address) port=\(own) sslmode=require",
        ].asyncMap { way in
            try await self.shell.run([
                program.psql, "-qAtX",
                "\(way) hostaddr=\(family.address) user=\(PostgreSQL.user) connect_timeout=20 "
                    + "dbname=\(PostgreSQL.database)", "-c", "select name from whoami",
            ])
        }
    }

    /// By the tenant's port.
    func mariadb(_ tenant: EdgeTenant, _ family: Family) async throws -> Output {
        try await self.shell.run(
            self.rig.mariadb(
                try tenant.port("mysql"), family, tls: ["--ssl", "--ssl-ca=\(self.authority)"])
                + ["-e", "select name from orders.whoami"])
    }

    /// By name, through `strait connect`.
    func mariadbByName(_ tenant: EdgeTenant) async throws -> Output {
        let local = try Loopback.freePort()
        let connect = try Daemon.start(
            "connect-\(local)",
            [
                Programs.strait, "connect", "shop.\(tenant.domain)", "--router",
                "127.0.0.1:\(self.port)", "--ca", self.authority, "--service-protocol", "mysql",
                "--listen", "127.0.0.1:\(local)",
            ], in: self.rig.shell)
        try await connect.ready("listens") { connect.log.contains("leads to") }
        let output = try await self.shell.run(
            self.rig.mariadb(local, .ipv4, tls: ["--skip-ssl"])
                + ["-e", "select name from orders.whoami"])
        try await connect.stop()
        return output
    }

    /// By the tenant's port, and by name as a ProxyCommand.
    func ssh(_ tenant: EdgeTenant, _ family: Family) async throws -> [Output] {
        let connect =
            "'\(Programs.strait)' connect bastion.\(tenant.domain) --router "
            + "\(family.bracketed):\(self.port) --ca '\(self.authority)'"
        let ways: [OpenSSH.Reach] = [
            .address(family, try tenant.port("ssh")), .proxyCommand(connect),
        ]
        return try await ways.asyncMap { way in
            let configuration = try tenant.upstreams.ssh.configuration("edge", reach: way)
            return try await self.shell.run(
                ["ssh", "-F", configuration, "target", "echo $SSH_CONNECTION"])
        }
    }

    /// By the service's name, and by the tenant's port under either name.
    func kubectl(_ tenant: EdgeTenant, _ family: Family) async throws -> [Output] {
        let own = try tenant.port("kube")
        return try await [
            ("prod.\(tenant.domain)", self.port), ("prod.\(tenant.domain)", own),
            (tenant.domain, own),
        ].asyncMap { host, port in
            let kubectl = try await Kubectl(
                self.rig, host: host, router: "\(family.bracketed):\(port)",
                authority: tenant.kubernetesAuthority, token: "bob")
            return try await kubectl.run(
                ["get", "pod", "web", "-o", "jsonpath={.metadata.labels.tide}"])
        }
    }

    func curl(
        _ host: String, _ path: String, _ family: Family, _ options: [String]
    ) async throws -> Output {
        try await self.shell.run(
            [
                "curl", "-sS", "--max-time", "20", "--cacert", self.authority, "--resolve",
                "\(host):\(self.port):\(family.bracketed)",
            ] + options + ["https://\(host):\(self.port)\(path)"])
    }

    // MARK: What goes on meanwhile

    /// Connections to a tenant's echo, by name and by its port, until they are ended.
    func bystanders(of tenant: EdgeTenant, held: Int, new: Int) async throws -> Bystanders {
        let daemon = try Daemon.start(
            "\(tenant.name)-bystanders",
            [
                Programs.python, Programs.script("bystanders.py"), self.authority,
                "echo.\(tenant.domain)", "\(self.port)", "\(try tenant.port("echo"))", "\(held)",
                "\(new)",
            ], in: self.rig.shell)
        try await daemon.ready("exchange bytes") { daemon.log.contains("running") }
        return Bystanders(daemon: daemon)
    }

    struct Bystanders: Sendable {
        let daemon: Daemon

        /// What they counted.
        func end() async throws -> String {
            try await self.daemon.stop(within: 60)
            return String(self.daemon.log.split(separator: "\n").last ?? "")
        }
    }
}

extension Sequence {
    /// One after another.
    fileprivate func asyncMap<Result>(
        _ transform: (Element) async throws -> Result
    ) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await transform(element)) }
        return results
    }
}
