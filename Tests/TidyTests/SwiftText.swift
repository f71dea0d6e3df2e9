// A lexer for just enough of Swift: where code ends and comments and string literals begin.

private let newline = UInt8(ascii: "\n")
private let blankByte = UInt8(ascii: " ")
private let hash = UInt8(ascii: "#")
private let quote = UInt8(ascii: "\"")
private let opening = UInt8(ascii: "(")
private let closing = UInt8(ascii: ")")

/// Swift source without its comments and the inside of its literals.
///
/// Not a parser: it knows nested block comments, raw and multi-line strings and interpolation, all
/// that a search for words in code needs. Regular-expression literals are taken for code.
enum SwiftText {
    private enum Mode: Equatable {
        case code
        case lineComment
        case blockComment(depth: Int)
        case string(hashes: Int, isMultiline: Bool)
        case interpolation(parentheses: Int)
    }

    /// The lines of `text`, where every character of a comment or a literal is a blank.
    static func code(of text: String) -> [String] {
        var lexer = Lexer(Array(text.utf8))
        return lexer.run()
    }

    private struct Lexer {
        let input: [UInt8]
        var index = 0
        var output: [UInt8] = []
        /// Interpolations nest: the innermost mode is last.
        var modes: [Mode] = [.code]

        init(_ input: [UInt8]) {
            self.input = input
            self.output.reserveCapacity(input.count)
        }

        mutating func run() -> [String] {
            while self.index < self.input.count {
                switch self.modes[self.modes.count - 1] {
                case .code, .interpolation: self.stepInCode()
                case .lineComment: self.stepInLineComment()
                case .blockComment(let depth): self.stepInBlockComment(depth: depth)
                case .string(let hashes, let isMultiline):
                    self.stepInString(hashes: hashes, isMultiline: isMultiline)
                }
            }
            return self.output.split(separator: newline, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
        }

        private func starts(with word: StaticString, then hashes: Int = 0) -> Bool {
            let count = word.utf8CodeUnitCount
            guard self.index + count + hashes <= self.input.count else { return false }
            let isWord = word.withUTF8Buffer { bytes in
                bytes.indices.allSatisfy { self.input[self.index + $0] == bytes[$0] }
            }
            guard isWord, hashes > 0 else { return isWord }
            let start = self.index + count
            return self.input[start..<start + hashes].allSatisfy { $0 == hash }
        }

        private mutating func blank(_ count: Int) {
            for byte in self.input[self.index..<min(self.index + count, self.input.count)] {
                self.output.append(byte == newline ? newline : blankByte)
            }
            self.index += count
        }

        private mutating func keep() {
            self.output.append(self.input[self.index])
            self.index += 1
        }

        private mutating func stepInCode() {
            if self.starts(with: "//") {
                self.modes.append(.lineComment)
                self.blank(2)
            } else if self.starts(with: "/*") {
                self.modes.append(.blockComment(depth: 1))
                self.blank(2)
            } else if let (hashes, isMultiline) = self.openingQuote() {
                self.modes.append(.string(hashes: hashes, isMultiline: isMultiline))
                self.blank(hashes + (isMultiline ? 3 : 1))
            } else if case .interpolation(let depth) = self.modes[self.modes.count - 1] {
                self.stepInInterpolation(depth: depth)
            } else {
                self.keep()
            }
        }

        private mutating func stepInInterpolation(depth: Int) {
            let byte = self.input[self.index]
            guard byte == opening || byte == closing else { return self.keep() }
            let now = byte == opening ? depth + 1 : depth - 1
            self.modes[self.modes.count - 1] = .interpolation(parentheses: now)
            if now == 0 { self.modes.removeLast() }
            self.keep()
        }

        private func openingQuote() -> (hashes: Int, isMultiline: Bool)? {
            var at = self.index
            while at < self.input.count, self.input[at] == hash { at += 1 }
            guard at < self.input.count, self.input[at] == quote else { return nil }
            let isMultiline =
                at + 2 < self.input.count && self.input[at + 1] == quote
                && self.input[at + 2] == quote
            return (at - self.index, isMultiline)
        }

        private mutating func stepInLineComment() {
            if self.input[self.index] == newline { self.modes.removeLast() }
            self.blank(1)
        }

        private mutating func stepInBlockComment(depth: Int) {
            if self.starts(with: "/*") {
                self.modes[self.modes.count - 1] = .blockComment(depth: depth + 1)
                self.blank(2)
            } else if self.starts(with: "*/") {
                self.modes[self.modes.count - 1] = .blockComment(depth: depth - 1)
                if depth == 1 { self.modes.removeLast() }
                self.blank(2)
            } else {
                self.blank(1)
            }
        }

        private mutating func stepInString(hashes: Int, isMultiline: Bool) {
            let isAtEnd =
                isMultiline
                ? self.starts(with: "\"\"\"", then: hashes) : self.starts(with: "\"", then: hashes)
            if self.starts(with: "\\", then: hashes) {
                let next = self.index + 1 + hashes
                guard next < self.input.count, self.input[next] == opening else {
                    return self.blank(2 + hashes)
                }
                self.blank(1 + hashes)
                self.modes.append(.interpolation(parentheses: 1))
                self.keep()
            } else if isAtEnd {
                self.blank((isMultiline ? 3 : 1) + hashes)
                self.modes.removeLast()
            } else {
                self.blank(1)
            }
        }
    }
}
