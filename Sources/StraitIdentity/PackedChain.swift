// A chain of certificates as little memory as it takes: DER, one behind the other. A router keeps
// one for each certificate, and needs few of them as PEM at a time.

/// A chain of certificates, leaf first.
package enum PackedChain {
    /// The certificates of a PEM text as DER, one behind the other; nil where one cannot be read.
    ///
    /// What a certificate says is not looked at.
    package static func bytes(pem: [UInt8]) -> [UInt8]? {
        var packed: [UInt8] = []
        let text = PEMText(pem)
        for block in text.blocks {
            guard block.label == "CERTIFICATE", let der = block.der,
                Self.elementCount(der[...]) == der.count
            else { return nil }
            packed += der
        }
        return packed.isEmpty || text.unfinished != nil ? nil : packed
    }

    /// The same as PEM again.
    package static func pem(_ packed: ArraySlice<UInt8>) -> [UInt8] {
        var rest = packed
        var text: [UInt8] = []
        while let count = Self.elementCount(rest), count > 0 {
            text += pemText(Array(rest.prefix(count)), label: "CERTIFICATE")
            rest = rest.dropFirst(count)
        }
        return text
    }

    /// The length of the sequence that bytes begin with, its header included, X.690 §8.1; nil where
    /// they do not begin with a whole one.
    private static func elementCount(_ bytes: ArraySlice<UInt8>) -> Int? {
        var head = bytes.makeIterator()
        guard head.next() == 0x30, let first = head.next() else { return nil }
        var headCount = 2
        var length = Int(first)
        if first >= 0x80 {
            // Certificates have less than 64 KiB, and DER has no indefinite lengths.
            let digits = Int(first & 0x7F)
            guard (1...3).contains(digits) else { return nil }
            length = 0
            for _ in 0..<digits {
                guard let byte = head.next() else { return nil }
                length = length << 8 | Int(byte)
            }
            headCount += digits
        }
        return headCount + length <= bytes.count ? headCount + length : nil
    }
}
