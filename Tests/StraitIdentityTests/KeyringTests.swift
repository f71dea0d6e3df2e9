// Secrets sealed, opened, moved, damaged, and sealed anew with another key.

import StraitCore
import StraitIdentity
import TestSupport
import Testing

func someKey(_ number: UInt8) throws -> KeyEncryptionKey {
    try KeyEncryptionKey(bytes: someKeyBytes(number))
}

@Suite("Keyring") struct KeyringTests {
    private let ring: Keyring
    private let place = SealedPlace(.certificate, row: "tenant/acme/certificate/1")
    private let secret = SecretBytes(Array("a private key".utf8))

    init() throws { self.ring = try Keyring(someKey(1)) }

    @Test("what was sealed opens, whatever its length, and looks different each time")
    func opens() throws {
        for count in [0, 1, 15, 16, 17, 4096, Limits.sealedBytesMax] {
            let secret = SecretBytes([UInt8](repeating: 7, count: count))
            let sealed = try self.ring.seal(secret, for: self.place)
            #expect(sealed.count == count + 37)
            #expect(try self.ring.open(sealed, for: self.place) == secret)
            #expect(try self.ring.seal(secret, for: self.place) != sealed)
        }
    }

    @Test("nothing of the secret or the key stands in what was sealed")
    func concealed() throws {
        let sealed = try self.ring.seal(self.secret, for: self.place)
        for start in 0..<(self.secret.revealed.count - 4) {
            #expect(!sealed.contains(self.secret.revealed[start..<(start + 4)]))
        }
        #expect(!sealed.contains(someKeyBytes(1)[0..<4]))
    }

    @Test("it opens in its own place alone")
    func places() throws {
        let sealed = try self.ring.seal(self.secret, for: self.place)
        for other in [
            SealedPlace(.certificate, row: "tenant/globex/certificate/1"),
            SealedPlace(.certificate, row: "tenant/acmf/certificate/1"),
            SealedPlace(.certificate, row: self.place.row + "\0"),
            SealedPlace(.authority, row: self.place.row), SealedPlace(.certificate, row: ""),
        ] {
            #expect(failure { try self.ring.open(sealed, for: other) } == .damaged(other))
        }
    }

    @Test("no bit can be turned and no byte cut off or added without it being refused")
    func damaged() throws {
        let sealed = try self.ring.seal(self.secret, for: self.place)
        for bit in 0..<(sealed.count * 8) {
            var damaged = sealed
            damaged[bit / 8] ^= 1 << UInt8(bit % 8)
            #expect(failure { try self.ring.open(damaged, for: self.place) } != nil)
        }
        for count in 0..<sealed.count {
            #expect(failure { try self.ring.open(Array(sealed[..<count]), for: self.place) } != nil)
        }
        #expect(failure { try self.ring.open(sealed + [0], for: self.place) } != nil)
    }

    @Test("the reasons tell apart what an operator does about them")
    func reasons() throws {
        let sealed = try self.ring.seal(self.secret, for: self.place)
        let open = { (bytes: [UInt8]) in try self.ring.open(bytes, for: self.place) }
        let stranger = try someKey(2)
        let foreign = try Keyring(stranger).seal(self.secret, for: self.place)
        #expect(failure { try open(foreign) } == .otherKey(stranger.identifier))
        #expect(failure { try open([]) } == .malformed(bytes: 0))
        #expect(failure { try open(Array(sealed[..<36])) } == .malformed(bytes: 36))
        #expect(failure { try open([2] + sealed[1...]) } == .unknownVersion(2))
        #expect(failure { try open(sealed.dropLast() + [sealed.last ^ 1]) } == .damaged(self.place))
        let large = [UInt8](repeating: 1, count: Limits.sealedBytesMax + 1)
        #expect(
            failure { try self.ring.seal(SecretBytes(large), for: self.place) }
                == .tooLong(bytes: large.count))
        #expect(
            failure { try open(sealed[..<9] + [UInt8](repeating: 0, count: 28) + large) }
                == .malformed(bytes: large.count + 37))
    }

    @Test("a new key is put first, rows are sealed anew, and the old key goes")
    func rotation() throws {
        let sealed = try self.ring.seal(self.secret, for: self.place)
        let both = try Keyring(someKey(2), others: [someKey(1)])
        #expect(try both.open(sealed, for: self.place) == self.secret)
        #expect(try !both.isCurrent(sealed))
        let anew = try both.seal(both.open(sealed, for: self.place), for: self.place)
        #expect(try both.isCurrent(anew))
        let new = try Keyring(someKey(2))
        #expect(try new.open(anew, for: self.place) == self.secret)
        #expect(
            failure { try new.open(sealed, for: self.place) }
                == .otherKey(try someKey(1).identifier)
        )
        #expect(failure { try self.ring.open(anew, for: self.place) } != nil)
    }

    @Test("the same key twice, and more keys than the bound, are refused")
    func counts() throws {
        #expect(throws: IdentityError.self) {
            try Keyring(someKey(1), others: [someKey(2), someKey(1)])
        }
        let keys = try (0...Limits.keyEncryptionKeysMax).map { try someKey(UInt8($0)) }
        #expect(throws: IdentityError.self) { try Keyring(keys[0], others: Array(keys[1...])) }
        let ring = try Keyring(keys[0], others: Array(keys[1...].dropLast()))
        #expect(ring.identifiers == keys.dropLast().map(\.identifier))
    }

    @Test("no text of the ring shows a byte of a key")
    func hidden() throws {
        var dumped = ""
        dump(self.ring, to: &dumped)
        #expect("\(self.ring)" == "keyring of \(try someKey(1).identifier)")
        #expect(!dumped.contains("129, 165"))
        #expect(dumped.contains("secret of 32 bytes"))
    }
}

/// Why it failed; nil, and a failure of the test, where it did not or in another way.
private func failure<Value>(_ act: () throws -> Value) -> SealingError? {
    #expect(throws: SealingError.self) { _ = try act() }
}

extension Array where Element == UInt8 {
    /// Of an array that is not empty.
    fileprivate var last: UInt8 { self[self.count - 1] }
}
