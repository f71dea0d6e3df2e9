// The keys that seal private keys of a registry: from where the configuration says, or from a file
// beside the database that is made with it.

internal import Foundation
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitSnapshot

/// Why there is no keyring.
struct KeyringFailure: Error {
    /// A sentence for the operator, without a secret.
    let reason: String
}

/// The keys that seal a registry's private keys, shared by all who open one.
final class RegistryKeys: Sendable {
    let keyring: Keyring
    /// Set where the key is the file beside the database.
    let ownKeyPath: String?
    /// Whether that file was made just now.
    let isNew: Bool

    /// - Parameters:
    ///   - place: What the configuration says.
    ///   - environment: Where variables are looked up.
    /// - Throws: ``KeyringFailure`` where a key that is named cannot be used, or none can be made.
    init(_ place: Configuration.Registry, environment: [String: String]) throws(KeyringFailure) {
        var isNew = false
        let first: KeyEncryptionKey
        if let source = place.key {
            first = try Self.key(source, environment)
            self.ownKeyPath = nil
        } else {
            if !FileManager.default.fileExists(atPath: place.ownKeyPath) {
                try Self.makeKey(at: place.ownKeyPath)
                isNew = true
            }
            first = try Self.key(file: place.ownKeyPath)
            self.ownKeyPath = place.ownKeyPath
        }
        self.isNew = isNew
        var others: [KeyEncryptionKey] = []
        if let source = place.oldKey { others.append(try Self.key(source, environment)) }
        do throws(IdentityError) {
            self.keyring = try Keyring(first, others: others)
        } catch {
            throw KeyringFailure(reason: error.description)
        }
    }

    private static func key(
        _ source: Configuration.Registry.KeySource, _ environment: [String: String]
    ) throws(KeyringFailure) -> KeyEncryptionKey {
        switch source {
        case .file(let file): return try Self.key(file: file.path)
        case .variable(let name):
            do throws(KeyEncryptionKeyError) {
                return try KeyEncryptionKey(variable: name, in: environment)
            } catch {
                throw KeyringFailure(reason: "variable \(name): \(error)")
            }
        }
    }

    private static func key(file path: String) throws(KeyringFailure) -> KeyEncryptionKey {
        do throws(KeyEncryptionKeyError) {
            return try KeyEncryptionKey(file: path)
        } catch {
            throw KeyringFailure(reason: "\(path): \(error)")
        }
    }

    /// Makes a file that only its owner can read.
    ///
    /// Two processes that start at once make it once:
    /// what is not whole has another name.
    private static func makeKey(at path: String) throws(KeyringFailure) {
        let draft = "\(path).\(processIdentifier())"
        var generator = SystemRandomNumberGenerator()
        let bytes = (0..<32).map { _ in UInt8.random(in: 0...255, using: &generator) }
        let text = Data(bytes).base64EncodedString() + "\n"
        let files = FileManager.default
        do throws(PosixError) {
            try makePrivateFile(at: draft, contents: Array(text.utf8))
            defer { try? files.removeItem(atPath: draft) }  // a leftover harms nobody
            try linkFile(from: draft, to: path)
        } catch {
            guard files.fileExists(atPath: path) else {
                throw KeyringFailure(reason: "\(path) cannot be made: \(error)")
            }
        }
    }

    // MARK: Sealing

    /// A key in PKCS#8, sealed for the row.
    func sealed(_ key: SecretBytes, row: String) throws(SealingError) -> [UInt8] {
        try self.keyring.seal(key, for: SealedPlace(.certificate, row: row))
    }

    /// A key that was sealed for the row, sealed anew with the first key.
    func resealed(_ sealed: [UInt8], row: String) throws(SealingError) -> [UInt8] {
        let place = SealedPlace(.certificate, row: row)
        return try self.keyring.seal(try self.keyring.open(sealed, for: place), for: place)
    }

    /// A key that was sealed for one row, sealed for another.
    func resealed(
        _ sealed: [UInt8], from old: String, for new: String
    ) throws(SealingError) -> [UInt8] {
        let key = try self.keyring.open(sealed, for: SealedPlace(.certificate, row: old))
        return try self.keyring.seal(key, for: SealedPlace(.certificate, row: new))
    }

    /// The key of a certificate as PEM.
    func openedPEM(_ sealed: [UInt8], row: String) throws(CertificateNotOpened) -> [UInt8] {
        do throws(SealingError) {
            let key = try self.keyring.open(sealed, for: SealedPlace(.certificate, row: row))
            return key.privateKeyPEM.revealed
        } catch {
            throw CertificateNotOpened(reason: "the key of \(row): \(error)")
        }
    }
}
