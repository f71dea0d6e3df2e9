// Who somebody is at the operator API, written into a certificate and read from one.

import StraitCore
import StraitIdentity
import Testing

@Suite("OperatorIdentity", .timeLimit(.minutes(3))) struct OperatorIdentityTests {
    private let authority: InstallationAuthority

    init() throws {
        self.authority = try InstallationAuthority.create(installation: edge, now: someNoon)
    }

    @Test(
        "what was written is read back, and OpenSSL takes it for a client alone",
        arguments: [
            (.operator, "strait://edge.example.com/operator", "O = strait:operator, CN = Anna Ö"),
            (
                .tenantAdministrator(tenant: "acme_1"),
                "strait://edge.example.com/tenant/acme_1/administrator",
                "O = strait:tenant-admin, OU = acme_1, CN = Anna Ö"
            ),
        ] as [(OperatorIdentity.Role, String, String)])
    func written(role: OperatorIdentity.Role, uri: String, subject: String) throws {
        let identity = try OperatorIdentity(
            commonName: "Anna Ö", role: role, installation: edge)
        #expect(identity.uri == uri)
        let bundle = try self.authority.issue(to: identity, now: someNoon)
        let read = try OperatorIdentity(
            certificateDER: bundle.chain[0], verifiedBy: .installation, installation: edge)
        #expect(read == identity)
        try expectVerified(bundle, by: self.authority, purpose: "sslclient")
        let openssl = try OpenSSL()
        try openssl.write("ca.pem", self.authority.certificatePEM)
        try openssl.write("leaf.pem", bundle.chainPEM)
        #expect(
            try !openssl.run(
                "verify -attime \(someNoon) -purpose sslserver -CAfile ca.pem leaf.pem"
            ).isContent)
        let text = try openssl.must(
            "x509 -in leaf.pem -noout -text "
                + "-nameopt utf8,sep_comma_plus_space,space_eq,sname,-esc_msb"
        )
        #expect(text.contains("URI:\(uri)\n"))
        #expect(text.contains("TLS Web Client Authentication\n"))
        #expect(text.contains("Subject: \(subject)\n"), "\(text)")
    }

    @Test("a tenant's authority can give that tenant's administrators, and nothing else")
    func tenantAuthority() throws {
        let read = { (role: OperatorIdentity.Role, tenant: String) throws in
            let identity = try OperatorIdentity(
                commonName: "anna", role: role, installation: edge)
            let bundle = try self.authority.issue(to: identity, now: someNoon)
            return try OperatorIdentity(
                certificateDER: bundle.chain[0], verifiedBy: .tenant(tenant), installation: edge)
        }
        #expect(
            try read(.tenantAdministrator(tenant: "acme"), "acme").role
                == .tenantAdministrator(tenant: "acme"))
        #expect(throws: IdentityError.self) {
            try read(.tenantAdministrator(tenant: "acme"), "globex")
        }
        #expect(throws: IdentityError.self) { try read(.operator, "acme") }
    }

    @Test("a certificate of another installation, of a host name or of an authority is nobody's")
    func nobody() throws {
        let identity = try OperatorIdentity(
            commonName: "anna", role: .operator, installation: edge)
        let bundle = try self.authority.issue(to: identity, now: someNoon)
        let leaf = try self.authority.issue(for: names("acme.example.com"), now: someNoon)
        for (der, installation) in [
            (bundle.chain[0], hostName("edge.example.org")),
            (bundle.chain[0], hostName("dge.example.com")), (leaf.chain[0], edge),
            (self.authority.certificateDER, edge), ([], edge),
        ] {
            #expect(throws: IdentityError.self) {
                try OperatorIdentity(
                    certificateDER: der, verifiedBy: .installation, installation: installation)
            }
        }
        let other = try InstallationAuthority.create(now: someNoon)
        #expect(throws: IdentityError.self) { try other.issue(to: identity, now: someNoon) }
    }

    @Test(
        "there is one spelling of a role, and everything else about a certificate is as it must be",
        arguments: [
            ("URI:strait://edge.example.com/operator", "clientAuth", "/CN=anna", true),
            ("URI:strait://edge.example.com/operator/", "clientAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com//operator", "clientAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com/Operator", "clientAuth", "/CN=anna", false),
            ("URI:strait://EDGE.example.com/operator", "clientAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com:443/operator", "clientAuth", "/CN=anna", false),
            ("URI:https://edge.example.com/operator", "clientAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com/tenant/acme", "clientAuth", "/CN=anna", false),
            (
                "URI:strait://edge.example.com/tenant//administrator", "clientAuth", "/CN=anna",
                false
            ),
            (
                "URI:strait://edge.example.com/tenant/a%2Fb/administrator", "clientAuth",
                "/CN=anna", false
            ),
            (
                "URI:strait://edge.example.com/tenant/acme/administrator", "clientAuth",
                "/CN=anna", true
            ),
            (
                "URI:strait://edge.example.com/operator,DNS:example.com", "clientAuth", "/CN=anna",
                false
            ),
            (
                "URI:strait://edge.example.com/operator,URI:strait://edge.example.com/operator",
                "clientAuth", "/CN=anna", false
            ),
            ("DNS:example.com", "clientAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com/operator", "serverAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com/operator", "clientAuth,serverAuth", "/CN=anna", false),
            ("URI:strait://edge.example.com/operator", "anyExtendedKeyUsage", "/CN=anna", false),
            ("URI:strait://edge.example.com/operator", "clientAuth", "/O=anna", false),
            ("URI:strait://edge.example.com/operator", "clientAuth", "/CN=anna/CN=bob", false),
        ])
    func strict(alternatives: String, usages: String, subject: String, isRead: Bool) throws {
        let openssl = try OpenSSL()
        try openssl.must(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem "
                + "-outform DER -out leaf.der -subj '\(subject)' "
                + "-addext 'subjectAltName=\(alternatives)' -addext 'extendedKeyUsage=\(usages)'")
        let der = try openssl.read("leaf.der")
        let read = {
            try OperatorIdentity(
                certificateDER: der, verifiedBy: .installation, installation: edge)
        }
        if isRead {
            #expect(try read().commonName == "anna")
        } else {
            #expect(throws: IdentityError.self) { try read() }
        }
    }

    @Test("a certificate that may sign others is nobody's, whatever it says")
    func authorityAsPerson() throws {
        let openssl = try OpenSSL()
        try openssl.must(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem "
                + "-outform DER -out leaf.der -subj /CN=anna -addext basicConstraints=CA:TRUE "
                + "-addext subjectAltName=URI:strait://edge.example.com/operator "
                + "-addext extendedKeyUsage=clientAuth")
        let der = try openssl.read("leaf.der")
        #expect(throws: IdentityError.self) {
            try OperatorIdentity(
                certificateDER: der, verifiedBy: .installation, installation: edge)
        }
    }

    @Test(
        "names of people can be shown, names of tenants are labels",
        arguments: [
            ("anna", "acme", true), (String(repeating: "ö", count: 64), "acme", true),
            (String(repeating: "ö", count: 65), "acme", false), ("", "acme", false),
            ("an\nna", "acme", false), ("an\u{202E}na", "acme", false), ("anna", "", false),
            ("anna", "Acme", false), ("anna", "-acme", false), ("anna", "a/b", false),
            ("anna", "a.b", false), ("anna", String(repeating: "a", count: 64), false),
        ])
    func words(commonName: String, tenant: String, isFine: Bool) {
        let make = {
            try OperatorIdentity(
                commonName: commonName, role: .tenantAdministrator(tenant: tenant),
                installation: edge)
        }
        if isFine {
            #expect(throws: Never.self) { try make() }
        } else {
            #expect(throws: IdentityError.self) { try make() }
        }
    }
}
