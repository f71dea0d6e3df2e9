// Private keys sealed for where they lie: rows of a store, and the snapshot on the disk.
//
// AES-256-GCM (NIST SP 800-38D) under a key-encryption key. What a row is for and its name are
// authenticated with it, so that a sealed key does not open in another row's place. Sealed bytes:
//
//     version (1 byte: 1) · identifier of the key (8) · nonce (12) · ciphertext · tag (16)
//
// Nonces are random: up to 2^32 of them may be used with one key (SP 800-38D §8.3), which is
// 100,000 rows sealed anew every day for a century.

internal import Crypto
private import Foundation
internal import StraitCore

/// What sealed bytes are, and where they lie: they open nowhere else.
package struct SealedPlace: Hashable, Sendable, CustomStringConvertible {
    /// What a secret is for.
    package enum Purpose: String, Hashable, Sendable, CaseIterable {
        /// The key of an authority.
        case authority = "authority key"
        /// The key of a certificate that is shown to downstreams or upstreams.
        case certificate = "certificate key"
    }

    /// What it is for.
    package let purpose: Purpose
    /// The row's name in the store, or what stands for it in a file; another for each secret.
    package let row: String

    /// See the properties.
    package init(_ purpose: Purpose, row: String) {
        self.purpose = purpose
        self.row = row
    }

    /// `certificate key of tenant/acme/certificate/1`.
    package var description: String { "\(self.purpose.rawValue) of \(self.row)" }

    /// Each part behind its length, so that no two places are the same bytes.
    var authenticated: [UInt8] {
        [self.purpose.rawValue, self.row].flatMap { part -> [UInt8] in
            let length = UInt64(part.utf8.count)
            return (0..<8).map { UInt8(truncatingIfNeeded: length >> (56 - 8 * $0)) } + part.utf8
        }
    }
}

/// Why sealed bytes do not open.
package enum SealingError: Error, Hashable, Sendable, CustomStringConvertible {
    /// They are too short or too long to be sealed bytes.
    case malformed(bytes: Int)
    /// A newer program sealed them.
    case unknownVersion(UInt8)
    /// They were sealed with a key that the ring does not have.
    case otherKey(KeyEncryptionKey.Identifier)
    /// The key is the right one, but they are damaged, or were sealed for another place.
    case damaged(SealedPlace)
    /// More was to be sealed than ``Limits/sealedBytesMax``.
    case tooLong(bytes: Int)

    /// What is wrong, for people.
    package var description: String {
        switch self {
        case .malformed(let bytes): "\(bytes) bytes that are no sealed secret"
        case .unknownVersion(let version):
            "sealed by a newer program (version \(version) of the format)"
        case .otherKey(let identifier):
            "sealed with key-encryption key \(identifier), which is not here: give it as the old "
                + "key"
        case .damaged(let place): "damaged, or not sealed as the \(place)"
        case .tooLong(let bytes):
            "a secret of \(bytes) bytes; at most \(Limits.sealedBytesMax) are sealed"
        }
    }
}

/// The key-encryption keys of a process: seals with the first, opens with any of them.
///
/// To rotate: put the new key first and keep the old one behind it, seal every row anew for which
/// ``isCurrent(_:)`` is false, then take the old one out.
package struct Keyring: Sendable, CustomStringConvertible {
    /// Of the keys, the one that seals first.
    package let identifiers: [KeyEncryptionKey.Identifier]
    private let keys: [KeyEncryptionKey.Identifier: KeyEncryptionKey]
    private let first: KeyEncryptionKey

    /// - Parameters:
    ///   - first: Seals and opens.
    ///   - others: Open; at most ``Limits/keyEncryptionKeysMax`` with the first.
    /// - Throws: ``IdentityError/refused(_:)`` where there are more, or one is there twice.
    package init(
        _ first: KeyEncryptionKey, others: [KeyEncryptionKey] = []
    ) throws(IdentityError) {
        let all = [first] + others
        guard all.count <= Limits.keyEncryptionKeysMax else {
            throw .refused(
                "\(all.count) key-encryption keys; expected at most "
                    + "\(Limits.keyEncryptionKeysMax)")
        }
        self.keys = Dictionary(all.map { ($0.identifier, $0) }, uniquingKeysWith: { one, _ in one })
        guard self.keys.count == all.count else {
            throw .refused("a key-encryption key is given twice")
        }
        self.first = first
        self.identifiers = all.map(\.identifier)
    }

    /// Seals `secret` for `place`; other bytes each time.
    ///
    /// - Throws: ``SealingError/tooLong(bytes:)``.
    package func seal(
        _ secret: SecretBytes, for place: SealedPlace
    ) throws(SealingError) -> [UInt8] {
        guard secret.revealed.count <= Limits.sealedBytesMax else {
            throw .tooLong(bytes: secret.revealed.count)
        }
        let head = [Self.version] + self.first.identifier.bytes
        do {
            let box = try AES.GCM.seal(
                secret.revealed, using: self.first.symmetricKey,
                authenticating: head + place.authenticated)
            return head + box.nonce + box.ciphertext + box.tag
        } catch {
            preconditionFailure("AES-256-GCM seals whatever is given to it")
        }
    }

    /// Opens what was sealed for `place`.
    ///
    /// - Throws: ``SealingError``; anything but what ``seal(_:for:)`` made for this very place.
    package func open(
        _ sealed: [UInt8], for place: SealedPlace
    ) throws(SealingError) -> SecretBytes {
        let identifier = try Self.identifier(of: sealed)
        guard let key = self.keys[identifier] else { throw .otherKey(identifier) }
        do {
            let box = try AES.GCM.SealedBox(combined: sealed[Self.headBytes...])
            let secret = try AES.GCM.open(
                box, using: key.symmetricKey,
                authenticating: sealed[..<Self.headBytes] + place.authenticated)
            return SecretBytes(Array(secret))
        } catch {
            throw .damaged(place)
        }
    }

    /// Whether the first key sealed this; else it should be sealed anew.
    ///
    /// - Throws: ``SealingError`` where it was not sealed in this format at all.
    package func isCurrent(_ sealed: [UInt8]) throws(SealingError) -> Bool {
        try Self.identifier(of: sealed) == self.first.identifier
    }

    /// Which keys, not what they are.
    package var description: String {
        "keyring of \(self.identifiers.map(\.description).joined(separator: ", "))"
    }

    private static func identifier(
        of sealed: [UInt8]
    ) throws(SealingError) -> KeyEncryptionKey.Identifier {
        guard let version = sealed.first else { throw .malformed(bytes: 0) }
        guard version == self.version else { throw .unknownVersion(version) }
        let bytes = (self.headBytes + self.nonceBytes + self.tagBytes)...
        guard bytes.contains(sealed.count),
            sealed.count <= bytes.lowerBound + Limits.sealedBytesMax
        else { throw .malformed(bytes: sealed.count) }
        return KeyEncryptionKey.Identifier(bytes: Array(sealed[1..<self.headBytes]))
    }

    private static let version: UInt8 = 1
    /// The version and the identifier.
    private static let headBytes = 1 + KeyEncryptionKey.Identifier.bytesCount
    /// SP 800-38D §5.2.1.1: 96 bits.
    private static let nonceBytes = 12
    private static let tagBytes = 16
}
