// What a configuration is refused for when everything is put together.

import Foundation
import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("SnapshotCompiler, what it refuses") struct CompilerRefusalTests {
    @Test(
        "a certificate that cannot be used is one problem, on its line",
        arguments: [
            ("{ chain: wide.pem, key: other.key }", "belong"),
            ("{ chain: junk.pem, key: wide.key }", "certificate"),
            ("{ chain: wide.pem, key: junk.pem }", "key"),
            ("{ chain: missing.pem, key: wide.key }", "no such file"),
        ])
    func badPair(certificates: String, word: String) throws {
        var text = ConfigurationText()
        text.certificates = certificates
        let problems = try Compiling.problems(text.text)
        #expect(problems.count == 1)
        let problem = try #require(problems.first)
        #expect(problem.severity == .error)
        #expect(problem.line == text.line(of: "certificates:"))
        #expect(problem.found.contains(word))
    }

    @Test("files are judged although the configuration that names them has errors of its own")
    func filesOfADraft() throws {
        var text = ConfigurationText()
        text.certificates =
            "{ chain: wide.pem, key: other.key }, { chain: none.pem, key: wide.key }"
        text.more = "nonsense: 1"
        let reading = ConfigurationReader(checksFiles: false).read(
            text: text.text, file: "strait.yaml")
        #expect(reading.configuration == nil)
        let draft = try #require(reading.draft)
        let problems = Compiling().compiler.problems(inFilesOf: draft, now: Compiling.now)
        #expect(problems.map(\.code) == [.certificateUnusable])
        #expect(problems.first?.found.contains("belong") == true)
    }

    @Test("a refused configuration leaves no trace in the compiler that went before it")
    func refusalsLeaveNoTrace() throws {
        var compiling = Compiling()
        let before = try compiling.compile(ConfigurationText().text)
        var bad = ConfigurationText()
        bad.certificates = "{ chain: wide.pem, key: other.key }"
        var attempt = compiling
        #expect(throws: ConfigurationRefused.self) { try attempt.compile(bad.text, revision: 2) }
        let after = try compiling.compile(ConfigurationText().text, revision: 2)
        #expect(after.snapshot.services[0].policy == before.snapshot.services[0].policy)
    }

    @Test("a terminated host without a certificate is a problem on the line of the host")
    func hostWithoutCertificate() throws {
        var text = ConfigurationText()
        text.services = """
                  - name: www
                    protocol: web
                    mode: terminate
                    hosts:
                      - www.acme.example.com
                      - shop.example.org
                    upstreams: [{ address: "tcp://127.0.0.1:8080" }]
            """
        let problems = try Compiling.problems(text.text)
        #expect(problems.map(\.code) == [.certificateMissing])
        #expect(problems.first?.line == text.line(of: "shop.example.org"))
    }

    @Test("a service none of whose names has a certificate is a problem")
    func serviceWithoutCertificate() throws {
        var text = ConfigurationText()
        text.certificates = "{ chain: other.pem, key: other.key }"
        #expect(try Compiling.problems(text.text).map(\.code) == [.certificateMissing])
    }

    @Test("a name that is not the only one is a warning")
    func oneNameWithoutCertificate() throws {
        var text = ConfigurationText()
        text.certificates = "{ chain: other.pem, key: other.key }"
        text.services = ConfigurationText.www.replacingFirst(
            "mode: terminate,", with: "mode: terminate, hosts: [other.example.com],")
        var compiling = Compiling()
        let compiled = try compiling.compile(text.text)
        #expect(compiled.warnings.map(\.code) == [.nameWithoutCertificate])
    }

    @Test("passthrough needs no certificate")
    func passthrough() throws {
        var text = ConfigurationText()
        text.certificates = ""
        text.services = ConfigurationText.www.replacingFirst("terminate", with: "passthrough")
        var compiling = Compiling()
        #expect(try compiling.compile(text.text).warnings.isEmpty)
    }

    @Test("a conflict names both sides: one by its line, one in its words")
    func conflict() throws {
        var text = ConfigurationText()
        text.services = """
                  - { name: one, protocol: web, mode: passthrough, hosts: [shop.example.org],
                      upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
                  - { name: two, protocol: web, mode: passthrough, hosts: [shop.example.org],
                      upstreams: [{ address: "tcp://127.0.0.1:8081" }] }
            """
        let problems = try Compiling.problems(text.text)
        #expect(problems.map(\.code) == [.routeConflict])
        let problem = try #require(problems.first)
        #expect(problem.line == text.line(of: "name: two"))
        #expect(problem.found.contains("shop.example.org"))
        #expect(problem.expected.contains("line \(text.line(of: "name: one"))"))
    }

    @Test("an authority that cannot be read is a problem, and so is asking without one")
    func authorities() throws {
        let asking = ConfigurationText.www.replacingFirst(
            "mode: terminate,", with: "mode: terminate, client_certificate: required,")
        var text = ConfigurationText()
        text.services = asking
        let broken = text.text.replacingFirst(
            "    services:", with: "    client_ca: [junk.pem]\n    services:")
        let codes = try Compiling.problems(broken).map(\.code)
        #expect(codes.contains(.authorityUnusable))
        #expect(Set(codes) == [.authorityUnusable])
    }

    @Test("an expired certificate is served with a warning; one about to expire, too")
    func expiry() throws {
        var compiling = Compiling()
        let later = Timestamp(nanoseconds: 18_000_000_000_000_000_000)
        let expired = try compiling.compile(ConfigurationText().text, now: later)
        #expect(expired.warnings.map(\.code) == [.certificateExpired])
        let end = try #require(expired.directory.certificates.first?.notAfter)
        let soon = Timestamp(nanoseconds: (UInt64(end) - 86_400) * 1_000_000_000)
        let warned = try compiling.compile(ConfigurationText().text, revision: 2, now: soon)
        #expect(warned.warnings.map(\.code) == [.certificateExpiresSoon])
        let early = try compiling.compile(
            ConfigurationText().text, revision: 3, now: Timestamp(nanoseconds: 0))
        #expect(early.warnings.map(\.code) == [.certificateExpired])
    }
}

