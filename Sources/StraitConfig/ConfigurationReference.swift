// The reference of all keys, for people (configs/reference.yaml) and for editors
// (configs/schema.json). Both are generated from the table of keys and checked in; a test compares.

/// Every key of the configuration: where it stands, what it takes, what it is when absent.
package enum ConfigurationReference {
    /// One key.
    package struct Entry: Sendable, Equatable {
        /// `tenants[].services[].name`.
        package var path: String
        /// What can stand there, with unit and limits.
        package var expectation: String
        /// What it is when absent, as written in the file; nil for none.
        package var defaultText: String?
        /// What it is when absent where that cannot be written, or depends; nil for nothing.
        package var defaultNote: String?
        /// Whether it must be written.
        package var isRequired: Bool
        /// What it is for, in one sentence.
        package var sentence: String
    }

    /// Every key once, in the order of the reference.
    package static var entries: [Entry] { self.entries(Keys.top, under: "") }

    private static func entries(_ keys: [Key], under prefix: String) -> [Entry] {
        keys.flatMap { key in
            let path = prefix + key.name
            let entry = Entry(
                path: path, expectation: key.type.expectation,
                defaultText: key.defaultText, defaultNote: key.defaultNote,
                isRequired: key.isRequired, sentence: key.sentence)
            switch key.type {
            case .section(let inner): return [entry] + self.entries(inner, under: path + ".")
            case .sections(let inner, _): return [entry] + self.entries(inner, under: path + "[].")
            default: return [entry]
            }
        }
    }

    /// The reference as YAML that loads: every key once, with its default or, as a comment, an
    /// example.
    package static var yaml: String {
        var writer = ReferenceWriter()
        writer.write(Keys.top, at: 0, isComment: false, firstPrefix: "")
        return """
            # yaml-language-server: $schema=schema.json
            #
            # Every key of Strait's configuration: what it is for, what it takes, and its default.
            # Keys without a default are commented out. Generated from the table of keys.
            #
            # Names have 1 to 63 characters of a-z, 0-9, - and _, a letter or digit at both ends.
            # Durations are whole numbers with ms, s, m or h. Paths start at this file's folder.
            # Unknown keys are errors. `strait check FILE` tells every problem of a file at once.

            """ + writer.text
    }

    /// A JSON Schema (draft 7) for editors; the reader checks more than it can say.
    package static var jsonSchema: String {
        var root = SchemaWriter.object(Keys.top)
        root["$schema"] = .text("http://json-schema.org/draft-07/schema#")
        root["title"] = .text("Strait configuration")
        return SchemaValue.object(root).text(indentation: 0) + "\n"
    }
}

/// Writes keys as commented YAML.
private struct ReferenceWriter {
    /// Remarks are wrapped there.
    private static let columnsMax = 100

    var text = ""

    /// Writes one mapping.
    ///
    /// - Parameters:
    ///   - keys: Its keys.
    ///   - depth: How many levels it is indented.
    ///   - isComment: Whether everything is commented out.
    ///   - firstPrefix: What stands before the first key: `- ` in a list's item.
    mutating func write(_ keys: [Key], at depth: Int, isComment: Bool, firstPrefix: String) {
        for (index, key) in keys.enumerated() {
            if depth == 0 { self.text += "\n" }
            let isOff = isComment || !key.isWrittenInReference
            let prefix = index == 0 ? firstPrefix : ""
            let indentation = String(repeating: " ", count: depth * 2 - prefix.count)
            self.remark(key.sentence, indentation: indentation)
            if !key.facts.isEmpty { self.remark("  " + key.facts, indentation: indentation) }
            let head = indentation + (isOff ? "#" : "") + prefix + key.name + ":"
            switch key.type {
            case .section(let inner):
                self.text += head + "\n"
                self.write(inner, at: depth + 1, isComment: isOff, firstPrefix: "")
            case .sections(let inner, _):
                self.text += head + "\n"
                self.write(inner, at: depth + 2, isComment: isOff, firstPrefix: "- ")
            default:
                self.text += "\(head) \(key.defaultText ?? key.example ?? "")\n"
            }
        }
    }

    /// A comment, wrapped between words; later lines are indented as the first.
    private mutating func remark(_ sentence: String, indentation: String) {
        let inner = String(sentence.prefix { $0 == " " })
        let start = "\(indentation)# \(inner)"
        var line = start
        for word in sentence.split(separator: " ") {
            let isFull = line.count + 1 + word.count > Self.columnsMax
            if isFull, line != start {
                self.text += line + "\n"
                line = start
            }
            line += line == start ? String(word) : " \(word)"
        }
        self.text += line + "\n"
    }
}

extension Key {
    /// Whether the key stands in the reference as a key, not as a comment.
    fileprivate var isWrittenInReference: Bool {
        if self.isRequired || self.isShown || self.defaultText != nil { return true }
        switch self.type {
        case .section(let keys): return keys.contains { $0.isWrittenInReference }
        case .sections(let keys, _): return !keys.contains { $0.type == .file && $0.isRequired }
        default: return false
        }
    }

    /// What it takes, whether it must be there, and its default.
    fileprivate var facts: String {
        var parts: [String] = []
        switch self.type {
        case .section: break
        case .sections(_, let range):
            parts.append("\(range.lowerBound) to \(range.upperBound) items")
        case .name: parts.append("a name")
        default: parts.append(self.type.expectation)
        }
        if self.isRequired { parts.append("required") }
        switch (self.defaultText, self.defaultNote) {
        case (let text?, let note?): parts.append("default \(text), but \(note)")
        case (let text?, nil): parts.append("default \(text)")
        case (nil, let note?): parts.append("default: \(note)")
        case (nil, nil): break
        }
        return parts.joined(separator: "; ")
    }
}
