// A whole registry out of one router and into another, as YAML.

import Foundation
import Testing

extension EndToEnd {
    @Suite("A registry that moves", .serialized) struct MovingTests {
        @Test(
            "has the same tenants, names, ports, certificates and authorities elsewhere",
            .timeLimit(.minutes(3)))
        func whole() async throws {
            let rig = try EndToEnd.rig()
            let old = try await Place("moving-old", in: rig)
            try await old.fill()
            let state = try await old.export()
            let ports = try await old.strait("port", "ls", "--tenant", "acme").text
            let file = try await old.file()
            #expect(file.contains("BEGIN CERTIFICATE") && !file.contains("PRIVATE KEY"))
            #expect(try await old.router.daemon.stop() == 0)

            let new = try await Place("moving-new", oldKey: old.folder, in: rig)
            let tried = try await new.strait("import", "--dry-run", old.path)
            #expect(tried.text.hasPrefix("tenants: 2 would be taken, 0 refused"))
            #expect(try await new.export().tenants.isEmpty)
            for round in 1...2 {
                let output = try await new.strait("import", old.path)
                let begin = "tenants: 2 taken, 0 refused; regions, ports and authorities: 13 taken"
                #expect(output.text.hasPrefix("\(begin), 0 refused"), "\(round): \(output)")
            }
            #expect(try await new.export() == state)
            #expect(try await new.strait("port", "ls", "--tenant", "acme").text == ports)
            #expect(try await old.fingerprint(by: new.port) == old.fingerprint)
            // Issued by the authority that moved with them.
            let verified = try await rig.shell.run([
                "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--cacert", old.authority,
                "--resolve", "beta.test:\(new.port):127.0.0.1",
                "https://beta.test:\(new.port)/webapi/ping",
            ])
            #expect(verified.text == "200", "\(verified)")
            try await self.refuses(new)
            #expect(try await new.router.daemon.stop() == 0)
        }

        private func refuses(_ place: Place) async throws {
            let port = try await place.firstPort(of: "acme")
            let taken = try await place.importing(
                """
                ports:
                  - { region: test, port: \(port), tenant: other, kind: ssh }
                  - { region: test, port: 80, tenant: other, kind: ssh }
                  - { region: far, port: 80, tenant: other, kind: ssh }
                tenants: []
                """)
            let owned = "port \(port) of region \"test\" is tenant \"acme\"'s"
            #expect(taken.standardError.contains(owned))
            #expect(taken.standardError.contains("port 80 is in no range of region \"test\""))
            #expect(taken.text.contains("authorities: 1 taken, 2 refused"))
            #expect(taken.status == 1, "\(taken)")
            let unknown = try await place.importing("tenants: []\ncertificate: []\n")
            #expect(unknown.standardError.contains("E2101") && unknown.status == 1, "\(unknown)")
            let mapping = try await place.importing("tenants: []\nports: { port: 1 }\n")
            #expect(mapping.standardError.contains("E2105") && mapping.status == 1, "\(mapping)")
            let nobodys = try await place.importing(
                "tenants: []\ncertificates: [{ tenant: acne, name: main }]\n")
            #expect(nobodys.standardError.contains("no tenant \"acne\""), "\(nobodys)")
            #expect(nobodys.status == 1)
            let large = try await place.importing(
                """
                tenants: [{ name: acme, domains: [acme.test] }, { name: beta, domains: [b.test] }]
                authorities: [{ tenant: acme, name: x, certificates: "\(
                    String(repeating: "x", count: 300_000))" }]
                """)
            #expect(large.standardError.contains("bytes; at most 262144"), "\(large.status)")
            #expect(large.text.hasPrefix("tenants: 1 taken, 1 refused"), "\(large.text)")
            let other = try await place.importing(
                """
                installation: { certificate: none, sealed_key: none }
                tenants: [{ name: delta, domains: [delta.test] }]
                """)
            #expect(other.standardError.contains("tenants or operators have certificates"))
            #expect(other.standardError.contains("so nothing was changed") && other.status == 1)
            let broken = try await place.importing(
                """
                tenants: [{ name: acme, domains: [acme.test] }]
                certificates: [{ tenant: acme, name: main, chain: none, sealed_key: none }]
                """)
            #expect(broken.standardError.contains("certificate \"main\": its key is"))
            #expect(broken.text.hasPrefix("tenants: 0 taken, 1 refused"), "\(broken)")
        }

        @Test(
            "without the key that sealed it, brings what needs none, and says what was left out",
            .timeLimit(.minutes(3)))
        func withoutKey() async throws {
            let rig = try EndToEnd.rig()
            let old = try await Place("moving-sealed", in: rig)
            try await old.fill()
            let state = try await old.export()
            _ = try await old.file()
            #expect(try await old.router.daemon.stop() == 0)
            let new = try await Place("moving-other", in: rig)
            func sealed(_ what: String) throws -> Regex<AnyRegexOutput> {
                try Regex("\(what): .*sealed with key-encryption key [0-9a-f]+, which")
            }
            let whole = try await new.tryImport(old.path)
            let reason = try sealed("installation")
            #expect(whole.status == 1 && whole.standardError.contains(reason), "\(whole)")
            #expect(whole.standardError.contains("so nothing was changed"), "\(whole)")
            #expect(try await new.export().tenants.isEmpty)
            // Without its first item, which is what must be there first.
            let text = try String(contentsOfFile: old.path, encoding: .utf8)
            let rest = text.replacing(
                try Regex("(?ms)^installation:.*?(?=^[a-z])"), with: "")
            #expect(!rest.contains("installation:") && rest.contains("tenants:"))
            let output = try await new.importing(rest)
            #expect(output.status == 1)
            #expect(output.standardError.contains(try sealed("tenant acme")), "\(output)")
            #expect(output.text.hasPrefix("tenants: 1 taken, 1 refused"), "\(output)")
            let found = try await new.export()
            #expect(found.tenants == state.tenants.filter { $0.contains("beta") })
            #expect(found.ports == state.ports, "they are kept for who comes")
            #expect(try await new.router.daemon.stop() == 0)
        }
    }
}

