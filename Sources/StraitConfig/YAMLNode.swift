// The one place that knows Yams: text -> nodes with places, and what is wrong with the YAML itself.

private import Yams

/// A YAML value with its place.
struct YAMLNode: Sendable, Equatable {
    indirect enum Content: Sendable, Equatable {
        /// `isPlain`: it was not quoted.
        case text(String, isPlain: Bool)
        case list([YAMLNode])
        case mapping([YAMLPair])
        /// No value at all, or `null`.
        case nothing
        /// What stood here was refused, and reported, before.
        case refused
    }

    var line: Int
    var column: Int
    var content: Content
}

/// One key and its value.
struct YAMLPair: Sendable, Equatable {
    var key: String
    var line: Int
    var column: Int
    var value: YAMLNode
}

/// Reads YAML text into nodes.
struct YAMLReader {
    /// Duplicate keys that are reported; at the next one reading ends.
    static let duplicatesMax = 20
    /// Nesting of values; no key of ours lies deeper than 8.
    static let depthMax = 16

    private var text: YAMLText
    private let context: ReadingContext
    /// Keys that stood twice: the first of each, by its place.
    private var duplicates: [TextMark: String] = [:]

    init(_ text: String, context: ReadingContext) {
        self.text = YAMLText(text)
        self.context = context
    }

    /// The root, unless the text is not YAML; what is wrong is reported to the context.
    mutating func read() -> YAMLNode? {
        for finding in self.text.findings { self.report(finding) }
        guard !self.text.isTooDeep else {
            self.context.report(
                .tooDeep, at: SourcePlace(line: 1, column: 1, path: ""),
                found: "more than \(YAMLText.depthMax) open brackets",
                expected: "at most 8 levels, as the deepest key needs", remedy: "close the brackets"
            )
            return nil
        }
        guard !self.text.findings.contains(where: { $0.kind == .tab }) else { return nil }
        for _ in 0...Self.duplicatesMax {
            do {
                return try self.parse()
            } catch let YamlError.duplicatedKeysInMapping(keys, context) {
                guard self.setAside(keys, at: context.mark) else { break }
            } catch {
                self.report(error)
                break
            }
        }
        for (mark, key) in self.duplicates { self.reportDuplicate(key, at: mark) }
        return nil
    }

    private func parse() throws -> YAMLNode? {
        let text = self.text.text
        guard !text.allSatisfy(\.isWhitespace) else { return self.reportEmpty() }
        // The basic resolver: our own keys know what kind of value they want.
        let parser = try Parser(yaml: text, resolver: .basic, encoding: .utf8)
        // Nodes hold their anchors weakly; the parser owns them.
        return try withExtendedLifetime(parser) {
            guard let root = try parser.singleRoot() else { return self.reportEmpty() }
            let node = self.node(root, path: "", depth: 0)
            return node.content == .nothing ? self.reportEmpty() : node
        }
    }

    private func reportEmpty() -> YAMLNode? {
        self.context.report(
            .empty, at: SourcePlace(line: 1, column: 1, path: ""), found: "nothing",
            expected: "a mapping with at least `listeners`",
            remedy: "begin with configs/minimal.yaml")
        return nil
    }

    // MARK: Nodes

    private func node(_ node: Node, path: String, depth: Int) -> YAMLNode {
        let line = node.mark?.line ?? 0
        let column = node.mark?.column ?? 0
        func made(_ content: YAMLNode.Content) -> YAMLNode {
            YAMLNode(line: line, column: column, content: content)
        }
        let place = SourcePlace(line: line, column: column, path: path)
        guard depth <= Self.depthMax else {
            self.context.report(
                .tooDeep, at: place, found: "more than \(Self.depthMax) levels",
                expected: "at most 8 levels, as the deepest key needs",
                remedy: "take out the inner lists and mappings")
            return made(.refused)
        }
        let mark = TextMark(line: line, column: column)
        if node.anchor != nil {
            self.report(YAMLText.Finding(kind: .anchor, mark: mark, text: "&"))
            return made(.refused)
        }
        switch node {
        case .scalar(let scalar):
            if self.text.replaced.contains(mark) { return made(.refused) }
            let isPlain = scalar.style == .plain
            let isNothing = isPlain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
            return made(isNothing ? .nothing : .text(scalar.string, isPlain: isPlain))
        case .sequence(let sequence):
            let items = sequence.enumerated().map { index, item in
                self.node(item, path: "\(path)[\(index)]", depth: depth + 1)
            }
            return made(.list(items))
        case .mapping(let mapping):
            return made(.mapping(self.pairs(mapping, path: path, depth: depth)))
        case .alias:
            return made(.refused)
        }
    }

    /// The pairs of a mapping, without those that are set aside and those whose key is no text.
    private func pairs(_ mapping: Node.Mapping, path: String, depth: Int) -> [YAMLPair] {
        var pairs: [YAMLPair] = []
        var firstLines: [String: Int] = [:]
        for (key, value) in mapping {
            let mark = TextMark(line: key.mark?.line ?? 0, column: key.mark?.column ?? 0)
            guard let scalar = key.scalar else {
                self.context.report(
                    .wrongType, at: SourcePlace(line: mark.line, column: mark.column, path: path),
                    found: "a list or a mapping as a key", expected: "a word as a key",
                    remedy: "quote the value if it begins with a bracket")
                continue
            }
            let isSetAside = self.duplicates[mark] != nil
            let name = self.duplicates[mark] ?? scalar.string
            if let first = firstLines[name] {
                self.reportDuplicate(name, at: mark, path: path, first: first)
            } else {
                firstLines[name] = mark.line
            }
            guard !isSetAside, !self.text.replaced.contains(mark) else { continue }
            let valuePath = path.isEmpty ? scalar.string : "\(path).\(scalar.string)"
            pairs.append(
                YAMLPair(
                    key: scalar.string, line: mark.line, column: mark.column,
                    value: self.node(value, path: valuePath, depth: depth + 1)))
        }
        return pairs
    }

