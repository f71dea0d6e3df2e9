// Chromium and Firefox as they are, with the rig's authority in their own trust stores, and with a
// client certificate in their own key stores.

import Foundation
import Testing

extension Rig {
    /// Makes an NSS database that trusts the rig's authority and may hold a person's key.
    func nssDatabase(_ folder: String, person: Identity?) async throws {
        let database = "sql:\(folder)"
        try await self.shell.must(["mkdir", "-p", folder])
        try await self.shell.must(["certutil", "-N", "-d", database, "--empty-password"])
        try await self.shell.must([
            "certutil", "-A", "-d", database, "-n", "hosts", "-t", "C,,", "-i",
            self.certificates.hostAuthority,
        ])
        guard let person else { return }
        let bundle = "\(folder)/person.p12"
        try await self.shell.must([
            "openssl", "pkcs12", "-export", "-in", person.certificate, "-inkey", person.key,
            "-name", "person", "-passout", "pass:", "-out", bundle,
        ])
        try await self.shell.must(["pk12util", "-i", bundle, "-d", database, "-W", "", "-K", ""])
    }

    /// The page as Chromium shows it, under policies that only this process sees.
    func chromium(_ name: String, _ url: String, person: Identity?) async throws -> Output {
        let home = "\(self.shell.directory)/\(name)"
        try await self.nssDatabase("\(home)/.pki/nssdb", person: person)
        let authority = try await self.shell.bash(
            "openssl x509 -in '\(self.certificates.hostAuthority)' -outform der | base64 -w 0")
        try """
        {"AutoSelectCertificateForUrls": ["{\\"pattern\\": \\"*\\", \\"filter\\": {}}"],
         "CACertificates": ["\(authority.trimmed)"]}
        """.write(toFile: "\(home)/policy.json", atomically: true, encoding: .utf8)
        let script = """
            mount -t tmpfs none /etc/chromium
            install -D -m 644 '\(home)/policy.json' /etc/chromium/policies/managed/strait.json
            exec chromium --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage \
                --no-first-run --user-data-dir='\(home)/profile' --timeout=20000 --dump-dom \
                --host-resolver-rules='MAP *.acme.test 127.0.0.1' '\(url)'
            """
        return try await self.shell.run(
            ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc", script],
            environment: ["HOME": home], seconds: 90)
    }

    /// The page as Firefox shows it.
    func firefox(_ name: String, _ url: String, person: Identity?) async throws -> Output {
        let home = "\(self.shell.directory)/\(name)"
        try await self.nssDatabase("\(home)/profile", person: person)
        try """
        user_pref("network.dns.forceResolve", "127.0.0.1");
        user_pref("security.default_personal_cert", "Select Automatically");
        user_pref("datareporting.policy.dataSubmissionEnabled", false);
        user_pref("app.update.enabled", false);

        """.write(toFile: "\(home)/profile/user.js", atomically: true, encoding: .utf8)
        return try await self.shell.run(
            [
                Programs.python, Programs.script("firefox_open.py"), "\(home)/profile", url,
            ], environment: ["HOME": home, "MOZ_HEADLESS": "1"], seconds: 120)
    }
}

extension EndToEnd {
    @Suite("Browsers") struct BrowserTests {
        @Test("Chromium opens the page of every mode", .timeLimit(.minutes(3)))
        func chromium() async throws {
            let rig = try EndToEnd.rig()
            for mode in Mode.allCases {
                let person = mode == .terminateWithCertificate ? rig.certificates.alice : nil
                let output = try await rig.chromium(
                    "chromium-\(mode.rawValue.count)", rig.url(Names.web(mode), "/"),
                    person: person)
                #expect(output.text.contains("<p id=\"it\">a page"), "\(mode): \(output)")
            }
        }

        @Test("Firefox opens the page of every mode", .timeLimit(.minutes(5)))
        func firefox() async throws {
            let rig = try EndToEnd.rig()
            for mode in Mode.allCases {
                let person = mode == .terminateWithCertificate ? rig.certificates.alice : nil
                let output = try await rig.firefox(
                    "firefox-\(mode.rawValue.count)", rig.url(Names.web(mode), "/"),
                    person: person)
                #expect(output.trimmed == "page a page", "\(mode): \(output)")
            }
        }

        @Test(
            "neither sees a page with no certificate, or with one of another tenant",
            .timeLimit(.minutes(5)))
        func refused() async throws {
            let rig = try EndToEnd.rig()
            let url = rig.url(Names.web(.terminateWithCertificate), "/")
            for (index, person) in [nil, rig.certificates.mallory].enumerated() {
                let chromium = try await rig.chromium(
                    "chromium-refused-\(index)", url, person: person)
                #expect(!chromium.text.contains("a page"), "\(chromium)")
                let firefox = try await rig.firefox("firefox-refused-\(index)", url, person: person)
                #expect(firefox.text.hasPrefix("error "), "\(firefox)")
            }
        }
    }
}
