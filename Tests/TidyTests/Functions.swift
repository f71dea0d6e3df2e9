// Where functions begin and end, by braces. Works on code without comments and literals.

/// One function, initialiser, deinitialiser or subscript.
struct FunctionExtent: Hashable {
    /// The line of the first keyword, from 0.
    let line: Int
    let lineCount: Int
}

enum Functions {
    static func find(in code: [String]) -> [FunctionExtent] {
        var found: [FunctionExtent] = []
        /// For each open brace: the line on which its function began, or nil if it is none.
        var open: [Int?] = []
        var header: [(line: Int, text: Substring)] = []
        for (index, line) in code.enumerated() {
            var rest = line[...]
            while let brace = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) {
                header.append((index, rest[..<brace]))
                if rest[brace] == "{" {
                    open.append(self.start(of: header))
                } else if let start = open.popLast() ?? nil {
                    found.append(FunctionExtent(line: start, lineCount: index - start + 1))
                }
                header = []
                rest = rest[rest.index(after: brace)...]
            }
            header.append((index, rest))
        }
        return found
    }

    /// The line of the last declaration keyword in what stands before a brace.
    private static func start(of header: [(line: Int, text: Substring)]) -> Int? {
        let keyword =
            #/
            (?: ^ | [^.\w`] )
            (?: func \s+ \S | init \s* [?!]? \s* [(<] | deinit \b | subscript \s* [(<] )
            /#
            .wordBoundaryKind(.simple)
        return header.last { $0.text.contains(keyword) }?.line
    }
}
