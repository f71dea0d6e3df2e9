// What all parts of one reading share: the file's name and the problems found so far.

/// Collects problems while one file is read.
final class ReadingContext {
    /// Errors that are reported, and as many warnings; further ones are dropped.
    static let problemsMax = 1000

    let file: String
    /// The folder that paths in the file start from, absolute.
    let folder: String
    let checksFiles: Bool
    /// The tenant of a registry that is read: what is a file in a file is a name of something that
    /// the tenant has.
    let registeredTenant: String?
    private(set) var problems: [ConfigurationProblem] = []
    /// The whole file, once it was read.
    var root: YAMLNode?

    init(file: String, folder: String, checksFiles: Bool, registeredTenant: String? = nil) {
        self.file = file
        self.folder = folder
        self.checksFiles = checksFiles
        self.registeredTenant = registeredTenant
    }

    /// Whether one of the problems is an error.
    var hasErrors: Bool { self.problems.contains { $0.severity == .error } }

    /// Whether more errors would not be kept: what only adds some need not be looked at.
    var hasEnoughErrors: Bool { self.problems.count >= Self.problemsMax && self.errorsAreFull }

    private var errorsAreFull: Bool {
        self.problems.count { $0.severity == .error } >= Self.problemsMax
    }

    /// Adds a problem.
    func report(
        _ code: ConfigurationProblem.Code, at place: SourcePlace, found: String, expected: String,
        remedy: String
    ) {
        let problem = ConfigurationProblem(
            code, file: self.file, place: place, found: found, expected: expected, remedy: remedy)
        let count = self.problems.count { $0.severity == problem.severity }
        guard count < Self.problemsMax, !self.problems.contains(problem) else { return }
        self.problems.append(problem)
    }

    /// The problems in the order of the file.
    var sortedProblems: [ConfigurationProblem] {
        self.problems.enumerated().sorted { left, right in
            (left.element.line, left.element.column, left.offset)
                < (right.element.line, right.element.column, right.offset)
        }.map(\.element)
    }

    /// Where the value of a key stands in the item at `place`; the item's own place if it was not
    /// written.
    func place(of key: String, in place: SourcePlace) -> SourcePlace {
        place.inside(key, self.root?.node(at: place.path)?.value(of: key))
    }

    /// Text that an operator wrote, in quotes, on one line, not longer than a line of a terminal.
    static func quoted(_ text: String) -> String {
        let cut = text.count > 80 ? String(text.prefix(77)) + "..." : text
        return JSONString.quoted(cut)
    }

    /// `a, b or c`.
    static func alternatives(_ words: [String]) -> String {
        guard let last = words.last, words.count > 1 else { return words.first ?? "" }
        return words.dropLast().joined(separator: ", ") + " or \(last)"
    }
}

extension SourcePlace {
    /// The place of a key's value within this mapping; the mapping's own where there is no value.
    func inside(_ key: String, _ value: YAMLNode?) -> SourcePlace {
        SourcePlace(
            line: value?.line ?? self.line, column: value?.column ?? self.column,
            path: self.path.isEmpty ? key : "\(self.path).\(key)")
    }
}

extension YAMLNode {
    /// The value of a key; nil for another kind of node, and for a key that is not there.
    func value(of key: String) -> YAMLNode? {
        guard case .mapping(let pairs) = self.content else { return nil }
        return pairs.first { $0.key == key }?.value
    }

    /// The node that a path of keys and indices leads to: `tenants[0].services[1]`.
    func node(at path: String) -> YAMLNode? {
        var node = self
        for part in path.split(separator: ".") {
            let pieces = part.split(separator: "[")
            guard let key = pieces.first, let value = node.value(of: String(key)) else {
                return nil
            }
            node = value
            for piece in pieces.dropFirst() {
                guard case .list(let items) = node.content, let index = Int(piece.dropLast()),
                    items.indices.contains(index)
                else { return nil }
                node = items[index]
            }
        }
        return node
    }
}
