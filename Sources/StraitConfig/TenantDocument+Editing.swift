// Changes of one key or one item of a document, for whoever has read it and writes it again.

internal import Yams

extension TenantDocument {
    /// Why a document cannot be changed so.
    package enum EditFailure: Error, Hashable, Sendable {
        /// There is no item of that name.
        case noSuchItem(String)
        /// What should be changed is something else than a mapping or a list.
        case otherKind(String)
    }

    /// A document of these keys; values are JSON.
    ///
    /// - Throws: Why a value is not JSON.
    package init(keys: [(name: String, json: String)]) throws(JSONProblem) {
        let body = keys.map { "\(JSONString.quoted($0.name)):\($0.json)" }.joined(separator: ",")
        try self.init(json: Array("{\(body)}".utf8))
    }

    /// The text of a key; nil where it is absent or no text.
    package func text(_ key: String) -> String? {
        guard case .text(let text, _)? = self.root.value(of: key)?.content else { return nil }
        return text
    }

    /// The texts of a list.
    package func texts(_ key: String) -> [String] {
        guard case .list(let items)? = self.root.value(of: key)?.content else { return [] }
        return items.compactMap { if case .text(let text, _) = $0.content { text } else { nil } }
    }

    /// The mappings of a list.
    package func items(_ key: String) -> [TenantDocument] {
        guard case .list(let items)? = self.root.value(of: key)?.content else { return [] }
        return items.map { TenantDocument(root: $0) }
    }

    /// The value of a key; nil where it is absent.
    package func item(_ key: String) -> TenantDocument? {
        self.root.value(of: key).map { TenantDocument(root: $0) }
    }

    /// Gives a key a value, or takes it out.
    package mutating func set(_ key: String, to value: TenantDocument?) throws(EditFailure) {
        guard case .mapping(var pairs) = self.root.content else { throw .otherKind(key) }
        let index = pairs.firstIndex { $0.key == key }
        switch (index, value) {
        case (let index?, let value?): pairs[index].value = value.root
        case (let index?, nil): pairs.remove(at: index)
        case (nil, let value?):
            pairs.append(YAMLPair(key: key, line: 0, column: 0, value: value.root))
        case (nil, nil): return
        }
        self.root.content = .mapping(pairs)
    }

    /// Puts an item into a list of mappings, in the place of the one with its `name`.
    package mutating func put(_ item: TenantDocument, into key: String) throws(EditFailure) {
        var items = self.items(key).map(\.root)
        let name = item.text("name")
        let known = items.firstIndex { TenantDocument(root: $0).text("name") == name }
        if let known { items[known] = item.root } else { items.append(item.root) }
        try self.set(key, to: .list(items))
    }

    /// Takes the item with that `name` out of a list of mappings.
    package mutating func remove(_ name: String, from key: String) throws(EditFailure) {
        let items = self.items(key)
        let left = items.filter { $0.text("name") != name }
        guard left.count < items.count else { throw .noSuchItem(name) }
        try self.set(key, to: .list(left.map(\.root)))
    }

    /// A list of texts.
    package static func list(_ texts: [String]) -> TenantDocument {
        .list(
            texts.map { YAMLNode(line: 0, column: 0, content: .text($0, isPlain: false)) })
    }

    /// A list of documents.
    package static func list(items: [TenantDocument]) -> TenantDocument {
        .list(items.map(\.root))
    }

    /// A text.
    package static func text(_ text: String) -> TenantDocument {
        TenantDocument(root: YAMLNode(line: 0, column: 0, content: .text(text, isPlain: false)))
    }

    private static func list(_ items: [YAMLNode]) -> TenantDocument {
        TenantDocument(root: YAMLNode(line: 0, column: 0, content: .list(items)))
    }

    // MARK: YAML

    /// The document as YAML, in blocks, with a line feed at the end.
    package var yaml: String { Self.yaml(self.root) }

    private static func yaml(_ node: YAMLNode) -> String {
        do {
            return try Yams.serialize(node: node.yams, width: -1, allowUnicode: true)
        } catch {
            // Only where memory runs out: nodes of texts, lists and mappings can all be written.
            preconditionFailure("a node could not be written: \(error)")
        }
    }

    /// The mapping of a YAML text that has a list `tenants`.
    ///
    /// - Parameters:
    ///   - text: YAML.
    ///   - file: What problems call it.
    ///   - keys: The keys that it may have, and whether each is a list, else a mapping.
    /// - Returns: The mapping, or what is wrong with the text.
    package static func state(
        inYAML text: String, file: String, keys: [String: Bool]
    ) -> (state: TenantDocument?, problems: [ConfigurationProblem]) {
        let context = ReadingContext(file: file, folder: "/", checksFiles: false)
        var reader = YAMLReader(text, context: context)
        guard let root = reader.read(), !context.hasErrors else {
            return (nil, context.sortedProblems)
        }
        guard let tenants = root.value(of: "tenants"), case .list = tenants.content,
            case .mapping(let pairs) = root.content
        else {
            context.report(
                .missingKey, at: SourcePlace(line: root.line, column: root.column, path: "tenants"),
                found: "no list of tenants", expected: "tenants: [...]",
                remedy: "write what `strait export` writes")
            return (nil, context.sortedProblems)
        }
        for pair in pairs {
            let place = SourcePlace(line: pair.line, column: pair.column, path: pair.key)
            guard let isList = keys[pair.key] else {
                context.report(
                    .unknownKey, at: place, found: "\(pair.key)",
                    expected: keys.keys.sorted().joined(separator: ", "),
                    remedy: "write what `strait export` writes")
                continue
            }
            if isList, case .list = pair.value.content { continue }
            if !isList, case .mapping = pair.value.content { continue }
            context.report(
                .wrongType, at: place, found: "something else",
                expected: isList ? "a list" : "a mapping",
                remedy: "write what `strait export` writes")
        }
        return (
            context.hasErrors ? nil : TenantDocument(root: root), context.sortedProblems
        )
    }
}

extension YAMLNode {
    /// As Yams writes it; what would be read as something else than a text is quoted.
    fileprivate var yams: Node {
        switch self.content {
        case .nothing, .refused: return Node("null", Tag(.null))
        case .text(let text, let isPlain):
            let style: Node.Scalar.Style =
                isPlain || Self.isUnmistakable(text) ? .any : .doubleQuoted
            return Node.scalar(.init(text, Tag(isPlain ? .implicit : .str), style))
        case .list(let items): return Node(items.map(\.yams), Tag(.seq))
        case .mapping(let pairs):
            return Node(pairs.map { (Node($0.key), $0.value.yams) }, Tag(.map))
        }
    }

    /// Letters, digits and what names are made of, beginning with a letter, and no word that YAML
    /// takes for something else.
    private static func isUnmistakable(_ text: String) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7A).contains(first) else { return false }
        let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        return !words.contains(text)
            && text.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D || $0 == 0x2E
                    || $0 == 0x5F
            }
    }
}
