// The key that seals private keys where they lie: 32 bytes from a file or the environment.

internal import Crypto
private import Foundation
internal import StraitCore

/// A key-encryption key: AES-256.
package struct KeyEncryptionKey: Sendable, Equatable, CustomStringConvertible {
    /// Which key it is, without saying what it is: the first 8 bytes of a digest over it.
    package struct Identifier: Hashable, Sendable, CustomStringConvertible {
        /// Eight.
        let bytes: [UInt8]

        /// 16 lower-case hexadecimal digits.
        package var description: String { hexadecimal(self.bytes) }

        /// How many bytes it has.
        static let bytesCount = 8
    }

    /// Which it is.
    package let identifier: Identifier
    private let secret: SecretBytes

    /// - Throws: ``KeyEncryptionKeyError`` where `bytes` are not 32 bytes that may be random.
    package init(bytes: [UInt8]) throws(KeyEncryptionKeyError) {
        guard bytes.count == Self.bytesCount else { throw .wrongLength(bytes.count) }
        guard Set(bytes).count > 8 else { throw .notRandom }
        self.secret = SecretBytes(bytes)
        let digest = SHA256.hash(data: Array("strait key-encryption key".utf8) + [0] + bytes)
        self.identifier = Identifier(bytes: Array(digest.prefix(Identifier.bytesCount)))
    }

    /// Reads what an operator wrote: base64 (of either alphabet) or hexadecimal digits, with white
    /// space around; or, from a file, the 32 bytes themselves.
    ///
    /// - Throws: ``KeyEncryptionKeyError``.
    package init(
        written: [UInt8], mayBeRaw: Bool
    ) throws(KeyEncryptionKeyError) {
        guard !written.isEmpty else { throw .missing }
        // Text first: 32 characters that can be typed are a pass phrase, not random bytes.
        guard written.allSatisfy(Self.isTyped) else {
            guard mayBeRaw else { throw .notEncoded }
            try self.init(bytes: written)
            return
        }
        let text = String(decoding: written, as: UTF8.self)
            .trimmingCharacters(in: .whitespacesAndNewlines)
        guard !text.isEmpty else { throw .missing }
        guard let bytes = Self.decoded(text) else { throw .notEncoded }
        try self.init(bytes: bytes)
    }

    /// Reads the variable of that name.
    ///
    /// - Throws: ``KeyEncryptionKeyError``.
    package init(
        variable: String, in environment: [String: String]
    ) throws(KeyEncryptionKeyError) {
        guard let text = environment[variable] else { throw .missing }
        try self.init(written: Array(text.utf8), mayBeRaw: false)
    }

    /// Reads a file that nobody but its owner may read; where that is root, a group may as well, so
    /// that a router that is not root can.
    ///
    /// The permissions are looked at before the contents and by the same path; whoever may replace
    /// the file in between may replace it at any time.
    ///
    /// - Throws: ``KeyEncryptionKeyError``.
    package init(file path: String) throws(KeyEncryptionKeyError) {
        let target = URL(filePath: path).resolvingSymlinksInPath()
        let bytes: Data
        let mode: Int
        let owner: Int
        do {
            let facts = try FileManager.default.attributesOfItem(atPath: target.path)
            guard facts[.type] as? FileAttributeType == .typeRegular else {
                throw KeyEncryptionKeyError.unreadable("\(path) is no file")
            }
            // What is not told counts as open to everybody, and as somebody's.
            mode = (facts[.posixPermissions] as? NSNumber)?.intValue ?? 0o777
            owner = (facts[.ownerAccountID] as? NSNumber)?.intValue ?? 1
            let handle = try FileHandle(forReadingFrom: target)
            bytes = try handle.read(upToCount: Self.writtenMax + 1) ?? Data()
            try handle.close()
        } catch let error as KeyEncryptionKeyError {
            throw error
        } catch {
            guard FileManager.default.fileExists(atPath: target.path) else { throw .missing }
            throw .unreadable("\(path) cannot be read")
        }
        guard Self.isPrivate(mode: mode, ownerID: owner) else { throw .readableByOthers(mode) }
        guard bytes.count <= Self.writtenMax else { throw .notEncoded }
        try self.init(written: Array(bytes), mayBeRaw: true)
    }

    /// Whether nobody may read or write a file who need not.
    package static func isPrivate(mode: Int, ownerID: Int) -> Bool {
        mode & (ownerID == 0 ? 0o037 : 0o077) == 0
    }

    /// Which it is, not what.
    package var description: String { "key-encryption key \(self.identifier)" }

    /// As AES takes it.
    var symmetricKey: SymmetricKey { SymmetricKey(data: self.secret.revealed) }

    /// Printable ASCII, or white space.
    private static func isTyped(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) || (0x09...0x0D).contains(byte)
    }

    /// 64 digits are hexadecimal, everything else is base64; nil where it is neither.
    private static func decoded(_ text: String) -> [UInt8]? {
        if text.utf8.count == 2 * self.bytesCount {
            let digits = text.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
            guard digits.count == 2 * self.bytesCount else { return nil }
            return stride(from: 0, to: digits.count, by: 2).map {
                UInt8(digits[$0] << 4 | digits[$0 + 1])
            }
        }
        let standard = text.replacing("-", with: "+").replacing("_", with: "/")
        let missing = (4 - standard.utf8.count % 4) % 4
        return Data(base64Encoded: standard + String(repeating: "=", count: missing))
            .map { Array($0) }
    }

    /// AES-256.
    static let bytesCount = 32
    /// A file or variable; base64 of a key has 44 characters.
    ///
    /// Beyond: refused.
    private static let writtenMax = 1024
}

/// Why there is no key-encryption key; never with a byte of it.
package enum KeyEncryptionKeyError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No such file or variable, or nothing in it.
    case missing
    /// Why the file cannot be read.
    case unreadable(String)
    /// Others than its owner may read or write the file, which has this mode.
    case readableByOthers(Int)
    /// Neither base64 nor hexadecimal digits; a pass phrase, perhaps.
    case notEncoded
    /// It has this many bytes.
    case wrongLength(Int)
    /// The same few bytes again and again.
    case notRandom

    /// What was found, what is expected, and what to do.
    package var description: String {
        switch self {
        case .missing:
            "no key-encryption key; make one with: openssl rand -base64 32"
        case .unreadable(let reason): reason
        case .readableByOthers(let mode):
            "the file of the key-encryption key has mode \(String(mode & 0o7777, radix: 8)), so "
                + "that others can read it; expected 600 (640 where root owns it): chmod 600"
        case .notEncoded:
            "the key-encryption key is neither base64 nor hexadecimal digits; make one with: "
                + "openssl rand -base64 32"
        case .wrongLength(let count):
            "the key-encryption key has \(count) bytes; expected \(KeyEncryptionKey.bytesCount), "
                + "as openssl rand -base64 32 makes them"
        case .notRandom:
            "the key-encryption key is no random one; make one with: openssl rand -base64 32"
        }
    }
}
