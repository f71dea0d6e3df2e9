// Looks over the text before the YAML parser does: tabs, anchors, aliases, tags and block text,
// each with its place. They are taken out, so that one of them does not hide all problems after it.
//
// It knows as much of YAML 1.2 as it needs to find the start of each token. What it misses is
// caught when the parser's nodes are read.

/// A position in the text: line and column from 1, columns in Unicode scalars, as libyaml counts.
struct TextMark: Hashable {
    var line: Int
    var column: Int
}

/// The text of a configuration, with what we do not take replaced by something harmless.
struct YAMLText {
    /// Something in the text that YAML has and we do not take.
    struct Finding: Equatable {
        enum Kind: Equatable {
            case tab, anchor, alias, tag, block
        }
        var kind: Kind
        var mark: TextMark
        /// The token as it was written.
        var text: String
    }

    /// The text's scalars; as many as there were.
    private(set) var scalars: [Unicode.Scalar]
    /// In the order of the text, at most ``findingsMax``.
    private(set) var findings: [Finding] = []
    /// Where values were replaced: nodes that begin here are to be skipped.
    private(set) var replaced: Set<TextMark> = []
    /// Whether flow collections are nested deeper than ``depthMax``.
    private(set) var isTooDeep = false

    static let findingsMax = 100
    static let depthMax = 32
    /// Stands for what was taken out: of the private use area, which no key or value holds.
    private static let placeholder: Unicode.Scalar = "\u{E0FF}"

    private var index = 0
    private var mark = TextMark(line: 1, column: 1)
    private var flowDepth = 0
    /// Whether only white space stands before this in the line.
    private var isIndentation = true

    init(_ text: String) {
        self.scalars = Array(text.unicodeScalars)
        while self.index < self.scalars.count, !self.isTooDeep { self.scanToken() }
    }

    /// How many lines there are; one more than line feeds.
    var linesCount: Int { self.mark.line }

