// A mapping of the file beside the keys that it may have: unknown keys, missing keys, and values
// by type.

internal import StraitCore

/// One mapping, read by its keys.
struct Section {
    let context: ReadingContext
    let keys: [Key]
    /// Where it begins; its path is that of every problem with it.
    let place: SourcePlace
    private var values: [String: YAMLNode] = [:]
    /// Keys that were probably meant by unknown ones, so that they are not reported as missing too.
    private var misspelt: Set<String> = []

    /// Takes the mapping, or none, so that every key is absent; reports what is unknown or missing.
    init(_ node: YAMLNode?, keys: [Key], place: SourcePlace, context: ReadingContext) {
        self.context = context
        self.keys = keys
        self.place = place
        guard let node else { return }
        switch node.content {
        case .mapping(let pairs):
            for pair in pairs { self.take(pair) }
            self.reportMissing()
        case .refused: return
        case .text, .list, .nothing:
            context.report(
                .wrongType, at: place, found: node.kindText,
                expected:
                    "a mapping with \(ReadingContext.alternatives(keys.prefix(6).map(\.name)))",
                remedy: node.content == .nothing
                    ? "give it keys, or take it out" : "write KEY: VALUE, indented or in braces")
        }
    }

    private mutating func take(_ pair: YAMLPair) {
        guard self.key(pair.key) == nil else {
            self.values[pair.key] = pair.value
            return
        }
        guard !self.context.hasEnoughErrors else { return }
        let place = SourcePlace(
            line: pair.line, column: pair.column, path: self.path(of: pair.key))
        let found = "key \(ReadingContext.quoted(pair.key))"
        guard pair.key != "<<" else {
            self.context.report(
                .yamlFeature, at: place, found: "a merge key", expected: "keys written out",
                remedy: "write the keys out where they are used")
            return
        }
        let names = self.keys.map(\.name)
        if let sentence = Unavailable.sentence(forKey: pair.key) {
            self.context.report(
                .notInThisRelease, at: place, found: found,
                expected: ReadingContext.alternatives(names),
                remedy: "take it out: \(sentence) is not available in this release")
            return
        }
        let nearest = nearestWord(to: pair.key, in: names)
        if let nearest { self.misspelt.insert(nearest) }
        self.context.report(
            .unknownKey, at: place, found: found, expected: ReadingContext.alternatives(names),
            remedy: nearest.map { "did you mean \"\($0)\"?" }
                ?? "take it out; configs/reference.yaml lists every key")
    }

    private func reportMissing() {
        for key in self.keys
        where key.isRequired && self.values[key.name] == nil && !self.misspelt.contains(key.name) {
            let place = SourcePlace(
                line: self.place.line, column: self.place.column, path: self.path(of: key.name))
            self.context.report(
                .missingKey, at: place, found: "no \"\(key.name)\"",
                expected: key.type.expectation,
                remedy: "add \(key.name)\(key.example.map { ": \($0)" } ?? "")")
        }
    }

    // MARK: Places

    /// Whether the key was written, and not refused before.
    func has(_ name: String) -> Bool {
        self.values[name].map { $0.content != .refused } ?? false
    }

    /// Whether the key stands there at all, good or bad.
    func mentions(_ name: String) -> Bool { self.values[name] != nil }

    /// Where the key's value stands; where the section begins if it was not written.
    func place(of name: String) -> SourcePlace {
        self.place.inside(name, self.values[name])
    }

    func path(of name: String) -> String {
        self.place.path.isEmpty ? name : "\(self.place.path).\(name)"
    }

    /// Reports a problem with the value of a key.
    func report(
        _ code: ConfigurationProblem.Code, _ name: String, found: String, expected: String,
        remedy: String
    ) {
        self.context.report(
            code, at: self.place(of: name), found: found, expected: expected, remedy: remedy)
    }

    // MARK: Inner sections

    /// The section under `name`; without a value for any key when it is absent.
    func section(_ name: String) -> Section {
        guard case .section(let keys)? = self.key(name)?.type else {
            preconditionFailure("\(name) is a section in the table of keys")
        }
        return Section(
            self.values[name], keys: keys, place: self.place(of: name), context: self.context)
    }

    /// The sections of the list under `name`.
    func sections(_ name: String) -> [Section] {
        guard case .sections(let keys, let range)? = self.key(name)?.type else {
            preconditionFailure("\(name) is a list of sections in the table of keys")
        }
        return self.items(name, range, of: "mappings").map { node, place in
            Section(node, keys: keys, place: place, context: self.context)
        }
    }

    /// The texts of the list under `name`, with their places.
    func texts(_ name: String) -> [Configuration.Located<String>] {
        guard case .list(let type, let range)? = self.key(name)?.type else {
            preconditionFailure("\(name) is a list in the table of keys")
        }
        return self.items(name, range, of: "values").compactMap { node, place in
            self.text(node, type: type, at: place).map { .init(value: $0, place: place) }
        }
    }

