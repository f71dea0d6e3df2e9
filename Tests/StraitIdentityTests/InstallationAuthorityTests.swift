// What the installation's authority makes, as OpenSSL and the router's own reader see it.

import StraitCore
import StraitIdentity
import StraitTLS
import Testing

/// 2026-11-20T12:00:00Z.
let someNoon: Int64 = 1_795_176_000

let edge = hostName("edge.example.com")

func hostName(_ text: String) -> HostName {
    guard let name = HostName(text) else { preconditionFailure("\(text) is a host name") }
    return name
}

func names(_ texts: String...) -> [CertificateName] { texts.compactMap(CertificateName.init) }

@Suite("InstallationAuthority", .timeLimit(.minutes(3))) struct InstallationAuthorityTests {
    @Test("its certificate is an authority's, signed by itself, for ten years from an hour ago")
    func profile() throws {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        let openssl = try OpenSSL()
        try openssl.write("ca.pem", authority.certificatePEM)
        let text = try openssl.must("x509 -in ca.pem -noout -text")
        #expect(text.contains("Version: 3 (0x2)"))
        #expect(text.contains("X509v3 Basic Constraints: critical"))
        #expect(text.contains("CA:TRUE, pathlen:0"))
        #expect(text.contains("X509v3 Key Usage: critical"))
        #expect(text.contains("Certificate Sign, CRL Sign\n"))
        #expect(text.contains("URI:strait://edge.example.com/authority"))
        #expect(text.contains("NIST CURVE: P-256"))
        #expect(text.contains("Not Before: Nov 20 11:00:00 2026 GMT"))
        #expect(text.contains("Not After : Nov 19 12:00:00 2036 GMT"))
        try openssl.must("verify -x509_strict -attime \(someNoon) -CAfile ca.pem ca.pem")
        let serial = try openssl.must("x509 -in ca.pem -noout -serial").dropFirst("serial=".count)
        #expect(serial.count == 33, "16 bytes in hexadecimal digits and a line feed")
        let other = try InstallationAuthority.create(installation: edge, now: someNoon)
        try openssl.write("other.pem", other.certificatePEM)
        #expect(try openssl.must("x509 -in other.pem -noout -serial").dropFirst(7) != serial)
    }

    @Test("it is the same after it was kept, as DER and as PEM")
    func kept() throws {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        let again = try InstallationAuthority(
            certificateDER: authority.certificateDER, key: authority.key)
        let third = try InstallationAuthority(
            certificatePEM: again.certificatePEM, keyPEM: again.keyPEM)
        #expect(third.installation == edge)
        #expect(third.certificateDER == authority.certificateDER)
        #expect(third.key == authority.key)
        #expect(third.notBefore == someNoon - 3600)
        #expect(third.notAfter == someNoon + 3652 * 86_400)
        let leaf = try third.issue(for: names("acme.example.com"), now: someNoon)
        try expectVerified(leaf, by: authority, purpose: "sslserver")
    }

    @Test("without a name it makes one up that no public DNS has, another each time")
    func unnamed() throws {
        let authorities = try (0..<3).map { _ in try InstallationAuthority.create(now: someNoon) }
        #expect(Set(authorities.map(\.installation)).count == 3)
        for authority in authorities {
            #expect(authority.installation.description.hasSuffix(".strait.internal"))
        }
    }

    @Test("it is not taken up with another's key, from a leaf, or from what is no certificate")
    func notTakenUp() throws {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        let other = try InstallationAuthority.create(installation: edge, now: someNoon)
        let leaf = try authority.issue(for: names("acme.example.com"), now: someNoon)
        for (certificate, key) in [
            (authority.certificateDER, other.key), (leaf.chain[0], leaf.key),
            (leaf.chain[0], authority.key), ([], authority.key),
            (authority.certificateDER, SecretBytes([])),
        ] {
            let error = #expect(throws: IdentityError.self) {
                try InstallationAuthority(certificateDER: certificate, key: key)
            }
            guard case .unusable? = error else {
                Issue.record("\(String(describing: error))")
                continue
            }
        }
        #expect(throws: IdentityError.self) {
            try InstallationAuthority(
                certificatePEM: authority.keyPEM.revealed, keyPEM: authority.keyPEM)
        }
    }

    @Test("no bit of what is signed in its certificate can be turned without it being refused")
    func damaged() throws {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        // Behind that is a signature of at most 72 bytes with its header, where one bit may differ.
        for place in 0..<(authority.certificateDER.count - 75) {
            var damaged = authority.certificateDER
            damaged[place] ^= 1
            #expect(throws: IdentityError.self, "byte \(place)") {
                try InstallationAuthority(certificateDER: damaged, key: authority.key)
            }
        }
    }

    @Test("no text of it shows its key")
    func hidden() throws {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        let leaf = try authority.issue(for: names("acme.example.com"), now: someNoon)
        var dumped = ""
        dump(authority, to: &dumped)
        dump(leaf, to: &dumped)
        #expect(dumped.contains("authority of edge.example.com"))
        #expect(dumped.contains("secret of"))
        #expect("\(authority)" == "authority of edge.example.com")
    }

    @Test("a time that has no four-digit year, and a validity out of bounds, are refused")
    func times() throws {
        for now in [Int64.min, -1, 0, 3599, 300_000_000_000, Int64.max] {
            #expect(throws: IdentityError.self) { try InstallationAuthority.create(now: now) }
        }
        let authority = try InstallationAuthority.create(now: someNoon)
        for validity in [Duration.zero, .seconds(-1), .seconds(59), .seconds(Int64.max)] {
            #expect(throws: IdentityError.self) {
                try authority.issue(
                    for: names("acme.example.com"), now: someNoon, validity: validity)
            }
        }
    }
}

/// That OpenSSL trusts it by the authority, and that the router can load it.
func expectVerified(
    _ bundle: CertificateBundle, by authority: InstallationAuthority, purpose: String,
    at time: Int64 = someNoon, sourceLocation: SourceLocation = #_sourceLocation
) throws {
    let openssl = try OpenSSL()
    try openssl.write("ca.pem", authority.certificatePEM)
    try openssl.write("leaf.pem", bundle.chainPEM)
    let (isContent, output) = try openssl.run(
        "verify -x509_strict -purpose \(purpose) -attime \(time) -CAfile ca.pem leaf.pem")
    #expect(isContent, "\(output)", sourceLocation: sourceLocation)
    let facts = try TLSCertificateFacts(
        chainPEM: bundle.chainPEM, keyPEM: bundle.keyPEM.revealed)
    #expect(facts.dnsNames == bundle.names.map(\.description), sourceLocation: sourceLocation)
    #expect(facts.notBefore == bundle.notBefore, sourceLocation: sourceLocation)
    #expect(facts.notAfter == bundle.notAfter, sourceLocation: sourceLocation)
    #expect(facts.keyType == bundle.keyType, sourceLocation: sourceLocation)
}
