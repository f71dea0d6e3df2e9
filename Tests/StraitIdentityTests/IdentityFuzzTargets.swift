// One target per reader of what somebody else wrote: a plain function over bytes that says which
// invariant does not hold. Replayed by IdentityFuzzTests over mutated seeds; not by tools/fuzz,
// which builds without packages.

import StraitCore
import StraitIdentity
import StraitTLS

/// A reader under fuzzing.
struct IdentityFuzzTarget: Sendable {
    let name: String
    /// Inputs to start from; made once, as keys and nonces are random.
    let seeds: [[UInt8]]
    /// How many inputs a seeded run takes: about a second in a debug build.
    let iterations: Int
    /// The invariant that does not hold for an input; nil when all do.
    let violation: @Sendable ([UInt8]) -> String?

    static func all() throws -> [IdentityFuzzTarget] {
        let authority = try InstallationAuthority.create(installation: edge, now: someNoon)
        return [
            try self.sealed(), self.keyText(), try self.upload(authority),
            try self.operatorCertificate(authority), try self.authorityCertificate(authority),
        ]
    }

    /// Sealed bytes open as they were made, or not at all.
    private static func sealed() throws -> IdentityFuzzTarget {
        let ring = try Keyring(someKey(1), others: [someKey(2)])
        let old = try Keyring(someKey(2))
        let place = SealedPlace(.certificate, row: "tenant/acme/certificate/1")
        let secret = SecretBytes(Array("a private key".utf8))
        let seeds = try [
            ring.seal(secret, for: place), old.seal(secret, for: place),
            ring.seal(SecretBytes([]), for: place),
            ring.seal(secret, for: SealedPlace(.authority, row: "installation")),
            Keyring(someKey(3)).seal(secret, for: place),
        ]
        let good = Set(seeds[..<3])
        return IdentityFuzzTarget(name: "sealed", seeds: seeds, iterations: 2000) { input in
            do throws(SealingError) {
                _ = try ring.open(input, for: place)
                return good.contains(input) ? nil : "bytes that nobody sealed have opened"
            } catch {
                return good.contains(input) ? "what was sealed does not open: \(error)" : nil
            }
        }
    }

    /// A key that an operator wrote.
    private static func keyText() -> IdentityFuzzTarget {
        let digits = someKeyBytes().map { String($0, radix: 16) }.joined()
        let seeds = [
            someKeyBytes(), Array(digits.utf8),
            Array("gKXK7xQ5XoOozfIXPGGGq9D1Gj9kia7T+B1CZ4yx1vs=".utf8),
        ]
        return IdentityFuzzTarget(name: "keyText", seeds: seeds, iterations: 2000) { input in
            do throws(KeyEncryptionKeyError) {
                let key = try KeyEncryptionKey(written: input, mayBeRaw: true)
                guard try key == KeyEncryptionKey(written: input, mayBeRaw: true) else {
                    return "the same text gives another key"
                }
            } catch {
                guard !error.description.isEmpty else { return "no reason" }
            }
            return nil
        }
    }

    /// A chain and a key, apart by a zero byte: what is taken, the router can load.
    private static func upload(_ authority: InstallationAuthority) throws -> IdentityFuzzTarget {
        let bundle = try authority.issue(for: names("acme.example.com"), now: someNoon)
        let key = bundle.keyPEM.revealed
        let whole = bundle.chainPEM + authority.certificatePEM
        let seeds = [bundle.chainPEM + [0] + key, whole + [0] + key, key + [0] + whole]
        return IdentityFuzzTarget(name: "upload", seeds: seeds, iterations: 200) { input in
            let cut = input.firstIndex(of: 0) ?? input.count
            let key = SecretBytes(Array(input[cut...].dropFirst()))
            do throws(CertificateRefusal) {
                let taken = try CertificateUpload.check(
                    chainPEM: Array(input[..<cut]), keyPEM: key, now: someNoon
                ) { _ in true }
                let again = try CertificateUpload.check(
                    chainPEM: taken.chainPEM, keyPEM: taken.keyPEM, now: someNoon
                ) { _ in true }
                guard again == taken else { return "the normal form is another one" }
                do throws(TLSSetupError) {
                    let facts = try TLSCertificateFacts(
                        chainPEM: taken.chainPEM, keyPEM: taken.keyPEM.revealed)
                    return facts.notAfter == taken.notAfter ? nil : "OpenSSL reads another end"
                } catch {
                    return "OpenSSL does not load what was taken: \(error.message)"
                }
            } catch {
                return error.problems.isEmpty ? "refused without a problem" : nil
            }
        }
    }

    /// A client certificate: what it says is what it was written from.
    private static func operatorCertificate(
        _ authority: InstallationAuthority
    ) throws -> IdentityFuzzTarget {
        let roles: [OperatorIdentity.Role] = [.operator, .tenantAdministrator(tenant: "acme")]
        let seeds = try roles.map { role in
            let identity = try OperatorIdentity(
                commonName: "anna", role: role, installation: edge)
            return try authority.issue(to: identity, now: someNoon).chain[0]
        }
        return IdentityFuzzTarget(name: "operatorCertificate", seeds: seeds, iterations: 2000) {
            input in
            do throws(IdentityError) {
                let read = try OperatorIdentity(
                    certificateDER: input, verifiedBy: .tenant("acme"), installation: edge)
                let again = try OperatorIdentity(
                    commonName: read.commonName, role: read.role, installation: edge)
                guard read == again, read.role == .tenantAdministrator(tenant: "acme") else {
                    return "a tenant's authority gave \(read)"
                }
                return nil
            } catch {
                return error.description.isEmpty ? "no reason" : nil
            }
        }
    }

    /// The authority's own: nothing else that is signed is taken up with its key.
    ///
    /// The signature behind it may be written in another way: as a bit string with an unused bit
    /// that is 0.
    private static func authorityCertificate(
        _ authority: InstallationAuthority
    ) throws -> IdentityFuzzTarget {
        let der = authority.certificateDER
        let key = authority.key
        // Before a signature of at most 72 bytes and its header with the count of unused bits.
        let signedEnd = der.count - 75
        return IdentityFuzzTarget(name: "authorityCertificate", seeds: [der], iterations: 200) {
            input in
            do throws(IdentityError) {
                let read = try InstallationAuthority(certificateDER: input, key: key)
                let isSame = read.certificateDER.prefix(signedEnd) == der.prefix(signedEnd)
                return isSame ? nil : "another certificate was taken up"
            } catch {
                return input == der ? "its own certificate is refused: \(error)" : nil
            }
        }
    }
}
