// JSON text -> the nodes that the keys are read from, with their places. RFC 8259.
//
// Rows of a registry are JSON: Yams would read them, too, at ten times the cost, and a router reads
// very many when it starts.

/// Why text is not JSON.
package struct JSONProblem: Error, Hashable, Sendable {
    /// From 1.
    package let line: Int
    /// From 1; counts bytes.
    package let column: Int
    /// What was expected, for people.
    package let expected: String

    /// See the properties.
    package init(line: Int, column: Int, expected: String) {
        self.line = line
        self.column = column
        self.expected = expected
    }
}

/// Reads one JSON value; used once.
struct JSONReader {
    /// Nesting of values; no key of ours lies deeper than 8.
    private static let depthMax = 16

    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var lineStart = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The value that the whole text is.
    mutating func read() throws(JSONProblem) -> YAMLNode {
        self.skipSpace()
        let node = try self.value(depth: 0)
        self.skipSpace()
        guard self.position == self.bytes.count else { throw self.problem("the end of the text") }
        return node
    }

    private func problem(_ expected: String) -> JSONProblem {
        JSONProblem(
            line: self.line, column: self.position - self.lineStart + 1, expected: expected)
    }

    private var next: UInt8? {
        self.position < self.bytes.count ? self.bytes[self.position] : nil
    }

    private mutating func skipSpace() {
        while let byte = self.next {
            switch byte {
            case 0x20, 0x09, 0x0D: break
            case 0x0A:
                self.line += 1
                self.lineStart = self.position + 1
            default: return
            }
            self.position += 1
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard self.next == byte else { return false }
        self.position += 1
        return true
    }

    private mutating func value(depth: Int) throws(JSONProblem) -> YAMLNode {
        guard depth <= Self.depthMax else { throw self.problem("at most \(Self.depthMax) levels") }
        let (line, column) = (self.line, self.position - self.lineStart + 1)
        let content: YAMLNode.Content
        switch self.next {
        case UInt8(ascii: "{")?: content = .mapping(try self.mapping(depth: depth))
        case UInt8(ascii: "[")?: content = .list(try self.list(depth: depth))
        case UInt8(ascii: "\"")?: content = .text(try self.string(), isPlain: false)
        case let byte? where byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte):
            content = .text(try self.number(), isPlain: true)
        default: content = try self.word()
        }
        return YAMLNode(line: line, column: column, content: content)
    }

    private mutating func word() throws(JSONProblem) -> YAMLNode.Content {
        for (word, content) in Self.words where self.bytes[self.position...].starts(with: word) {
            self.position += word.count
            return content
        }
        throw self.problem("a value")
    }

    private static let words: [([UInt8], YAMLNode.Content)] = [
        (Array("true".utf8), .text("true", isPlain: true)),
        (Array("false".utf8), .text("false", isPlain: true)),
        (Array("null".utf8), .nothing),
    ]

    private mutating func list(depth: Int) throws(JSONProblem) -> [YAMLNode] {
        self.position += 1
        self.skipSpace()
        var items: [YAMLNode] = []
        guard !self.take(UInt8(ascii: "]")) else { return items }
        while true {
            items.append(try self.value(depth: depth + 1))
            self.skipSpace()
            if self.take(UInt8(ascii: "]")) { return items }
            guard self.take(UInt8(ascii: ",")) else { throw self.problem("a comma or ]") }
            self.skipSpace()
        }
    }

    private mutating func mapping(depth: Int) throws(JSONProblem) -> [YAMLPair] {
        self.position += 1
        self.skipSpace()
        var pairs: [YAMLPair] = []
        // Of many alone: a few are compared faster than they are hashed.
        var keys: Set<String> = []
        guard !self.take(UInt8(ascii: "}")) else { return pairs }
        while true {
            let (line, column) = (self.line, self.position - self.lineStart + 1)
            guard self.next == UInt8(ascii: "\"") else { throw self.problem("a key in quotes") }
            let key = try self.string()
            guard Self.isNew(key, among: pairs, &keys) else {
                throw JSONProblem(line: line, column: column, expected: "each key once")
            }
            self.skipSpace()
            guard self.take(UInt8(ascii: ":")) else { throw self.problem("a colon") }
            self.skipSpace()
            pairs.append(
                YAMLPair(
                    key: key, line: line, column: column, value: try self.value(depth: depth + 1)))
            self.skipSpace()
            if self.take(UInt8(ascii: "}")) { return pairs }
            guard self.take(UInt8(ascii: ",")) else { throw self.problem("a comma or }") }
            self.skipSpace()
        }
    }

