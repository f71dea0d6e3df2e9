// Uploads that are not what was asked for: another form, weak algorithms, too much of it.

import Foundation
import StraitCore
import StraitIdentity
import Testing

@Suite("CertificateUpload, of what is none", .timeLimit(.minutes(2))) struct UploadRefusalTests {
    @Test(
        "what can be broken, or is slow, is named, whether it can be read or not",
        arguments: [
            ("-newkey rsa:1024", "-sha256", [.weakKey, .weakKey]),
            ("-newkey rsa:512", "-sha256", [.weakKey, .weakKey]),
            ("-newkey rsa:4104", "-sha256", [.keyTooLarge]),
            ("-newkey rsa:2048", "-sha1", [.weakSignature]),
            ("-newkey rsa:2048", "-md5", [.weakSignature]),
            ("-newkey rsa:1024", "-md5", [.weakKey, .weakKey, .weakSignature]),
            (
                "-newkey ec -pkeyopt ec_paramgen_curve:secp256k1", "-sha256",
                [.keyUnreadable, .algorithmUnsupported]
            ),
            ("-newkey ed448", "", [.keyUnreadable, .algorithmUnsupported]),
        ] as [(String, String, [CertificateProblem.Code])])
    func weak(newKey: String, digest: String, expected: [CertificateProblem.Code]) throws {
        let rig = try UploadRig()
        try rig.leaf("leaf", newKey: newKey, digest: digest, by: "rsa")
        #expect(Set(try rig.codes("leaf.pem", "leaf.key")) == Set(expected))
    }

    @Test("a root's own signature does not count")
    func weakRoot() throws {
        let rig = try UploadRig()
        try rig.root("old", subject: "/CN=Old", options: "-newkey rsa:2048 -sha1")
        try rig.leaf("leaf", by: "old")
        try rig.join("leaf", "old", to: "chain.pem")
        #expect(try rig.check("chain.pem", "leaf.key").chain.count == 2)
    }

    @Test("keys under a pass phrase are refused with that reason, in either form")
    func encrypted() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.openssl.must("pkey -in leaf.key -aes256 -passout pass:secret -out pkcs8.key")
        try rig.openssl.must("ec -in leaf.key -aes256 -passout pass:secret -out sec1.key")
        for key in ["pkcs8.key", "sec1.key"] {
            #expect(try rig.codes("leaf.pem", key) == [.keyEncrypted])
        }
    }

    @Test("what stands where it does not belong is told, and nothing of a key is shown")
    func strayParts() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        let (chain, key) = (try rig.openssl.text("leaf.pem"), try rig.openssl.text("leaf.key"))
        try rig.openssl.must("x509 -in leaf.pem -outform DER -out leaf.der")
        let printed = try rig.openssl.must("x509 -in leaf.pem -text")
        try rig.openssl.must("pkey -in leaf.key -pubout -out public.pem")
        let public_ = try rig.openssl.text("public.pem")
        let half = String(chain.dropLast(40))
        for (chain, key, expected) in [
            (printed, key, [.strayText]), ("junk\n" + chain, key, [.strayText]),
            (chain + "junk", key, [.strayText]), (chain, "junk\n" + key, [.strayText]),
            (chain + key, key, [.keyInChain]), (chain + public_, key, [.strayBlock]),
            (chain, key + public_, [.strayBlock]), (chain, key + chain, [.strayBlock]),
            (chain, key + key, [.tooManyKeys]), (chain, public_, [.strayBlock, .keyMissing]),
            (chain, "", [.notPEM]), ("", key, [.notPEM]), ("", "", [.notPEM, .notPEM]),
            ("junk", key, [.notPEM]), (half, key, [.notPEM, .certificateMissing]),
            (half + "\n" + chain, key, [.notPEM]),
            (public_, key, [.strayBlock, .certificateMissing]),
            (chain.replacing("MII", with: "M=I"), key, [.certificateUnreadable]),
            (chain.replacing("MII", with: "AAAA"), key, [.certificateUnreadable]),
            (chain, key.replacing("MIG", with: "AAAA"), [.keyUnreadable]),
        ] as [(String, String, [CertificateProblem.Code])] {
            try rig.openssl.write("chain.pem", Array(chain.utf8))
            try rig.openssl.write("key.pem", Array(key.utf8))
            let refusal = try rig.refusal("chain.pem", "key.pem")
            #expect(refusal.problems.map(\.code) == expected, "\(refusal)")
            let line = rig.secretLine(key)
            #expect(!refusal.description.contains(line), "a line of the key is shown")
        }
        #expect(try rig.codes("leaf.der", "leaf.key") == [.notPEM])
    }

    @Test("what OpenSSL does not load is refused, though it can be read")
    func notLoadable() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.openssl.must("x509 -in leaf.pem -outform DER -out leaf.der")
        var der = try rig.openssl.read("leaf.der")
        // The common name in the subject: nobody verifies the leaf's own signature here.
        let name = try #require(der.firstRange(of: Array("acme.example.com".utf8)))
        der[name.lowerBound] = 0xFF
        try rig.openssl.write("leaf.der", der)
        let base64 = Data(der).base64EncodedString(options: .lineLength64Characters)
        let pem = "-----BEGIN CERTIFICATE-----\n\(base64)\n-----END CERTIFICATE-----\n"
        try rig.openssl.write("leaf.pem", Array(pem.utf8))
        #expect(try rig.codes("leaf.pem", "leaf.key") == [.notLoadable])
    }

    @Test("more certificates or bytes than the bounds are refused before anything else")
    func tooMuch() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        let chain = try rig.openssl.read("leaf.pem")
        let many = (0...Limits.uploadedCertificatesMax).flatMap { _ in chain }
        try rig.openssl.write("many.pem", many)
        #expect(try rig.codes("many.pem", "leaf.key") == [.tooManyCertificates])
        try rig.openssl.write(
            "large.pem", [UInt8](repeating: 0x0A, count: Limits.uploadedChainBytesMax + 1))
        try rig.openssl.write(
            "large.key", [UInt8](repeating: 0x0A, count: Limits.uploadedKeyBytesMax + 1))
        #expect(try rig.codes("large.pem", "large.key") == [.tooLarge, .tooLarge])
        #expect(try rig.refusal("large.pem", "large.key").problems.map(\.part) == [.chain, .key])
    }

    @Test("foreign text in a message is cut and can do nothing to a terminal")
    func foreignText() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf")
        try rig.leaf("other", subject: "/O=\(String(repeating: "x", count: 60))/CN=a\u{1B}[2Jb")
        try rig.join(["leaf", "middle", "other"], to: "chain.pem")
        let problem = try #require(try rig.refusal("chain.pem", "leaf.key").problems.first)
        #expect(problem.code == .stranger && problem.part == .certificate(3))
        #expect(!problem.found.contains("\u{1B}"))
        #expect(problem.found.count <= 83)
    }

    @Test("every problem says what was found, what was expected and what to do")
    func texts() throws {
        let rig = try UploadRig()
        try rig.leaf("leaf", extensions: "basicConstraints=CA:TRUE")
        try rig.leaf("other")
        let refusal = try rig.refusal("leaf.pem", "other.key")
        #expect(refusal.problems.map(\.code) == [.keyMismatch, .leafIsAuthority, .namesMissing])
        #expect(refusal.problems.map(\.part) == [.key, .certificate(1), .certificate(1)])
        for problem in refusal.problems {
            #expect(![problem.found, problem.expected, problem.remedy].contains(""))
        }
        #expect(refusal.description.split(separator: "\n").count == 3)
    }
}
