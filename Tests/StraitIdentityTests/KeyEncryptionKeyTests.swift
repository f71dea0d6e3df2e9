// How an operator gives the key that seals others, and what is refused.

import Foundation
import StraitIdentity
import Testing

/// 32 bytes that differ by `number`.
func someKeyBytes(_ number: UInt8 = 0) -> [UInt8] { (0..<32).map { $0 &* 37 &+ number | 0x80 } }

@Suite("KeyEncryptionKey") struct KeyEncryptionKeyTests {
    private static let bytes = someKeyBytes()
    private static let base64 = Data(bytes).base64EncodedString()
    private static let hexadecimal = bytes.map { String($0, radix: 16) }.joined()

    @Test("every way of writing it gives the same key")
    func written() throws {
        let key = try KeyEncryptionKey(bytes: Self.bytes)
        let url = Self.base64.replacing("+", with: "-").replacing("/", with: "_")
        #expect(Self.base64.contains("=") && Self.hexadecimal.count == 64)
        for text in [
            Self.base64, " \(Self.base64)\n", url, url.replacing("=", with: ""), Self.hexadecimal,
            Self.hexadecimal.uppercased() + "\r\n",
        ] {
            #expect(try KeyEncryptionKey(written: Array(text.utf8), mayBeRaw: true) == key)
            #expect(try KeyEncryptionKey(variable: "KEY", in: ["KEY": text]) == key)
        }
        #expect(try KeyEncryptionKey(written: Self.bytes, mayBeRaw: true) == key)
    }

    @Test(
        "what is no key is refused with the reason",
        arguments: [
            ("", .missing), (" \n", .missing), ("correct horse battery staple 123", .notEncoded),
            ("correct horse!", .notEncoded), ("AAAA", .wrongLength(3)),
            (String(base64.dropLast(4)), .wrongLength(30)), (base64 + base64, .notEncoded),
            (hexadecimal + "00", .wrongLength(49)), ("g" + hexadecimal.dropFirst(), .notEncoded),
            (String(repeating: "0", count: 64), .notRandom),
            (String(repeating: "01", count: 32), .notRandom),
        ] as [(String, KeyEncryptionKeyError)])
    func refused(text: String, expected: KeyEncryptionKeyError) {
        let error = #expect(throws: KeyEncryptionKeyError.self) {
            try KeyEncryptionKey(written: Array(text.utf8), mayBeRaw: true)
        }
        #expect(error == expected)
        #expect(text.count < 8 || error?.description.contains(text) == false)
    }

    @Test("raw bytes of another length, and in a variable, are refused")
    func raw() {
        let error = { (bytes: [UInt8], mayBeRaw: Bool) in
            #expect(throws: KeyEncryptionKeyError.self) {
                try KeyEncryptionKey(written: bytes, mayBeRaw: mayBeRaw)
            }
        }
        #expect(error(Array(Self.bytes.dropLast()), true) == .wrongLength(31))
        #expect(error(Self.bytes + [0x0A], true) == .wrongLength(33))
        #expect(error(Self.bytes, false) == .notEncoded)
        #expect(
            #expect(throws: KeyEncryptionKeyError.self) {
                try KeyEncryptionKey(variable: "KEY", in: [:])
            } == .missing)
    }

    @Test("no text of it shows a byte, and its identifier is another for another key")
    func hidden() throws {
        let key = try KeyEncryptionKey(bytes: Self.bytes)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] {
            #expect(!text.contains(Self.hexadecimal.prefix(8)))
            #expect(!text.contains("128, 165"), "two bytes as an array shows them")
        }
        #expect("\(key)" == "key-encryption key \(key.identifier)")
        #expect(key.identifier.description.count == 16)
        #expect(try KeyEncryptionKey(bytes: someKeyBytes(1)).identifier != key.identifier)
    }

    @Test("a file is read that its owner alone can read; any other is refused")
    func file() throws {
        let folder = try OpenSSL().folder.path + "-key"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        // What stays is in the system's folder for such files.
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/key"
        let read = { (mode: Int) in
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: path)
            return try KeyEncryptionKey(file: path)
        }
        let failure = { (act: () throws -> KeyEncryptionKey) in
            #expect(throws: KeyEncryptionKeyError.self) { _ = try act() }
        }
        #expect(failure { try KeyEncryptionKey(file: path) } == .missing)
        for contents in [Self.bytes, Array((Self.base64 + "\n").utf8)] {
            try Data(contents).write(to: URL(filePath: path))
            #expect(try read(0o600) == KeyEncryptionKey(bytes: Self.bytes))
            #expect(try read(0o400) == KeyEncryptionKey(bytes: Self.bytes))
            for mode in [0o644, 0o604, 0o660, 0o620, 0o602, 0o677] {
                #expect(failure { try read(mode) } == .readableByOthers(mode))
            }
        }
        try FileManager.default.createSymbolicLink(
            atPath: folder + "/link", withDestinationPath: path)
        #expect(
            failure { try KeyEncryptionKey(file: folder + "/link") } == .readableByOthers(0o677))
        try Data(count: 1_000_000).write(to: URL(filePath: path))
        #expect(failure { try read(0o600) } == .notEncoded)
        guard case .unreadable? = failure({ try KeyEncryptionKey(file: folder) }) else {
            Issue.record("a folder is no file")
            return
        }
    }

    @Test(
        "a group may read what root owns, nobody else's",
        arguments: [
            (0o600, 1000, true), (0o640, 0, true), (0o440, 0, true), (0o640, 1000, false),
            (0o660, 0, false), (0o641, 0, false), (0o644, 0, false), (0o700, 1000, true),
        ])
    func permissions(mode: Int, ownerID: Int, isPrivate: Bool) {
        #expect(KeyEncryptionKey.isPrivate(mode: mode, ownerID: ownerID) == isPrivate)
    }
}