/// A router, and what its operator has beside it.
private struct Place {
    let rig: Rig
    let router: Router
    let port: Int
    let folder: String
    var path: String { "\(self.folder)/state.yaml" }
    var authority: String { "\(self.folder)/ca.pem" }

    init(_ name: String, oldKey: String? = nil, in rig: Rig) async throws {
        self.rig = rig
        self.port = try Loopback.freePort()
        self.folder = "\(rig.shell.directory)/\(name)"
        let old = oldKey.map { ", old_key_file: \($0)/registry.db.key" } ?? ""
        self.router = try await Router.start(
            name,
            """
            workers: 2
            listeners: [{ name: public, address: "127.0.0.1:\(self.port)" }]
            registry: { path: registry.db\(old) }
            ports: { ranges: [21260-21279], steering: "off" }

            """, in: rig.shell)
    }

    @discardableResult
    func strait(_ arguments: String...) async throws -> Output {
        try await self.rig.shell.must(
            [Programs.strait] + arguments + ["--admin", self.router.adminSocket])
    }

    func tryImport(_ path: String) async throws -> Output {
        try await self.rig.shell.run([
            Programs.strait, "import", path, "--admin", self.router.adminSocket,
        ])
    }

    func importing(_ text: String) async throws -> Output {
        try await self.rig.shell.run(
            [Programs.strait, "import", "-", "--admin", self.router.adminSocket],
            input: .text(text))
    }

    /// Two tenants, one with a certificate and authorities, and ports of a third that is gone.
    func fill() async throws {
        let identity = try await Certificates.renew(
            "moving", names: ["www.acme.test"], in: self.rig.shell)
        try await self.strait("region", "add", "far", "--description", "far away: \"#1\"")
        for tenant in ["gone", "acme"] {
            try await self.strait("tenant", "add", tenant, "--domain", "\(tenant).test")
        }
        try await self.strait("tenant", "add", "beta", "--domain", "beta.test", "--region", "far")
        try await self.strait("tenant", "rm", "gone", "--yes")
        try await self.strait(
            "certificate", "add", "acme", "main", "--chain", identity.certificate, "--key",
            identity.key)
        try await self.strait(
            "authority", "add", "acme", "inside", "--file", self.rig.certificates.hostAuthority)
        try await self.strait(
            "service", "add", "acme/www", "--protocol", "web", "--mode", "terminate",
            "--upstream", "tls://127.0.0.1:9", "--key",
            #"upstreams=[{"address":"tls://127.0.0.1:9","ca":"inside","server_name":"x.test"}]"#)
        try await self.strait(
            "service", "add", "beta/www", "--protocol", "web", "--mode", "terminate",
            "--upstream", "tcp://127.0.0.1:9")
        try await self.strait("authority", "show", "--installation").text.write(
            toFile: self.authority, atomically: true, encoding: .utf8)
        try await self.fingerprint(by: self.port).write(
            toFile: "\(self.folder)/fingerprint", atomically: true, encoding: .utf8)
    }

    /// What was shown for the name of the uploaded certificate.
    var fingerprint: String {
        get throws { try String(contentsOfFile: "\(self.folder)/fingerprint", encoding: .utf8) }
    }

    func fingerprint(by port: Int) async throws -> String {
        try await self.rig.shell.bash(
            "openssl s_client -connect 127.0.0.1:\(port) -servername www.acme.test "
                + "</dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
        ).trimmed
    }

    /// Writes what `strait export` prints.
    func file() async throws -> String {
        let text = try await self.strait("export").text
        try text.write(toFile: self.path, atomically: true, encoding: .utf8)
        return text
    }

    func firstPort(of tenant: String) async throws -> Int {
        struct Port: Decodable { var port: Int }
        let output = try await self.strait("port", "ls", "--tenant", tenant, "--format", "json")
        let ports = try JSONDecoder().decode([Port].self, from: output.standardOutput)
        return try #require(ports.first?.port)
    }

    /// An export without what another registry has in its own way: how keys are sealed, and how
    /// long a quarantine lasts.
    struct State: Equatable {
        var regions: [String]
        var installation: String
        var ports: Set<String>
        var certificates: [String]
        var authorities: [String]
        var tenants: [String]
    }

    func export() async throws -> State {
        let output = try await self.strait("export", "--format", "json")
        let whole = try #require(
            try JSONSerialization.jsonObject(with: output.standardOutput) as? [String: Any])
        func items(_ key: String, without: Set<String> = []) throws -> [String] {
            let list = try #require(whole[key] as? [[String: Any]], "\(key)")
            return try list.map { item in
                let kept = item.filter { !without.contains($0.key) }
                let data = try JSONSerialization.data(
                    withJSONObject: kept, options: [.sortedKeys])
                return String(decoding: data, as: UTF8.self)
            }
        }
        let installation = try #require(whole["installation"] as? [String: Any])
        return State(
            regions: try items("regions"),
            installation: try #require(installation["certificate"] as? String),
            ports: Set(try items("ports", without: ["until"])),
            certificates: try items("certificates", without: ["sealed_key"]),
            authorities: try items("authorities"), tenants: try items("tenants"))
    }
}
