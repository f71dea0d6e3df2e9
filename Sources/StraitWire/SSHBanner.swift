// The first line of an SSH connection, RFC 4253 §4.2. What comes behind it is the upstream's
// business.

private import StraitCore

/// A downstream's identification string: `SSH-2.0-software comments` and CR LF.
package struct SSHBanner: Hashable, Sendable {
    /// Why bytes are no identification string of a downstream.
    package enum Problem: Error, Hashable, Sendable {
        /// Another beginning than `SSH-2.0-` or `SSH-1.99-`. A downstream sends no lines before it.
        case version
        /// No line end in the first 255 bytes.
        case tooLong
        /// Nothing behind the version.
        case noSoftware
        /// A byte that is not printable US-ASCII, or a CR without LF.
        case forbiddenByte(UInt8)
    }

    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        case needMore
        case malformed(Problem)
        case done(SSHBanner)
    }

    /// Whether the line says 1.99: a version 2 that also speaks version 1 (RFC 4253 §5.1).
    package let isVersion199: Bool
    /// Where the software's name lies, without comments.
    package let software: Range<Int>
    /// How many bytes the line takes, its end included.
    package let length: Int

    /// Reads the line at the start of `input`.
    ///
    /// A bare LF ends it too: implementations of old do so, and RFC 4253 §4.2 lets us take it.
    /// - Complexity: O(255).
    package static func read(_ input: Span<UInt8>) -> Outcome {
        let prefix: Int
        switch FirstBytes(input) {
        case .needMore: return .needMore
        case .ssh: prefix = input[4] == UInt8(ascii: "2") ? 8 : 9
        default: return .malformed(.version)
        }
        var softwareEnd: Int?
        for index in prefix..<min(input.count, Limits.sshBannerBytesMax) {
            let byte = input[index]
            switch byte {
            case UInt8(ascii: " "):
                guard index > prefix else { return .malformed(.noSoftware) }
                softwareEnd = softwareEnd ?? index
            case UInt8(ascii: "\n"):
                let isCRLF = input[index - 1] == UInt8(ascii: "\r")
                let end = softwareEnd ?? (isCRLF ? index - 1 : index)
                guard end > prefix else { return .malformed(.noSoftware) }
                return .done(
                    SSHBanner(
                        isVersion199: prefix == 9, software: prefix..<end, length: index + 1))
            case UInt8(ascii: "\r"):
                guard index + 1 < Limits.sshBannerBytesMax else { return .malformed(.tooLong) }
                guard index + 1 < input.count else { return .needMore }
                guard input[index + 1] == UInt8(ascii: "\n") else {
                    return .malformed(.forbiddenByte(byte))
                }
            case 0x21...0x7E: break
            default: return .malformed(.forbiddenByte(byte))
            }
        }
        guard input.count < Limits.sshBannerBytesMax else { return .malformed(.tooLong) }
        return .needMore
    }
}
