// Certificates for host names by the installation's authority.

import StraitCore
import StraitIdentity
import StraitTLS
import Testing

@Suite("A certificate for host names", .timeLimit(.minutes(3))) struct IssuedCertificateTests {
    private let authority: InstallationAuthority

    init() throws {
        self.authority = try InstallationAuthority.create(installation: edge, now: someNoon)
    }

    @Test("names are read back, exact and wildcard, in their order and each once")
    func namesReadBack() throws {
        let bundle = try self.authority.issue(
            for: names("acme.example.com", "*.acme.example.com", "ACME.example.com."),
            now: someNoon)
        #expect(bundle.names.map(\.description) == ["acme.example.com", "*.acme.example.com"])
        try expectVerified(bundle, by: self.authority, purpose: "sslserver")
    }

    @Test("OpenSSL reads the profile, and the facts that we tell of it")
    func profile() throws {
        let bundle = try self.authority.issue(for: names("acme.example.com"), now: someNoon)
        let openssl = try OpenSSL()
        try openssl.write("leaf.pem", bundle.chainPEM)
        let text = try openssl.must("x509 -in leaf.pem -noout -text")
        for part in [
            "X509v3 Basic Constraints: critical\n                CA:FALSE",
            "X509v3 Key Usage: critical\n                Digital Signature\n",
            "X509v3 Extended Key Usage: \n                TLS Web Server Authentication\n",
            "X509v3 Subject Alternative Name: \n                DNS:acme.example.com\n",
            "X509v3 Subject Key Identifier", "X509v3 Authority Key Identifier",
            "Subject: CN = acme.example.com", "Not Before: Nov 20 11:00:00 2026 GMT",
            "Not After : Feb 18 12:00:00 2027 GMT", "ecdsa-with-SHA256",
        ] {
            #expect(text.contains(part), "\(part) in\n\(text)")
        }
        let fingerprint = try openssl.must("x509 -in leaf.pem -noout -fingerprint -sha256")
            .lowercased().replacing(":", with: "")
        #expect(fingerprint.hasSuffix("=\(bundle.fingerprint)\n"))
        let serial = try openssl.must("x509 -in leaf.pem -noout -serial").lowercased()
        #expect(serial == "serial=\(bundle.serialNumber)\n")
        let issuer = try openssl.must("x509 -in leaf.pem -noout -issuer -nameopt RFC2253")
        #expect(issuer == "issuer=\(bundle.issuer)\n")
        #expect(bundle.subject == "CN=acme.example.com")
    }

    @Test("each has a key and a serial number of its own, and the key is PKCS#8")
    func own() throws {
        let first = try self.authority.issue(for: names("acme.example.com"), now: someNoon)
        let second = try self.authority.issue(for: names("acme.example.com"), now: someNoon)
        #expect(first.key != second.key)
        #expect(first.serialNumber != second.serialNumber)
        #expect(first.keyPEM.revealed.starts(with: Array("-----BEGIN PRIVATE KEY-----\n".utf8)))
        #expect(throws: TLSSetupError.self) {
            try TLSCertificateFacts(chainPEM: first.chainPEM, keyPEM: second.keyPEM.revealed)
        }
        let openssl = try OpenSSL()
        try openssl.write("key.pem", first.keyPEM.revealed)
        try openssl.must("pkey -in key.pem -check -noout")
    }

    @Test("another authority of the same installation does not verify it")
    func stranger() throws {
        let other = try InstallationAuthority.create(installation: edge, now: someNoon)
        let bundle = try self.authority.issue(for: names("acme.example.com"), now: someNoon)
        let openssl = try OpenSSL()
        try openssl.write("ca.pem", other.certificatePEM)
        try openssl.write("leaf.pem", bundle.chainPEM)
        #expect(
            try !openssl.run("verify -attime \(someNoon) -CAfile ca.pem leaf.pem").isContent)
    }

    @Test("it is good for what it is for alone: names, purpose and time")
    func limits() throws {
        let bundle = try self.authority.issue(
            for: names("acme.example.com", "*.acme.example.com"), now: someNoon,
            validity: .seconds(60))
        let openssl = try OpenSSL()
        try openssl.write("ca.pem", self.authority.certificatePEM)
        try openssl.write("leaf.pem", bundle.chainPEM)
        let verify = { (options: String) in
            try openssl.run("verify \(options) -CAfile ca.pem leaf.pem").isContent
        }
        #expect(try verify("-attime \(someNoon) -verify_hostname acme.example.com"))
        #expect(try verify("-attime \(someNoon) -verify_hostname orders.acme.example.com"))
        #expect(try !verify("-attime \(someNoon) -verify_hostname a.b.acme.example.com"))
        #expect(try !verify("-attime \(someNoon) -verify_hostname example.com"))
        #expect(try !verify("-attime \(someNoon) -purpose sslclient"))
        // Its last second is good, RFC 5280 §4.1.2.5; OpenSSL takes it for the first bad one.
        #expect(try verify("-attime \(someNoon + 59)"))
        #expect(try !verify("-attime \(someNoon + 61)"))
        #expect(try !verify("-attime \(someNoon - 3601)"))
    }

    @Test("a name too long for a common name stands as an alternative name alone")
    func longName() throws {
        let label = String(repeating: "a", count: 60)
        let long = names("\(label).example.com")
        let bundle = try self.authority.issue(for: long, now: someNoon)
        #expect(bundle.subject.isEmpty)
        try expectVerified(bundle, by: self.authority, purpose: "sslserver")
        let openssl = try OpenSSL()
        try openssl.write("leaf.pem", bundle.chainPEM)
        #expect(
            try openssl.must("x509 -in leaf.pem -noout -text")
                .contains("Subject Alternative Name: critical"))
        let both = try self.authority.issue(
            for: long + names("short.example.com"), now: someNoon)
        #expect(both.subject == "CN=short.example.com")
    }

    @Test("no name, and more than the bound, are refused; the bound itself is not")
    func counts() throws {
        let many = (0...Limits.certificateNamesMax).compactMap {
            CertificateName("name-\($0).example.com")
        }
        for refused in [[], many] {
            #expect(throws: IdentityError.self) {
                try self.authority.issue(for: refused, now: someNoon)
            }
        }
        let bundle = try self.authority.issue(for: Array(many.dropLast()), now: someNoon)
        #expect(bundle.names.count == Limits.certificateNamesMax)
        try expectVerified(bundle, by: self.authority, purpose: "sslserver")
    }

    @Test("it ends with the authority at the latest, and none is made outside the authority's time")
    func authorityEnds() throws {
        let late = self.authority.notAfter - 86_400
        let bundle = try self.authority.issue(for: names("acme.example.com"), now: late)
        #expect(bundle.notAfter == self.authority.notAfter)
        try expectVerified(bundle, by: self.authority, purpose: "sslserver", at: late)
        let early = try self.authority.issue(
            for: names("acme.example.com"), now: self.authority.notBefore)
        #expect(early.notBefore == self.authority.notBefore)
        for now in [self.authority.notBefore - 1, self.authority.notAfter + 1] {
            let error = #expect(throws: IdentityError.self) {
                try self.authority.issue(for: names("acme.example.com"), now: now)
            }
            guard case .notInForce? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
    }

    @Test(
        "names are host names, or a star and one",
        arguments: [
            ("acme.example.com", "acme.example.com"), ("*.Example.com", "*.example.com"),
            ("*", nil), ("*.", nil), ("a.*.example.com", nil), ("*.*.example.com", nil),
            ("", nil), ("192.0.2.1", nil), ("*.192.0.2.1", nil), ("a b", nil),
        ] as [(String, String?)])
    func spelling(text: String, name: String?) {
        #expect(CertificateName(text)?.description == name)
    }

    @Test("a wildcard has no more bytes than a host name")
    func longWildcard() {
        let label = String(repeating: "a", count: 61)
        let parent = "\(label).\(label).\(label).\(label)"  // 247 bytes
        #expect(CertificateName("*.\(parent).bcd") != nil)
        #expect(CertificateName("*.\(parent).bcde") == nil)
    }
}
