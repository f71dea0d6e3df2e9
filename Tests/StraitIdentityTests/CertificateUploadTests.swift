// Chains and keys as people upload them, made by openssl: what is taken, and every refusal.

import StraitCore
import StraitIdentity
import StraitTLS
import Testing

@Suite("CertificateUpload", .timeLimit(.minutes(2))) struct CertificateUploadTests {
    @Test(
        "every kind of key in every form is taken, and comes out as the same key in PKCS#8",
        arguments: [
            ("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "pkey", "ec"),
            ("-newkey ec -pkeyopt ec_paramgen_curve:P-256", "ec", "ec"),
            ("-newkey ec -pkeyopt ec_paramgen_curve:P-384", "ec", "ec"),
            ("-newkey ec -pkeyopt ec_paramgen_curve:P-521", "pkey", "ec"),
            ("-newkey rsa:2048", "pkey", "rsa"), ("-newkey rsa:2048", "rsa -traditional", "rsa"),
            ("-newkey rsa:3072", "rsa -traditional", "rsa"), ("-newkey ed25519", "pkey", "ed25519"),
        ])
    func keys(newKey: String, form: String, keyType: String) throws {
        let rig = try UploadRig()
        try rig.leaf("leaf", newKey: newKey)
        try rig.openssl.must("\(form) -in leaf.key -out form.key")
        let bundle = try rig.check("leaf.pem", "form.key")
        #expect(bundle.keyType == keyType)
        #expect(bundle.names.map(\.description) == ["acme.example.com", "*.acme.example.com"])
        try rig.openssl.write("out.key", bundle.keyPEM.revealed)
        #expect(
            try rig.openssl.must("pkey -in out.key -pubout")
                == rig.openssl.must("pkey -in leaf.key -pubout"))
        #expect(bundle.keyPEM.revealed.starts(with: Array("-----BEGIN PRIVATE KEY-----\n".utf8)))
        let facts = try TLSCertificateFacts(
            chainPEM: bundle.chainPEM, keyPEM: bundle.keyPEM.revealed)
        #expect(facts.keyType == keyType)
        #expect(facts.notAfter == bundle.notAfter)
        #expect(
            try rig.openssl.must("x509 -in leaf.pem -noout -serial").lowercased()
                == "serial=\(bundle.serialNumber)\n")
    }

    @Test("a whole chain is taken, with its root and without, with CR LF and with blank lines")
    func chains() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.join("leaf", "middle", "root", to: "whole.pem")
        try rig.join("leaf", "middle", to: "usual.pem")
        #expect(try rig.check("whole.pem", "leaf.key").chain.count == 3)
        let usual = try rig.check("usual.pem", "leaf.key")
        #expect(usual.chain.count == 2)
        let text = try rig.openssl.text("usual.pem")
        for other in [
            text.replacing("\n", with: "\r\n"), "\n\n" + text.replacing("-----B", with: "\n-----B"),
        ] {
            try rig.openssl.write("other.pem", Array(other.utf8))
            #expect(try rig.check("other.pem", "leaf.key") == usual)
        }
        try rig.openssl.must("ecparam -name prime256v1 -out parameters.pem")
        try rig.openssl.must("ec -in leaf.key -out sec1.key")
        try rig.openssl.write(
            "both.key", rig.openssl.read("parameters.pem") + rig.openssl.read("sec1.key"))
        #expect(try rig.check("usual.pem", "both.key") == usual)
    }

    @Test("what is out of place is told with the place where it belongs")
    func order() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.leaf("other")
        for (parts, expected) in [
            (["middle", "leaf"], [.leafNotFirst]), (["root", "middle", "leaf"], [.leafNotFirst]),
            (["leaf", "root", "middle"], [.chainOutOfOrder]),
            (["leaf", "middle", "other"], [.stranger]), (["leaf", "root"], [.stranger]),
            (["leaf", "other", "middle", "root"], [.stranger]),
            (["leaf", "leaf", "middle"], [.repeated]), (["leaf", "middle", "middle"], [.repeated]),
            (["other", "middle"], [.keyMismatch]),
            (["middle"], [.keyMismatch, .leafIsAuthority, .namesMissing]),
        ] as [([String], [CertificateProblem.Code])] {
            try rig.join(parts, to: "chain.pem")
            let refusal = try rig.refusal("chain.pem", "leaf.key")
            let codes = refusal.problems.map(\.code).filter { $0 != .wrongPurpose }
            #expect(codes == expected, "\(parts): \(refusal)")
        }
        try rig.join(["root", "middle", "leaf"], to: "chain.pem")
        #expect(
            try rig.refusal("chain.pem", "leaf.key").problems.first?.remedy
                == "put the certificates into the order 3, 2, 1")
    }

    @Test("an authority of the same name with another key is told from the one that signed")
    func impostor() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.root("impostor", subject: "/CN=Middle")
        try rig.join(["leaf", "impostor"], to: "chain.pem")
        #expect(try rig.codes("chain.pem", "leaf.key") == [.signatureWrong])
        try rig.join(["leaf", "impostor", "middle"], to: "chain.pem")
        #expect(try rig.codes("chain.pem", "leaf.key") == [.stranger])
    }

    @Test("who may not sign others is no signer")
    func falseIssuer() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf", extensions: "subjectAltName=DNS:acme.example.com", subject: "/CN=Leaf")
        try rig.leaf("below", by: "leaf")
        try rig.join(["below", "leaf", "middle"], to: "chain.pem")
        #expect(try rig.codes("chain.pem", "below.key") == [.issuerIsNoAuthority])
    }

    @Test(
        "what a leaf must say, and must not",
        arguments: [
            ("basicConstraints=CA:FALSE", [.namesMissing]),
            ("subjectAltName=IP:192.0.2.1", [.namesMissing]),
            ("subjectAltName=DNS:a.*.example.com,DNS:acme.example.com", [.nameUnusable]),
            ("subjectAltName=DNS:acme.example.com,DNS:globex.example.com", [.nameNotOwned]),
            ("subjectAltName=DNS:*.example.com", [.nameNotOwned]),
            (
                "subjectAltName=DNS:acme.example.com\nbasicConstraints=critical,CA:TRUE",
                [.leafIsAuthority]
            ),
            ("subjectAltName=DNS:acme.example.com\nextendedKeyUsage=clientAuth", [.wrongPurpose]),
            ("subjectAltName=DNS:acme.example.com\nkeyUsage=keyAgreement", [.wrongPurpose]),
            ("subjectAltName=DNS:acme.example.com\nextendedKeyUsage=serverAuth,clientAuth", []),
            ("subjectAltName=DNS:acme.example.com\nextendedKeyUsage=anyExtendedKeyUsage", []),
            ("subjectAltName=DNS:ACME.example.com,DNS:acme.example.com,IP:192.0.2.1", []),
            (
                "basicConstraints=CA:TRUE\nextendedKeyUsage=clientAuth",
                [.leafIsAuthority, .wrongPurpose, .namesMissing]
            ),
        ] as [(String, [CertificateProblem.Code])])
    func leaf(extensions: String, expected: [CertificateProblem.Code]) throws {
        let rig = try UploadRig()
        try rig.leaf("leaf", extensions: extensions)
        guard expected.isEmpty else {
            #expect(try rig.codes("leaf.pem", "leaf.key") == expected)
            return
        }
        #expect(try rig.check("leaf.pem", "leaf.key").names == names("acme.example.com"))
    }

    @Test("names up to the bound are taken, more are not")
    func manyNames() throws {
        let rig = try UploadRig()
        for count in [Limits.certificateNamesMax, Limits.certificateNamesMax + 1] {
            let list = (0..<count).map { "DNS:n\($0).acme.example.com" }.joined(separator: ",")
            try rig.leaf("leaf", extensions: "subjectAltName=\(list)")
            if count <= Limits.certificateNamesMax {
                #expect(try rig.check("leaf.pem", "leaf.key").names.count == count)
            } else {
                #expect(try rig.codes("leaf.pem", "leaf.key") == [.tooManyNames])
            }
        }
    }

    @Test("the first and the last second are good; before and after, each certificate is told")
    func times() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        let bundle = try rig.check("leaf.pem", "leaf.key")
        #expect(try rig.check("leaf.pem", "leaf.key", now: bundle.notBefore) == bundle)
        #expect(try rig.check("leaf.pem", "leaf.key", now: bundle.notAfter) == bundle)
        try rig.join("leaf", "middle", to: "chain.pem")
        #expect(
            try rig.codes("chain.pem", "leaf.key", now: bundle.notAfter + 3_000_000_000)
                == [.expired, .expired])
        #expect(try rig.codes("leaf.pem", "leaf.key", now: bundle.notAfter + 1) == [.expired])
        #expect(try rig.codes("leaf.pem", "leaf.key", now: bundle.notBefore - 1) == [.notYetValid])
        #expect(try rig.codes("leaf.pem", "leaf.key", now: Int64.max) == [.expired])
    }
}