    private static func isNew(
        _ key: String, among pairs: [YAMLPair], _ keys: inout Set<String>
    ) -> Bool {
        guard pairs.count >= 16 else { return !pairs.contains { $0.key == key } }
        if keys.isEmpty { keys = Set(pairs.map(\.key)) }
        return keys.insert(key).inserted
    }

    /// As it is written, RFC 8259 §6.
    private mutating func number() throws(JSONProblem) -> String {
        let start = self.position
        _ = self.take(UInt8(ascii: "-"))
        if !self.take(UInt8(ascii: "0")) { try self.digits() }
        if self.take(UInt8(ascii: ".")) { try self.digits() }
        if self.take(UInt8(ascii: "e")) || self.take(UInt8(ascii: "E")) {
            _ = self.take(UInt8(ascii: "+")) || self.take(UInt8(ascii: "-"))
            try self.digits()
        }
        return String(decoding: self.bytes[start..<self.position], as: UTF8.self)
    }

    private mutating func digits() throws(JSONProblem) {
        let start = self.position
        while let byte = self.next, (0x30...0x39).contains(byte) { self.position += 1 }
        guard self.position > start else { throw self.problem("a digit") }
    }

    // MARK: Strings

    private mutating func string() throws(JSONProblem) -> String {
        self.position += 1
        let start = self.position
        while let byte = self.next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") {
            guard byte >= 0x20 else { throw self.problem("no control character in a string") }
            self.position += 1
        }
        guard self.next != UInt8(ascii: "\"") else {
            defer { self.position += 1 }
            return try self.validated(self.bytes.span.extracting(start..<self.position))
        }
        var text = Array(self.bytes[start..<self.position])
        while !self.take(UInt8(ascii: "\"")) {
            guard let byte = self.next, byte >= 0x20 else { throw self.problem("a closing quote") }
            guard byte != UInt8(ascii: "\\") else {
                self.position += 1
                try self.takeEscaped(into: &text)
                continue
            }
            let start = self.position
            while let byte = self.next, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\"),
                byte >= 0x20
            {
                self.position += 1
            }
            text += self.bytes[start..<self.position]
        }
        return try self.validated(text.span)
    }

    /// By a span: `String(validating:as:)` costs five times as much.
    private func validated(_ text: Span<UInt8>) throws(JSONProblem) -> String {
        do throws(UTF8.ValidationError) {
            return String(copying: try UTF8Span(validating: text))
        } catch {
            throw self.problem("UTF-8")
        }
    }

    private mutating func takeEscaped(into text: inout [UInt8]) throws(JSONProblem) {
        guard let byte = self.next else { throw self.problem("an escape") }
        self.position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0C)
        case UInt8(ascii: "n"): text.append(0x0A)
        case UInt8(ascii: "r"): text.append(0x0D)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"): text += String(try self.scalar()).utf8
        default: throw self.problem("an escape")
        }
    }

    /// A scalar, of one escape or of a pair of surrogates, RFC 8259 §7.
    private mutating func scalar() throws(JSONProblem) -> Unicode.Scalar {
        let first = try self.hexadecimal()
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, self.take(UInt8(ascii: "\\")), self.take(UInt8(ascii: "u")) else {
            throw self.problem("a pair of surrogates")
        }
        let second = try self.hexadecimal()
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw self.problem("a pair of surrogates") }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONProblem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = self.next,
                let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else { throw self.problem("four hexadecimal digits") }
            value = value << 4 | UInt32(digit)
            self.position += 1
        }
        return value
    }
}

extension YAMLNode {
    /// The node as compact JSON; what was refused is null.
    func writeJSON(to text: inout String) {
        switch self.content {
        case .nothing, .refused: text += "null"
        case .text(let value, let isPlain):
            text += isPlain && Self.isLiteral(value) ? value : JSONString.quoted(value)
        case .list(let items):
            text += "["
            for (index, item) in items.enumerated() {
                if index > 0 { text += "," }
                item.writeJSON(to: &text)
            }
            text += "]"
        case .mapping(let pairs):
            text += "{"
            for (index, pair) in pairs.enumerated() {
                if index > 0 { text += "," }
                text += JSONString.quoted(pair.key) + ":"
                pair.value.writeJSON(to: &text)
            }
            text += "}"
        }
    }

    /// Whether text means itself in JSON: a word, or a whole number as JSON writes it.
    private static func isLiteral(_ text: String) -> Bool {
        if text == "true" || text == "false" { return true }
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        return !digits.isEmpty && digits.count <= 15 && digits.allSatisfy { (48...57).contains($0) }
            && (digits.count == 1 || digits.first != UInt8(ascii: "0"))
    }
}
