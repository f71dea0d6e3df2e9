// Authorities and leaves made by openssl for one test.

import Foundation
import StraitIdentity
import Testing

/// A root, an authority below it (`middle`), one with an RSA key (`rsa`), and what they sign.
final class UploadRig {
    let openssl: OpenSSL
    /// Within the validity of everything that is made here, however long that takes.
    private let now: Int64
    private static let curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"
    private static let usual = "subjectAltName=DNS:acme.example.com,DNS:*.acme.example.com"

    init() throws {
        self.openssl = try OpenSSL()
        self.now = Int64(Date.now.timeIntervalSince1970) + 3600
        try self.root("root", subject: "/CN=Root")
        try self.leaf(
            "middle", extensions: "basicConstraints=critical,CA:TRUE", subject: "/CN=Middle",
            by: "root")
    }

    /// An authority that signed itself.
    func root(_ name: String, subject: String, options: String = curve) throws {
        try self.openssl.must(
            "req -x509 \(options) -nodes -keyout \(name).key -out \(name).pem -days 30 "
                + "-subj '\(subject)' -addext basicConstraints=critical,CA:TRUE")
    }

    /// A certificate with these extensions, a line each.
    func leaf(
        _ name: String, newKey: String = curve, digest: String = "-sha256",
        extensions: String = usual, subject: String = "/CN=acme.example.com",
        by authority: String = "middle"
    ) throws {
        if authority == "rsa" {
            try self.root("rsa", subject: "/CN=RSA", options: "-newkey rsa:2048")
        }
        // The request is signed with a digest that every key can: the certificate's is another.
        try self.openssl.must(
            "req -new \(newKey) -nodes -keyout \(name).key -out \(name).csr -subj '\(subject)'")
        try self.openssl.write("\(name).cnf", Array("\(extensions)\n".utf8))
        try self.openssl.must(
            "x509 -req \(digest) -in \(name).csr -CA \(authority).pem -CAkey \(authority).key "
                + "-days 20 -extfile \(name).cnf -out \(name).pem")
    }

    /// Puts certificates one behind the other.
    func join(_ parts: [String], to file: String) throws {
        try self.openssl.write(file, try parts.flatMap { try self.openssl.read("\($0).pem") })
    }

    func join(_ parts: String..., to file: String) throws { try self.join(parts, to: file) }

    /// The tenant owns acme.example.com, and what is below it.
    func check(
        _ chain: String, _ key: String, now: Int64? = nil
    ) throws -> CertificateBundle {
        try CertificateUpload.check(
            chainPEM: try self.openssl.read(chain),
            keyPEM: SecretBytes(try self.openssl.read(key)), now: now ?? self.now
        ) { name in
            "\(name)".hasSuffix("acme.example.com")
        }
    }

    func refusal(
        _ chain: String, _ key: String, now: Int64? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> CertificateRefusal {
        let refusal = #expect(throws: CertificateRefusal.self, sourceLocation: sourceLocation) {
            try self.check(chain, key, now: now)
        }
        return try #require(refusal, sourceLocation: sourceLocation)
    }

    func codes(
        _ chain: String, _ key: String, now: Int64? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> [CertificateProblem.Code] {
        try self.refusal(chain, key, now: now, sourceLocation: sourceLocation).problems.map(\.code)
    }

    /// Some characters of a key that no message may have; of an empty one, what none has.
    func secretLine(_ key: String) -> String {
        key.split(separator: "\n").dropFirst(2).first.map { String($0.prefix(24)) } ?? "\u{0}"
    }
}
