// Checks over documents, declarations and scripts.

/// A `package` declaration without a doc comment.
struct MissingDocumentation {
    let target: String
    let finding: Finding
}

enum Documentation {
    static func missing(in file: SourceFile) -> [MissingDocumentation] {
        guard let target = file.target else { return [] }
        let declaration =
            #/
            ^ \s* (?: @\w+ (?: \([^)]*\) )? \s+ )*
            package \s+ (?: (?: private\(set\) | static | final | mutating | consuming | borrowing
            | nonisolated | indirect | override | convenience | required | lazy | weak ) \s+ )*
            (?: struct | enum | class | actor | protocol | func | var | let | typealias | subscript
            | init )
            \b
            /#.wordBoundaryKind(.simple)
        return file.code.enumerated().compactMap { index, line in
            guard line.contains(declaration), !isDocumented(file, index) else { return nil }
            let text = file.lines[index].drop { $0 == " " }.prefix(60)
            return MissingDocumentation(
                target: target, finding: file.finding(index, "no doc comment: \(text)"))
        }
    }

    /// Whether `///` stands above, attributes between the two not counted.
    private static func isDocumented(_ file: SourceFile, _ index: Int) -> Bool {
        var above = index - 1
        while above >= 0 {
            let line = file.lines[above].drop { $0 == " " }
            if line.hasPrefix("///") { return true }
            guard line.hasPrefix("@") else { return false }
            above -= 1
        }
        return false
    }
}

enum Reference {
    /// The raw values of `CloseReason.Kind`, read from its source.
    static func closeReasonKinds(in file: SourceFile) -> Set<String> {
        var kinds: Set<String> = []
        var isInside = false
        for line in file.lines {
            if line.contains("enum Kind") { isInside = true }
            guard isInside else { continue }
            if line.contains("package var") { break }
            if let match = line.firstMatch(of: /^\s*case (\w+)(?: = "(\w+)")?\s*$/) {
                kinds.insert(String(match.2 ?? match.1))
            }
        }
        return kinds
    }

    /// Names of metrics in string literals.
    static func metricNames(in text: String) -> Set<String> {
        Set(
            text.matches(
                of: /"(strait_[a-z0-9_]+|process_[a-z_]+_(?:total|bytes|fds|seconds))[{"\s\\]/
            )
            .map { String($0.1) })
    }

    /// Names of members that a record writes, besides those of objects inside of it.
    static func memberNames(in text: String) -> Set<String> {
        Set(text.matches(of: /\.member\(\s*"([a-z0-9_.]+)"/).map { String($0.1) })
    }

    /// The first cells, in back quotes, of the tables under a heading, up to the next heading.
    static func rows(of heading: String, in text: String) -> Set<String> {
        var names: Set<String> = []
        var isInside = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { isInside = line == "## \(heading)" }
            guard isInside, line.hasPrefix("| `"), let cell = line.split(separator: "|").first
            else { continue }
            for match in cell.matches(of: /`([^`]+)`/) { names.insert(String(match.1)) }
        }
        return names
    }

    static func brokenLinks(in file: SourceFile, exists: (String) -> Bool) -> [Finding] {
        file.lines.enumerated().flatMap { index, line in
            line.matches(of: /\]\(([^)#\s]+)[^)]*\)/).compactMap { match in
                let target = String(match.1)
                guard !target.contains("://"), !exists(target) else { return nil }
                return file.finding(index, "a link to \(target), which does not exist")
            }
        }
    }
}

enum Scripts {
    static func check(_ file: SourceFile) -> [Finding] {
        guard file.text.hasPrefix("#!/usr/bin/env bash") || file.path.hasSuffix(".bash") else {
            return file.path.hasSuffix(".py") ? [] : [file.finding(0, "not a bash script")]
        }
        var found = Checks.notes(file) + Checks.machinePaths(file)
        if file.text.hasPrefix("#!"), !file.text.contains("set -euo pipefail") {
            found.append(file.finding(0, "set -euo pipefail is missing"))
        }
        found += file.matches(
            of: /\b(?:pkill|killall)\b/, in: file.lines, "processes are ended by id, never by name")
        return found
    }
}
