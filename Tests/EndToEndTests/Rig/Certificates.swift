// Authorities and certificates of the rig, made by the openssl program.

import Foundation

/// A certificate with its key, PEM.
struct Identity: Sendable {
    let certificate: String
    let key: String
}

/// Every authority and certificate that the tests use.
struct Certificates: Sendable {
    /// The authority of all host certificates; downstreams trust it.
    let hostAuthority: String
    /// What the router shows for tenant acme: `acme.test`, `*.acme.test`.
    let acme: Identity
    /// What the router shows for `solo.test`, the one name of the tenant of that name.
    let solo: Identity
    /// What the router shows for tenant globex.
    let globex: Identity
    /// What upstreams show themselves: the same names, another key.
    let upstream: Identity
    /// The authority of acme's people.
    let acmeUsers: String
    /// A person of acme.
    let alice: Identity
    /// A person of acme whose certificate has expired.
    let bygone: Identity
    /// A person of globex.
    let mallory: Identity
    let globexUsers: String

    static func make(in shell: Shell) async throws -> Certificates {
        let maker = Maker(shell: shell, directory: "\(shell.directory)/certificates")
        try FileManager.default.createDirectory(
            atPath: maker.directory, withIntermediateDirectories: true)
        for authority in ["hosts", "acme-users", "globex-users"] {
            try await maker.authority(authority)
        }
        let acmeNames = ["acme.test", "*.acme.test"]
        return Certificates(
            hostAuthority: maker.path("hosts.pem"),
            acme: try await maker.host("acme", names: acmeNames),
            solo: try await maker.host("solo", names: ["www.solo.test"]),
            globex: try await maker.host("globex", names: ["globex.test", "*.globex.test"]),
            upstream: try await maker.host(
                "upstream", names: acmeNames + ["*.globex.test", "localhost"]),
            acmeUsers: maker.path("acme-users.pem"),
            alice: try await maker.person("alice", of: "acme-users"),
            bygone: try await maker.person("bygone", of: "acme-users", expired: true),
            mallory: try await maker.person("mallory", of: "globex-users"),
            globexUsers: maker.path("globex-users.pem"))
    }

    /// Makes another certificate for a tenant's names, as a renewal does.
    static func renew(_ name: String, names: [String], in shell: Shell) async throws -> Identity {
        try await Maker(shell: shell, directory: "\(shell.directory)/certificates")
            .host(name, names: names)
    }
}

private struct Maker {
    let shell: Shell
    let directory: String

    private static let newKey = [
        "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
    ]

    func path(_ name: String) -> String { "\(self.directory)/\(name)" }

    func authority(_ name: String) async throws {
        try await self.shell.must(
            ["openssl", "req", "-x509"] + Self.newKey + [
                "-days", "2", "-subj", "/CN=\(name)",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-keyout", self.path("\(name).key"), "-out", self.path("\(name).pem"),
            ])
    }

    func host(_ name: String, names: [String]) async throws -> Identity {
        let alternative = names.map { "DNS:\($0)" }.joined(separator: ",")
        return try await self.issue(
            name, subject: "/CN=\(names[0])", by: "hosts",
            extensions: "subjectAltName=\(alternative)\nextendedKeyUsage=serverAuth")
    }

    func person(
        _ name: String, of authority: String, expired: Bool = false
    ) async throws -> Identity {
        try await self.issue(
            name, subject: "/CN=\(name)", by: authority,
            extensions: "extendedKeyUsage=clientAuth", expired: expired)
    }

    private func issue(
        _ name: String, subject: String, by authority: String, extensions: String,
        expired: Bool = false
    ) async throws -> Identity {
        let request = self.path("\(name).csr")
        let identity = Identity(
            certificate: self.path("\(name).pem"), key: self.path("\(name).key"))
        try await self.shell.must(
            ["openssl", "req"] + Self.newKey + [
                "-subj", subject, "-keyout", identity.key, "-out", request,
            ])
        let settings = """
            [ca]
            default_ca = it
            [it]
            database = \(self.path("\(name).index"))
            new_certs_dir = \(self.directory)
            rand_serial = yes
            default_md = sha256
            policy = any
            x509_extensions = leaf
            unique_subject = no
            [any]
            commonName = supplied
            [leaf]
            \(extensions)
            """
        try settings.write(toFile: self.path("\(name).cnf"), atomically: true, encoding: .utf8)
        try "".write(toFile: self.path("\(name).index"), atomically: true, encoding: .utf8)
        let from = Self.timestamp(days: expired ? -60 : -1)
        let until = Self.timestamp(days: expired ? -30 : 89)
        try await self.shell.must([
            "openssl", "ca", "-batch", "-notext", "-config", self.path("\(name).cnf"),
            "-cert", self.path("\(authority).pem"), "-keyfile", self.path("\(authority).key"),
            "-startdate", from, "-enddate", until, "-in", request,
            "-out", identity.certificate,
        ])
        return identity
    }

    /// A day from now as X.509 writes it.
    private static func timestamp(days: Double) -> String {
        let format = DateFormatter()
        format.locale = Locale(identifier: "en_US_POSIX")
        format.timeZone = TimeZone(identifier: "UTC")
        format.dateFormat = "yyyyMMddHHmmss'Z'"
        return format.string(from: Date().addingTimeInterval(days * 86_400))
    }
}
