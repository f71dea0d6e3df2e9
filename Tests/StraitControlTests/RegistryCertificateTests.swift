// Certificates of a registry: issued at once, uploaded, refused, kept over a restart, and sealed.

import Foundation
import Logging
import StraitConfig
import StraitControl
import StraitCore
import StraitIdentity
import StraitStore
import Testing

/// A router whose tenants are in a registry, and an authority that is not its own.
private struct CertificateRig {
    let folder: URL
    let control: ControlPlane
    private let delivery: Task<Void, Never>
    private let running: Task<Void, any Error>

    init(in folder: URL? = nil, registry: String = "") async throws {
        self.folder =
            folder
            ?? FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-certificates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: self.folder, withIntermediateDirectories: true)
        let text = """
            workers: 1
            access: { path: "off" }
            admin: { unix: admin.sock }
            listeners: [{ name: public, address: "127.0.0.1:0", protocols: [tls] }]
            registry: { path: registry.db\(registry) }
            """
        let path = self.folder.appendingPathComponent("strait.yaml").path
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        let reading = ConfigurationReader().read(path: path)
        let configuration = try #require(reading.configuration, "\(reading.problems)")
        let control = try ControlPlane(
            path: path, configuration: configuration,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            liveTimeout: .seconds(150), logLinesDropped: { 0 })
        self.control = control
        self.delivery = Task { await control.deliverReports() }
        try await control.start(configuration)
        self.running = Task { try await control.run() }
    }

    func stop() async throws {
        await self.control.requestDrain(within: .zero)
        try await self.running.value
        self.delivery.cancel()
    }

    func end() async throws {
        try await self.stop()
        try FileManager.default.removeItem(at: self.folder)
    }

    @discardableResult
    func put(
        _ tenant: String = "acme", mode: String = "terminate", more: String = "",
        services: String = ""
    ) async throws -> RegistryWrite {
        let text = """
            {"name":"\(tenant)","domains":["\(tenant).example.com"],"services":[\
            {"name":"www","protocol":"web","mode":"\(mode)",\
            "upstreams":[{"address":"tcp://127.0.0.1:8080"}]\(more)}\(services)]}
            """
        return try await self.control.putTenant(
            tenant, Array(text.utf8), if: .none, by: "test")
    }

    /// Another authority's certificate as it is uploaded.
    static func upload(
        _ names: [String], key other: CertificateBundle? = nil
    ) throws -> (json: [UInt8], bundle: CertificateBundle) {
        let now = Int64(Date().timeIntervalSince1970)
        let bundle = try InstallationAuthority.create(now: now)
            .issue(for: names.compactMap { CertificateName($0) }, now: now)
        let body = [
            "chain": String(decoding: bundle.chainPEM, as: UTF8.self),
            "key": String(decoding: (other ?? bundle).keyPEM.revealed, as: UTF8.self),
        ]
        return (Array(try JSONEncoder().encode(body)), bundle)
    }

    func add(
        _ name: String, _ names: [String], if precondition: Precondition = .none
    ) async throws -> RegistryWrite {
        try await self.control.putCertificate(
            name, of: "acme", try Self.upload(names).json, if: precondition, by: "test")
    }

    /// `name: its names`, in the order in which they are chosen from.
    func certificates(_ tenant: String = "acme") async throws -> [String] {
        try await self.control.certificates(of: tenant).certificates
            .map { "\($0.name): \($0.names.joined(separator: " "))" }
    }

    func refusal(
        _ body: () async throws -> RegistryWrite
    ) async throws -> RegistryRefusal {
        do {
            let write = try await body()
            Issue.record("it must be refused, and came to \(write)")
            throw CancellationError()
        } catch let refusal as RegistryRefusal {
            return refusal
        }
    }
}

@Suite("Certificates of a registry", .timeLimit(.minutes(3)))
struct RegistryCertificateTests {
    private static let shared = "installation: acme.example.com *.acme.example.com"

