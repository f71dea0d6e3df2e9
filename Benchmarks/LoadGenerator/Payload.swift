// What travels, so that both ends can check it: a real ClientHello with a stamp, the sink's answer
// to it, ping-pong messages, and the bulk pattern.

private import COpenSSL
internal import Glibc

/// FNV-1a over bytes as they come, so that the sink need not keep them.
struct Digest: Equatable {
    private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

    mutating func update(_ bytes: UnsafeRawPointer, _ count: Int) {
        var value = self.value
        for index in 0..<count {
            value =
                (value ^ UInt64(bytes.load(fromByteOffset: index, as: UInt8.self)))
                &* 0x100_0000_01b3
        }
        self.value = value
    }
}

/// One ClientHello record as OpenSSL writes it, made once; its random is stamped per connection,
/// and of several names the number of one.
struct Hello {
    /// Record header (5), handshake header (4) and version (2) precede it, RFC 8446 §4.1.2.
    private static let randomOffset = 11
    /// Digits of the number in the first of several names.
    private static let numberDigits = 6

    let bytes: UnsafeMutableRawPointer
    let count: Int
    /// How many names there are, numbered from 0, and where the number stands in the hello.
    private var names = (count: 1, offset: 0)

    /// - Parameters:
    ///   - name: The host name; where there are several, `h000000` and what follows it in all.
    ///   - names: How many names there are, each as likely.
    /// - Throws: where OpenSSL gives nothing, or the name is not one of several.
    init(name: String, names: Int) throws(Failure) {
        try self.init(name: name)
        guard names > 1 else { return }
        let number = [UInt8](repeating: UInt8(ascii: "0"), count: Self.numberDigits)
        let wanted = [UInt8(ascii: "h")] + number + [UInt8(ascii: ".")]
        let offset = (0..<self.count - wanted.count).first {
            memcmp(self.bytes + $0, wanted, wanted.count) == 0
        }
        guard name.hasPrefix("h000000."), let offset else {
            throw Failure("--name \(name): of several names, the first begins with h000000.")
        }
        self.names = (names, offset + 1)
    }

    init(name: String) throws(Failure) {
        guard let context = SSL_CTX_new(TLS_client_method()), let ssl = SSL_new(context) else {
            throw Failure("OpenSSL gave no context")
        }
        defer {
            SSL_free(ssl)
            SSL_CTX_free(context)
        }
        let source = BIO_new(BIO_s_mem())
        let target = BIO_new(BIO_s_mem())
        SSL_set_bio(ssl, source, target)
        TLSContext.setName(ssl, name)
        _ = SSL_connect(ssl)
        self.count = BIO_ctrl_pending(target)
        self.bytes = UnsafeMutableRawPointer.allocate(byteCount: self.count, alignment: 8)
        guard self.count > 64, BIO_read(target, self.bytes, Int32(self.count)) == self.count else {
            throw Failure("OpenSSL wrote no ClientHello")
        }
    }

    /// Makes the hello of connection `sequence` and returns the answer that must come back.
    func stamp(_ sequence: UInt64) -> Answer {
        for word in 0..<4 {
            self.bytes.storeBytes(
                of: Pattern.mix(sequence &* 4 &+ UInt64(word)),
                toByteOffset: Self.randomOffset + word * 8, as: UInt64.self)
        }
        if self.names.count > 1 { self.writeNumber(Pattern.pick(sequence, of: self.names.count)) }
        var digest = Digest()
        digest.update(self.bytes, self.count)
        return Answer(digest: digest, helloBytes: self.count)
    }

    private func writeNumber(_ number: Int) {
        var rest = number
        for position in (0..<Self.numberDigits).reversed() {
            self.bytes.storeBytes(
                of: UInt8(ascii: "0") + UInt8(rest % 10),
                toByteOffset: self.names.offset + position, as: UInt8.self)
            rest /= 10
        }
    }
}

/// What the sink answers to a whole ClientHello: 24 bytes that prove what it received.
struct Answer: Equatable {
    static let byteCount = 24
    private static let magic: UInt64 = 0x4b4f_5449_4152_5453

    private var magic = Self.magic
    private var digest: UInt64
    private var helloBytes: UInt64

    init(digest: Digest, helloBytes: Int) {
        self.digest = digest.value
        self.helloBytes = UInt64(helloBytes)
    }

    func matches(_ bytes: UnsafeRawPointer) -> Bool {
        bytes.load(as: UInt64.self) == self.magic
            && bytes.load(fromByteOffset: 8, as: UInt64.self) == self.digest
            && bytes.load(fromByteOffset: 16, as: UInt64.self) == self.helloBytes
    }

    func copy(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: self.magic, as: UInt64.self)
        bytes.storeBytes(of: self.digest, toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: self.helloBytes, toByteOffset: 16, as: UInt64.self)
    }
}

/// The endless bulk stream: one random period repeated, so that any loss, repetition or exchange of
/// fewer than `period` bytes shows.
struct Pattern {
    /// A prime, so that no power-of-two buffer size hides a shift.
    static let period = 65_521
    private static let repeats = 4

    private let bytes: UnsafeMutableRawPointer

    init() {
        self.bytes = .allocate(byteCount: Self.period * Self.repeats, alignment: 64)
        for index in 0..<Self.period * Self.repeats {
            let value = UInt8(truncatingIfNeeded: Self.mix(UInt64(index % Self.period)))
            self.bytes.storeBytes(of: value, toByteOffset: index, as: UInt8.self)
        }
    }

    /// The bytes at `position` of the stream and how many of them are contiguous.
    func slice(at position: Int) -> (start: UnsafeRawPointer, count: Int) {
        let offset = position % Self.period
        return (UnsafeRawPointer(self.bytes + offset), Self.period * Self.repeats - offset)
    }

    func matches(_ received: UnsafeRawPointer, _ count: Int, at position: Int) -> Bool {
        var done = 0
        while done < count {
            let expected = self.slice(at: position + done)
            let part = min(expected.count, count - done)
            guard memcmp(expected.start, received + done, part) == 0 else { return false }
            done += part
        }
        return true
    }

    /// One of `count` numbers from 0, each as likely; another series than that of the randoms.
    static func pick(_ sequence: UInt64, of count: Int) -> Int {
        Int(Self.mix(~sequence) % UInt64(count))
    }

    /// Fills a message that differs from every other: of the round `round` on connection `index`.
    static func fill(_ message: UnsafeMutableRawPointer, _ size: Int, round: Int, index: Int) {
        let seed = UInt64(round) << 20 | UInt64(index) << 8
        for word in 0..<size / 8 {
            message.storeBytes(
                of: Self.mix(seed &+ UInt64(word)), toByteOffset: word * 8, as: UInt64.self)
        }
    }

    /// splitmix64: well spread bits from a counter.
    static func mix(_ value: UInt64) -> UInt64 {
        var mixed = value &+ 0x9e37_79b9_7f4a_7c15
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