@Suite("SnapshotCompiler, h2 on terminated services") struct CoalescingTests {
    private static let h2 = ConfigurationText.www.replacingFirst(
        "mode: terminate,", with: "mode: terminate, alpn: [h2, http/1.1],")
    private static let api = """
              - { name: api, protocol: web, mode: terminate,
                  upstreams: [{ address: "tcp://127.0.0.1:8081" }] }
        """

    @Test("h2 is fine where every name of the certificate leads to one service")
    func alone() throws {
        var text = ConfigurationText()
        text.services = Self.h2
        var compiling = Compiling()
        let compiled = try compiling.compile(text.text)
        #expect(compiled.snapshot.services[0].applicationProtocols == [.http2, .http11])
        #expect(compiled.warnings.isEmpty)
    }

    @Test("h2 is a problem where a wildcard of the certificate covers another service")
    func shared() throws {
        var text = ConfigurationText()
        text.services = Self.h2 + "\n" + Self.api
        let problems = try Compiling.problems(text.text)
        #expect(problems.map(\.code) == [.h2Coalesces])
        let problem = try #require(problems.first)
        #expect(problem.line == text.line(of: "name: www"))
        #expect(problem.found.contains("acme/api"))
    }

    @Test("h2 is fine beside another service with a certificate of its own for the name")
    func ownCertificate() throws {
        var text = ConfigurationText()
        text.certificates = "{ chain: www.pem, key: www.key }"
        text.services = Self.h2 + "\n" + Self.api.replacingFirst("terminate", with: "passthrough")
        var compiling = Compiling()
        #expect(try compiling.compile(text.text).warnings.isEmpty)
    }

    @Test("h2 is fine with an exact certificate, although another's wildcard covers the name too")
    func exactBeforeWildcard() throws {
        var text = ConfigurationText()
        text.certificates += ", { chain: www.pem, key: www.key }"
        text.services = Self.h2 + "\n" + Self.api
        var compiling = Compiling()
        #expect(try compiling.compile(text.text).warnings.isEmpty)
    }

    @Test("http/1.1 alone is never coalesced")
    func http11() throws {
        var text = ConfigurationText()
        text.services = ConfigurationText.www + "\n" + Self.api
        var compiling = Compiling()
        #expect(try compiling.compile(text.text).warnings.isEmpty)
    }
}