    @Test("what a tenant's names need is issued with its document, and follows its names")
    func issued() async throws {
        let rig = try await CertificateRig()
        #expect(try await rig.put().isLive)
        #expect(try await rig.certificates() == [Self.shared])
        let first = try await rig.control.certificate("installation", of: "acme")
        try await rig.put(more: #","hosts":["shop.example.org"]"#)
        #expect(try await rig.certificates() == ["\(Self.shared) shop.example.org"])
        let second = try await rig.control.certificate("installation", of: "acme")
        #expect(first.fingerprint != second.fingerprint)
        try await rig.put(more: #","hosts":["shop.example.org"],"connect_timeout":"2s""#)
        let third = try await rig.control.certificate("installation", of: "acme")
        #expect(third == second, "the same names: the same certificate")
        try await rig.put(mode: "passthrough")
        #expect(try await rig.certificates() == ["installation: acme.example.com"])
        _ = try await rig.control.removeTenant("acme", if: .none, by: "test")
        let store = try #require(rig.control.registry?.store)
        #expect(try await store.page(prefix: "tenant/", after: nil, limit: 10).rows == [])
        try await rig.end()
    }

    @Test("a service with h2 has a certificate that leads nowhere else")
    func ownCertificate() async throws {
        let rig = try await CertificateRig()
        let api = """
            ,{"name":"api","protocol":"web","mode":"terminate","alpn":["h2","http/1.1"],\
            "hosts":["api.example.org"],"upstreams":[{"address":"tcp://127.0.0.1:8080"}]}
            """
        #expect(try await rig.put(services: api).isLive)
        #expect(
            try await rig.certificates() == [
                Self.shared, "installation-api: api.acme.example.com api.example.org",
            ])
        try await rig.end()
    }

    @Test("an upload takes the place of what was issued, and gives it back when it goes")
    func uploaded() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        let wide = try await rig.add("main", ["*.acme.example.com"])
        #expect(wide.isNew && wide.isLive)
        #expect(
            try await rig.certificates() == [
                "main: *.acme.example.com", "installation: acme.example.com",
            ])
        let all = try await rig.add("main", ["*.acme.example.com", "acme.example.com"])
        #expect(!all.isNew && all.isLive)
        #expect(try await rig.certificates() == ["main: *.acme.example.com acme.example.com"])
        let gone = try await rig.control.removeCertificate(
            "main", of: "acme", if: .revision(all.revision), by: "test")
        #expect(gone.isLive)
        #expect(try await rig.certificates() == [Self.shared])
        // What is issued comes again, with another key.
        let before = try await rig.control.certificate("installation", of: "acme")
        _ = try await rig.control.removeCertificate(
            "installation", of: "acme", if: .none, by: "test")
        let after = try await rig.control.certificate("installation", of: "acme")
        #expect(before.names == after.names && before.fingerprint != after.fingerprint)
        try await rig.end()
    }

    @Test("what cannot be shown is refused with every reason, and the old one stays")
    func refused() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        let good = try await rig.add("main", ["acme.example.com"])
        let other = try CertificateRig.upload(["x.example.net"])
        let wrong = try CertificateRig.upload(
            ["foreign.example.net", "www.acme.example.com"], key: other.bundle)
        let refusal = try await rig.refusal {
            try await rig.control.putCertificate(
                "main", of: "acme", wrong.json, if: .none, by: "test")
        }
        guard case .badCertificate(let problems) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(Set(problems.map(\.code)).isSuperset(of: ["key_mismatch", "name_not_owned"]))
        let names = try await rig.refusal {
            try await rig.add("installation", ["acme.example.com"])
        }
        guard case .store(.refused) = names else {
            Issue.record("\(names)")
            return
        }
        for body in ["{", "{}", #"{"chain":"a","key":"b","more":1}"#, #"{"chain":1,"key":"b"}"#] {
            let refusal = try await rig.refusal {
                try await rig.control.putCertificate(
                    "main", of: "acme", Array(body.utf8), if: .none, by: "test")
            }
            guard case .wrong = refusal else {
                Issue.record("\(refusal)")
                return
            }
        }
        let stale = try await rig.refusal {
            try await rig.add("main", ["acme.example.com"], if: .revision(1))
        }
        guard case .changedSince(good.revision) = stale else {
            Issue.record("\(stale)")
            return
        }
        let nobody = try await rig.refusal {
            try await rig.control.removeCertificate("no", of: "acme", if: .none, by: "test")
        }
        guard case .absent = nobody else {
            Issue.record("\(nobody)")
            return
        }
        #expect(try await rig.control.certificate("main", of: "acme").revision == good.revision)
        try await rig.end()
    }

    @Test("no row has a key that can be read, and no audit row has one at all")
    func secrecy() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        let upload = try CertificateRig.upload(["www.acme.example.com"])
        _ = try await rig.control.putCertificate(
            "main", of: "acme", upload.json, if: .none, by: "test")
        _ = try await rig.control.removeCertificate("main", of: "acme", if: .none, by: "test")
        let store = try #require(rig.control.registry?.store)
        // 24 bytes of the key, in base64 wherever they begin.
        let plain = Data(upload.bundle.key.revealed).base64EncodedString()
        for row in try await store.page(prefix: "", after: nil, limit: 100).rows {
            let text = String(decoding: row.value, as: UTF8.self)
            #expect(!text.contains("PRIVATE"), "\(row.key)")
            #expect(!text.contains(plain.dropFirst(60).prefix(32)), "\(row.key)")
            if row.key.description.hasPrefix("audit/") { #expect(!text.contains("\"key\"")) }
        }
        let page = try await rig.control.registry?.audit(after: nil, limit: 10)
        #expect(
            page?.entries.suffix(2).map { "\($0.action) \($0.resource)" } == [
                "create tenant/acme/certificate/main", "delete tenant/acme/certificate/main",
            ])
        #expect(page?.entries.last?.before?.contains("www.acme.example.com") == true)
        try await rig.end()
    }

    @Test("authorities come and go; one that is named stays")
    func authorities() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        let pem = try await rig.control.installationAuthority()
        func put(_ text: String) async throws -> RegistryWrite {
            try await rig.control.putAuthority(
                "people", of: "acme", Array(try JSONEncoder().encode(["certificates": text])),
                if: .none, by: "test")
        }
        let key = String(
            decoding: try CertificateRig.upload(["a.example"]).bundle.keyPEM.revealed,
            as: UTF8.self)
        for bad in ["", "no certificate", pem + key] {
            guard case .badCertificate = try await rig.refusal({ try await put(bad) }) else {
                Issue.record("taken: \(bad.count) bytes")
                return
            }
        }
        #expect(try await put(pem).isLive)
        #expect(try await rig.control.authority("people", of: "acme").certificates == pem)
        let document = """
            {"name":"acme","domains":["acme.example.com"],"client_ca":["people"],"services":[\
            {"name":"www","protocol":"web","mode":"terminate","client_certificate":"required",\
            "upstreams":[{"address":"tcp://127.0.0.1:8080"}]}]}
            """
        _ = try await rig.control.putTenant("acme", Array(document.utf8), if: .none, by: "test")
        let named = try await rig.refusal {
            try await rig.control.removeAuthority("people", of: "acme", if: .none, by: "test")
        }
        guard case .wrong(let problems) = named else {
            Issue.record("\(named)")
            return
        }
        #expect(problems.contains { $0.path.hasPrefix("client_ca") })
        try await rig.put()
        _ = try await rig.control.removeAuthority("people", of: "acme", if: .none, by: "test")
        #expect(try await rig.control.authorities(of: "acme").authorities == [])
        try await rig.end()
    }
}