    // MARK: What is wrong

    /// Hides the first of two equal keys, so that everything else can be read.
    ///
    /// The second is reported when the nodes are read. False when there is no way on.
    private mutating func setAside(_ keys: [String], at mark: Mark) -> Bool {
        let first = TextMark(line: mark.line, column: mark.column)
        let key = keys.first ?? ""
        let stranger = Unicode.Scalar(0xE000 + UInt32(self.duplicates.count)) ?? "\u{E000}"
        guard self.duplicates.count < Self.duplicatesMax, self.duplicates[first] == nil,
            self.text.replaceKey(key, at: first, by: stranger)
        else {
            self.reportDuplicate(key, at: first)
            return false
        }
        self.duplicates[first] = key
        return true
    }

    private func reportDuplicate(
        _ key: String, at mark: TextMark, path: String = "", first: Int? = nil
    ) {
        let other = first.map { "a second time; first in line \($0)" } ?? "more than once"
        let keyPath = path.isEmpty ? key : "\(path).\(key)"
        self.context.report(
            .duplicateKey, at: SourcePlace(line: mark.line, column: mark.column, path: keyPath),
            found: "\(ReadingContext.quoted(key)) \(other)", expected: "each key once in a mapping",
            remedy: "keep one and take out the other")
    }

    private func report(_ finding: YAMLText.Finding) {
        let place = SourcePlace(line: finding.mark.line, column: finding.mark.column, path: "")
        let found = ReadingContext.quoted(finding.text)
        switch finding.kind {
        case .tab:
            self.context.report(
                .tab, at: place, found: "a tab in the indentation", expected: "spaces",
                remedy: "replace the tab by spaces")
        case .alias where finding.text.hasPrefix("*."):
            self.context.report(
                .yamlFeature, at: place, found: "\(finding.text), which YAML takes for an alias",
                expected: "a quoted name", remedy: "write \(found)")
        case .anchor, .alias:
            self.context.report(
                .yamlFeature, at: place, found: found,
                expected: "values without anchors and aliases",
                remedy: "write the value out where it is used, or quote it if it is meant as text")
        case .tag:
            self.context.report(
                .yamlFeature, at: place, found: found, expected: "values without tags",
                remedy: "take the tag out, or quote it if it is meant as text")
        case .block:
            self.context.report(
                .yamlFeature, at: place, found: "a block of text", expected: "a value on one line",
                remedy: "write the value behind its key, in quotes if need be")
        }
    }

    private func report(_ error: any Error) {
        switch error {
        case YamlError.scanner(let context, let problem, let mark, _),
            YamlError.parser(let context, let problem, let mark, _):
            // libyaml puts the end of the text on a line of its own.
            let line = min(mark.line, self.text.linesCount)
            let column = line == mark.line ? mark.column : self.text.line(line).count + 1
            self.context.report(
                .syntax, at: SourcePlace(line: line, column: column, path: ""),
                found: Self.sentence(problem, context), expected: "YAML",
                remedy: self.remedy(problem, line: line))
        case YamlError.composer(_, let problem, let mark, _)
        where problem.contains("another document"):
            let place = SourcePlace(line: mark.line, column: mark.column, path: "")
            self.context.report(
                .severalDocuments, at: place, found: "a second document", expected: "one document",
                remedy: "take out the line with --- and what follows it, or make it a file")
        case YamlError.composer(let context, let problem, let mark, _):
            let place = SourcePlace(line: mark.line, column: mark.column, path: "")
            self.context.report(
                .syntax, at: place, found: Self.sentence(problem, context), expected: "YAML",
                remedy: self.remedy(problem, line: mark.line))
        case YamlError.reader(let problem, _, _, _):
            self.context.report(
                .syntax, at: SourcePlace(line: 0, column: 0, path: ""), found: problem,
                expected: "text without control characters",
                remedy: "take the character out, or write it in double quotes as an escape")
        default:
            self.context.report(
                .syntax, at: SourcePlace(line: 0, column: 0, path: ""), found: "\(error)",
                expected: "YAML", remedy: "check the file with a YAML linter")
        }
    }

    private static func sentence(_ problem: String, _ context: YamlError.Context?) -> String {
        guard let context else { return problem }
        return "\(problem), \(context.text) that began in line \(context.mark.line)"
    }

    /// What most often stands behind libyaml's words.
    private func remedy(_ problem: String, line: Int) -> String {
        let lines = [self.text.line(line), line > 1 ? self.text.line(line - 1) : ""]
        if lines.contains(where: { $0.contains("[::") || $0.contains("]:") }) {
            return "quote addresses that begin with a bracket: \"[::]:443\""
        }
        if problem.contains("mapping values are not allowed") {
            return "quote a value that holds a colon and a space, or check the indentation"
        }
        if problem.contains("end of stream") || problem.contains("unexpected end") {
            return "close the quote or bracket that is open"
        }
        if problem.contains("',' or ']'") || problem.contains("',' or '}'") {
            return "put a comma between the items, or close the bracket"
        }
        if problem.contains("expected ':'") {
            return "put a colon and a space after the key"
        }
        return "check quotes and indentation in this line and the one before"
    }
}