    private func items(
        _ name: String, _ range: ClosedRange<Int>, of what: String
    ) -> [(YAMLNode, SourcePlace)] {
        guard let node = self.values[name], node.content != .refused else { return [] }
        guard case .list(let items) = node.content else {
            let example = self.key(name)?.example.map { ", as in \(name): \($0)" } ?? ""
            self.report(
                .wrongType, name, found: node.kindText, expected: "a list of \(what)",
                remedy: "put it in brackets, or behind a dash\(example)")
            return []
        }
        if !range.contains(items.count) {
            self.report(
                .wrongCount, name, found: "\(items.count) items",
                expected: "\(range.lowerBound) to \(range.upperBound) items",
                remedy: items.count < range.lowerBound ? "add an item" : "take items out")
        }
        let path = self.path(of: name)
        return items.prefix(range.upperBound).enumerated().map { index, item in
            (item, SourcePlace(line: item.line, column: item.column, list: path, item: index))
        }
    }

    // MARK: Values

    /// The text of a key, or of its default; nil when absent or reported.
    func text(_ name: String) -> String? {
        guard let key = self.key(name) else {
            preconditionFailure("\(name) is in the table of keys")
        }
        guard let node = self.values[name] else { return key.defaultText }
        return self.text(node, type: key.type, at: self.place(of: name))
    }

    private func text(
        _ node: YAMLNode, type: KeyType, at place: @autoclosure () -> SourcePlace
    ) -> String? {
        switch node.content {
        case .text(let text, _): return text
        case .refused: return nil
        case .list, .mapping, .nothing:
            self.context.report(
                .wrongType, at: place(), found: node.kindText, expected: type.expectation,
                remedy: node.content == .nothing
                    ? "give it a value, or take it out" : "write one value, in quotes if need be")
            return nil
        }
    }

    /// A whole number within the key's range.
    func integer(_ name: String) -> Int? {
        guard let key = self.key(name), case .integer(let range) = key.type else {
            preconditionFailure("\(name) is an integer in the table of keys")
        }
        guard let text = self.text(name) else { return nil }
        guard let number = Int(text), text.utf8.first != UInt8(ascii: "+") else {
            let isHuge = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
            self.report(
                isHuge ? .outOfRange : .wrongType, name, found: ReadingContext.quoted(text),
                expected: key.type.expectation, remedy: "write a whole number without a unit")
            return nil
        }
        guard range.contains(number) else {
            let nearest = number < range.lowerBound ? range.lowerBound : range.upperBound
            self.report(
                .outOfRange, name, found: "\(number)", expected: key.type.expectation,
                remedy: "the nearest that is allowed is \(nearest)")
            return nil
        }
        return number
    }

    /// A duration within the key's range.
    func duration(_ name: String) -> Duration? {
        guard let key = self.key(name), case .duration(let range) = key.type else {
            preconditionFailure("\(name) is a duration in the table of keys")
        }
        guard let text = self.text(name) else { return nil }
        guard let duration = DurationText.parse(text) else {
            let isNumber = !text.isEmpty && text.utf8.allSatisfy { (48...57).contains($0) }
            self.report(
                .malformedDuration, name, found: ReadingContext.quoted(text),
                expected: "a whole number with ms, s, m or h",
                remedy: isNumber
                    ? "write \(text)s for seconds" : "write it as \(key.example ?? "10s")")
            return nil
        }
        guard range.contains(duration) else {
            let nearest = duration < range.lowerBound ? range.lowerBound : range.upperBound
            self.report(
                .outOfRange, name, found: text, expected: key.type.expectation,
                remedy: "the nearest that is allowed is \(DurationText.text(nearest))")
            return nil
        }
        return duration
    }

    /// `true` or `false`.
    func flag(_ name: String) -> Bool? {
        guard let text = self.text(name) else { return nil }
        switch text {
        case "true": return true
        case "false": return false
        default:
            let isYes = ["yes", "on", "y", "1"].contains(text.lowercased())
            let isNo = ["no", "off", "n", "0"].contains(text.lowercased())
            self.report(
                .wrongType, name, found: ReadingContext.quoted(text), expected: "true or false",
                remedy: isYes ? "write true" : isNo ? "write false" : "write true or false")
            return nil
        }
    }

    /// One of the key's words.
    func choice<Choice: RawRepresentable<String>>(_ name: String, _: Choice.Type) -> Choice? {
        guard case .choice(let words)? = self.key(name)?.type else {
            preconditionFailure("\(name) is a choice in the table of keys")
        }
        guard let text = self.text(name) else { return nil }
        guard let choice = Choice(rawValue: text), words.contains(text) else {
            self.reportChoice(text, of: words, at: self.place(of: name))
            return nil
        }
        return choice
    }

    /// Reports a word that is none of `words`.
    func reportChoice(_ text: String, of words: [String], at place: SourcePlace) {
        let expected = ReadingContext.alternatives(words)
        if let sentence = Unavailable.sentence(forValue: text) {
            self.context.report(
                .notInThisRelease, at: place, found: ReadingContext.quoted(text),
                expected: expected, remedy: "\(sentence) is not available in this release")
            return
        }
        let nearest = nearestWord(to: text, in: words)
        self.context.report(
            .notAChoice, at: place, found: ReadingContext.quoted(text), expected: expected,
            remedy: nearest.map { "did you mean \"\($0)\"?" } ?? "write one of them")
    }

    func node(_ name: String) -> YAMLNode? { self.values[name] }

    private func key(_ name: String) -> Key? { self.keys.first { $0.name == name } }
}

extension YAMLNode {
    /// What it is, for "found".
    var kindText: String {
        switch self.content {
        case .text(let text, _): ReadingContext.quoted(text)
        case .list: "a list"
        case .mapping: "a mapping"
        case .nothing: "nothing"
        case .refused: "what was refused above"
        }
    }
}