@Suite("Certificates of a registry, over time", .timeLimit(.minutes(3)))
struct RegistryCertificateLifeTests {
    @Test("a restart finds the same authority and the same certificates")
    func restart() async throws {
        let first = try await CertificateRig()
        try await first.put()
        let authority = try await first.control.installationAuthority()
        let certificate = try await first.control.certificate("installation", of: "acme")
        try await first.stop()
        let second = try await CertificateRig(in: first.folder)
        #expect(try await second.control.installationAuthority() == authority)
        #expect(try await second.control.certificate("installation", of: "acme") == certificate)
        let key = second.folder.appendingPathComponent("registry.db.key").path
        let mode = try FileManager.default.attributesOfItem(atPath: key)[.posixPermissions]
        #expect((mode as? NSNumber)?.intValue == 0o600)
        try await second.end()
    }

    @Test("with another key, routes stay, nothing is issued, and the old key brings all back")
    func otherKey() async throws {
        let first = try await CertificateRig()
        try await first.put()
        let before = try await first.control.certificate("installation", of: "acme")
        try await first.stop()
        let key = first.folder.appendingPathComponent("registry.db.key")
        try FileManager.default.moveItem(
            at: key, to: first.folder.appendingPathComponent("old.key"))

        let second = try await CertificateRig(in: first.folder)
        #expect(await second.control.status().services.map(\.tenant) == ["acme"])
        #expect(try await second.put("beta", mode: "passthrough").isLive)
        let refusal = try await second.refusal { try await second.put("beta") }
        guard case .wrong(let problems) = refusal else {
            Issue.record("\(refusal)")
            return
        }
        #expect(problems.map(\.code) == [.certificateMissing, .registryUnusable])
        #expect(problems.last?.found.contains("key-encryption key") == true)
        #expect(try await second.control.lookThroughCertificates())
        #expect(try await second.certificates("beta") == [])
        try await second.stop()

        let third = try await CertificateRig(in: first.folder, registry: ", old_key_file: old.key")
        #expect(try await third.control.lookThroughCertificates())
        let sealed = try await third.control.certificate("installation", of: "acme")
        #expect(sealed.fingerprint == before.fingerprint && sealed.revision > before.revision)
        #expect(try await third.certificates("beta") == ["installation: beta.example.com"])
        let told = try await third.control.registry?.audit(after: nil, limit: 100).entries
            .filter { $0.action == "seal" }.map(\.resource)
        #expect(told == ["tenant/acme/certificate/installation", "authority/installation"])
        try await third.stop()

        let fourth = try await CertificateRig(in: first.folder)
        #expect(try await fourth.put("beta").isLive, "the authority opens with the new key alone")
        #expect(try await fourth.control.lookThroughCertificates())
        #expect(try await fourth.control.certificate("installation", of: "acme") == sealed)
        try await fourth.end()
    }

