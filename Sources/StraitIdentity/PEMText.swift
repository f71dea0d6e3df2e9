// PEM as people upload it (RFC 7468 §2, the lax form of its lines), with everything told that is
// not part of a block: SwiftASN1 and OpenSSL skip such text, and with it half a certificate.

private import Foundation

/// One block of a text.
struct PEMBlock: Sendable {
    /// What stands behind `BEGIN`.
    var label: String
    /// What its base64 says; nil where it is none.
    var der: [UInt8]?
    /// Whether a header says that it is encrypted, RFC 1421 §4.6.1.1.
    var isEncrypted = false
}

/// The blocks of a text, and what is between them.
struct PEMText: Sendable {
    private(set) var blocks: [PEMBlock] = []
    /// The first line outside of every block that is not empty, counted from 1.
    private(set) var strayLine: Int?
    /// The label of a block without its end.
    private(set) var unfinished: String?

    /// Linear in the length of `text`, which the caller bounds.
    init(_ text: [UInt8]) {
        var open: PEMBlock?
        var base64: [UInt8] = []
        let lines = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, line) in lines.enumerated() {
            let line = Self.trimmed(line)
            if let label = Self.label(line, after: "-----BEGIN ") {
                self.unfinished = self.unfinished ?? open?.label
                open = PEMBlock(label: label)
                base64 = []
            } else if open == nil {
                if !line.isEmpty { self.strayLine = self.strayLine ?? index + 1 }
            } else if let label = Self.label(line, after: "-----END ") {
                if var block = open, block.label == label {
                    block.der = Data(base64Encoded: Data(base64)).map { Array($0) }
                    self.blocks.append(block)
                } else {
                    self.unfinished = self.unfinished ?? open?.label
                }
                open = nil
            } else if line.contains(UInt8(ascii: ":")) {
                if line.starts(with: "Proc-Type:".utf8) { open?.isEncrypted = true }
            } else {
                base64 += line
            }
        }
        self.unfinished = self.unfinished ?? open?.label
    }

    private static func trimmed(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let isSpace = { (byte: UInt8) in byte == 0x20 || byte == 0x09 || byte == 0x0D }
        let start = line.firstIndex { !isSpace($0) } ?? line.endIndex
        let end = line.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? start
        return line[start..<end]
    }

    private static func label(_ line: ArraySlice<UInt8>, after word: String) -> String? {
        let end = "-----"
        guard line.starts(with: word.utf8), line.count > word.utf8.count + end.utf8.count,
            line.suffix(end.utf8.count).elementsEqual(end.utf8)
        else { return nil }
        let label = line.dropFirst(word.utf8.count).dropLast(end.utf8.count)
        return String(decoding: label, as: UTF8.self)
    }
}