    /// The text as it is now.
    var text: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: self.scalars)
        return String(text)
    }

    /// The scalars of a line, without its line feed; empty past the end.
    func line(_ number: Int) -> String {
        let lines = self.scalars.split(
            maxSplits: number, omittingEmptySubsequences: false, whereSeparator: Self.isBreak)
        guard lines.indices.contains(number - 1) else { return "" }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: lines[number - 1])
        return String(view)
    }

    /// Replaces a key that begins at `mark` by one that stands nowhere else; false when it is not
    /// there.
    mutating func replaceKey(_ key: String, at mark: TextMark, by stranger: Unicode.Scalar) -> Bool
    {
        guard var start = self.offset(of: mark), start < self.scalars.count else { return false }
        if self.scalars[start] == "\"" || self.scalars[start] == "'" { start += 1 }
        let wanted = Array(key.unicodeScalars)
        let end = start + wanted.count
        guard !wanted.isEmpty, end <= self.scalars.count, Array(self.scalars[start..<end]) == wanted
        else { return false }
        for position in start..<end { self.scalars[position] = stranger }
        self.replaced.insert(mark)
        return true
    }

    private func offset(of mark: TextMark) -> Int? {
        var line = 1
        var position = 0
        while line < mark.line, position < self.scalars.count {
            if Self.isBreak(self.scalars[position]) { line += 1 }
            position += 1
        }
        guard line == mark.line else { return nil }
        return position + mark.column - 1
    }

    // MARK: Tokens

    private mutating func scanToken() {
        let scalar = self.scalars[self.index]
        switch scalar {
        case _ where Self.isBreak(scalar), " ", "\u{FEFF}": self.advance()
        case "\t": self.scanTab()
        case "#": self.skipLine()
        case "%" where self.mark.column == 1: self.skipLine()
        case "\"": self.skipDoubleQuoted()
        case "'": self.skipSingleQuoted()
        case "[", "{":
            self.flowDepth += 1
            self.isTooDeep = self.flowDepth > Self.depthMax
            self.advance()
        case "]", "}":
            self.flowDepth = max(0, self.flowDepth - 1)
            self.advance()
        case ",": self.advance()
        case "-", "?", ":": self.endsToken(at: self.index + 1) ? self.advance() : self.skipPlain()
        case "&": self.take(.anchor)
        case "*": self.take(.alias)
        case "!": self.take(.tag)
        case "|" where self.flowDepth == 0, ">" where self.flowDepth == 0: self.take(.block)
        default: self.skipPlain()
        }
    }

    private mutating func scanTab() {
        if self.isIndentation, self.flowDepth == 0, !self.isRestOfLineBlank {
            self.found(Finding(kind: .tab, mark: self.mark, text: "\t"))
        }
        self.advance()
    }

    /// Takes a token out: anchors and tags leave spaces, an alias text that is skipped later.
    private mutating func take(_ kind: Finding.Kind) {
        let start = self.index
        let mark = self.mark
        while self.index < self.scalars.count, !self.endsWord(at: self.index) { self.advance() }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: self.scalars[start..<self.index])
        self.found(Finding(kind: kind, mark: mark, text: String(text)))
        let isKept = kind == .alias || kind == .block
        for position in start..<self.index {
            self.scalars[position] = isKept ? Self.placeholder : " "
        }
        if isKept { self.replaced.insert(mark) }
        if kind == .block { self.blankBlock(after: mark) }
    }

    /// Blanks the lines of a block of text: those indented deeper than the line of its header.
    private mutating func blankBlock(after header: TextMark) {
        let headerStart = self.index - (self.mark.column - 1)
        let indentation = self.scalars[headerStart..<self.index].prefix { $0 == " " || $0 == "-" }
            .count
        self.skipLine()
        while self.index < self.scalars.count {
            self.advance()  // the line feed
            let spaces = self.scalars[self.index...].prefix { $0 == " " }.count
            let first = self.index + spaces
            let isBlank = first >= self.scalars.count || Self.isBreak(self.scalars[first])
            guard isBlank || spaces > indentation else { return }
            while self.index < self.scalars.count, !Self.isBreak(self.scalars[self.index]) {
                self.scalars[self.index] = " "
                self.advance()
            }
        }
    }

    private mutating func skipPlain() {
        self.advance()
        while self.index < self.scalars.count {
            let scalar = self.scalars[self.index]
            if Self.isBreak(scalar) { return }
            if scalar == "#", Self.isBlank(self.scalars[self.index - 1]) { return }
            if scalar == ":", self.endsToken(at: self.index + 1) { return }
            if self.flowDepth > 0, Self.isFlowIndicator(scalar) { return }
            self.advance()
        }
    }

    private mutating func skipDoubleQuoted() {
        self.advance()
        while self.index < self.scalars.count {
            let scalar = self.scalars[self.index]
            self.advance()
            if scalar == "\"" { return }
            if scalar == "\\", self.index < self.scalars.count { self.advance() }
        }
    }

    private mutating func skipSingleQuoted() {
        self.advance()
        while self.index < self.scalars.count {
            let scalar = self.scalars[self.index]
            self.advance()
            if scalar == "'" { return }
        }
    }

    private mutating func skipLine() {
        while self.index < self.scalars.count, !Self.isBreak(self.scalars[self.index]) {
            self.advance()
        }
    }

    private mutating func advance() {
        let scalar = self.scalars[self.index]
        self.index += 1
        guard Self.isBreak(scalar) else {
            self.mark.column += 1
            if !Self.isBlank(scalar) { self.isIndentation = false }
            return
        }
        // A line break may be two scalars; it is one line.
        if scalar == "\r", self.index < self.scalars.count, self.scalars[self.index] == "\n" {
            return
        }
        self.mark = TextMark(line: self.mark.line + 1, column: 1)
        self.isIndentation = true
    }

    private mutating func found(_ finding: Finding) {
        guard self.findings.count < Self.findingsMax else { return }
        self.findings.append(finding)
    }

    // MARK: Characters

    private var isRestOfLineBlank: Bool {
        let rest = self.scalars[self.index...].first { !Self.isBlank($0) }
        return rest.map { Self.isBreak($0) || $0 == "#" } ?? true
    }

    /// Whether an indicator before `position` is a token: a blank, an end or a flow mark follows.
    private func endsToken(at position: Int) -> Bool {
        guard position < self.scalars.count else { return true }
        let scalar = self.scalars[position]
        if Self.isBlank(scalar) || Self.isBreak(scalar) { return true }
        return self.flowDepth > 0 && Self.isFlowIndicator(scalar)
    }

    private func endsWord(at position: Int) -> Bool {
        let scalar = self.scalars[position]
        return Self.isBlank(scalar) || Self.isBreak(scalar)
            || (self.flowDepth > 0 && Self.isFlowIndicator(scalar))
    }

    private static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
        scalar == " " || scalar == "\t" || scalar == "\u{FEFF}"
    }

    private static func isBreak(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\n", "\r", "\u{85}", "\u{2028}", "\u{2029}": true
        default: false
        }
    }

    private static func isFlowIndicator(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case ",", "[", "]", "{", "}": true
        default: false
        }
    }
}