    @Test("what has lived for two thirds of its life is issued anew; an upload never is")
    func renewal() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        _ = try await rig.add("main", ["www.acme.example.com"])
        let store = try #require(rig.control.registry?.store)
        for (name, isRenewed) in [("installation", true), ("main", false)] {
            let key = try RowKey("tenant/acme/certificate/\(name)")
            let row = try #require(try await store.row(key))
            var document = try CertificateDocument(json: row.value)
            #expect(try await rig.control.lookThroughCertificates())
            #expect(try await store.row(key) == row, "it is young")
            document.notBefore -= 70 * 86_400
            document.notAfter -= 70 * 86_400
            let revision = try await store.commit([.put(key, document.json)], if: [])
            #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
            #expect(try await rig.control.lookThroughCertificates())
            let now = try CertificateDocument(
                json: try #require(try await store.row(key)).value)
            #expect((now.fingerprint != document.fingerprint) == isRenewed, "\(name)")
        }
        try await rig.end()
    }

    @Test("tenants that came without certificates get theirs at the next look")
    func directRows() async throws {
        let rig = try await CertificateRig()
        let store = try #require(rig.control.registry?.store)
        let document = """
            {"name":"acme","domains":["acme.example.com"],"services":[{"name":"www",\
            "protocol":"web","mode":"terminate","upstreams":[{"address":"tcp://127.0.0.1:1"}]}]}
            """
        let revision = try await store.commit(
            [.put(try RowKey("tenant/acme/document"), Array(document.utf8))], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        #expect(await rig.control.status().services == [])
        #expect(try await rig.control.lookThroughCertificates())
        let newest = try await store.revision()
        #expect(await rig.control.waitUntilLive(newest, timeout: .seconds(30)))
        #expect(await rig.control.status().services.map(\.service) == ["www"])
        try await rig.end()
    }

    @Test("a row that is no certificate leaves the tenant as it was")
    func badRow() async throws {
        let rig = try await CertificateRig()
        try await rig.put()
        let store = try #require(rig.control.registry?.store)
        let key = try RowKey("tenant/acme/certificate/installation")
        let revision = try await store.commit([.put(key, Array("{}".utf8))], if: [])
        #expect(await rig.control.waitUntilLive(revision, timeout: .seconds(30)))
        #expect(await rig.control.status().services.map(\.service) == ["www"])
        #expect(await rig.control.status().certificates.map(\.name) == ["acme.example.com"])
        try await rig.end()
    }

    @Test(
        "a key that cannot be had stops the start, with the reason",
        arguments: [
            (", key_file: raw.key", "32"), (", key_env: STRAIT_TEST_NO_SUCH_KEY", "variable"),
            (", key_file: open.key", "mode 644"),
        ])
    func badKey(registry: String, word: String) async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-certificates-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, text, mode) in [
            ("raw.key", "c2hvcnQ=", 0o600),
            ("open.key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", 0o644),
        ] {
            let path = folder.appendingPathComponent(name).path
            #expect(
                FileManager.default.createFile(
                    atPath: path, contents: Data(text.utf8),
                    attributes: [.posixPermissions: mode]))
        }
        do {
            _ = try await CertificateRig(in: folder, registry: registry)
            Issue.record("it has started")
        } catch StartFailure.registry(let reason) {
            #expect(reason.contains(word), "\(reason)")
            #expect(!reason.contains("c2hvcnQ"))
        }
        try FileManager.default.removeItem(at: folder)
    }
}
