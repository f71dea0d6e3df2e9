// The checks themselves: each takes a file and returns what is wrong with it. Pure, so that the
// self-tests can show each of them failing over a planted source.

import Testing

/// A named check over one file.
struct Check: Sendable, CustomTestStringConvertible {
    let name: String
    let run: @Sendable (SourceFile) -> [Finding]

    var testDescription: String { self.name }
}

extension SourceFile {
    func finding(_ index: Int, _ what: String) -> Finding {
        Finding(path: self.path, line: index + 1, what: what)
    }

    /// A finding for each line of code that contains a match and is not excused.
    func matches(
        of pattern: Regex<Substring>, in lines: [String], _ what: String
    ) -> [Finding] {
        // Unicode's word boundaries see none in `Queue.main`; the simple ones do.
        let pattern = pattern.wordBoundaryKind(.simple)
        return lines.enumerated().compactMap { index, line in
            line.contains(pattern) ? self.finding(index, what) : nil
        }
    }

    /// Files of this target name the banned words in order to find them.
    var isPlanted: Bool { self.path.hasPrefix("Tests/TidyTests/") }

    /// Whether a comment stands on this line or on the one above: the reason is written down.
    func isExplained(_ index: Int) -> Bool {
        if self.lines[index].contains("//") { return true }
        return index > 0
            && self.lines[index - 1].drop { $0 == " " }.hasPrefix("//")
    }
}

enum Checks {
    static let linesMax = 500
    static let columnsMax = 100
    static let functionLinesMax = 70

    /// Every check that looks at Swift files one by one.
    static let all: [Check] = [
        Check(name: "imports go down the layers", run: imports),
        Check(name: "unsafe code stays behind the fence", run: fence),
        Check(name: "files, lines and functions are short", run: lengths),
        Check(name: "banned constructs", run: banned),
        Check(name: "time is read in one place", run: clocks),
        Check(name: "a swallowed error is explained", run: swallowed),
        Check(name: "words of the lexicon's never list", run: words),
        Check(name: "no notes to oneself", run: notes),
        Check(name: "no paths of one machine", run: machinePaths),
        Check(name: "a file says what it is", run: head),
    ]

    // MARK: Layers

    static func imports(_ file: SourceFile) -> [Finding] {
        guard let target = file.target else { return [] }
        guard let layer = Layers.row(target) else {
            return Layers.cTargets.contains(target)
                ? [] : [file.finding(0, "target \(target) is not in the layer table")]
        }
        let pattern =
            #/
            ^ (?: (?: @\w+ (?: \([^)]*\) )? | private | fileprivate | internal | package | public )
            \s+ )*
            import \s+ (?: (?: struct | class | enum | func | protocol | let | var ) \s+ )? (\w+)
            /#
        return file.code.enumerated().compactMap { index, line in
            guard let match = line.firstMatch(of: pattern) else { return nil }
            let module = String(match.1)
            guard !layer.uses.contains(module), !layer.touches.contains(module) else { return nil }
            return file.finding(
                index, "\(target) (layer \(layer.number)) may not import \(module)")
        }
    }

    static func fence(_ file: SourceFile) -> [Finding] {
        guard let target = file.target, !Layers.fence.contains(target) else { return [] }
        return file.matches(
            of:
                #/
                @? \b unsafe \b | @unchecked \b | \b withUnsafe\w+ | \b unsafeBitCast \b
                | \b Unsafe (?:Mutable)? (?:Raw)? (?:Buffer)? Pointer \b
                /#,
            in: file.code, "unsafe code outside layer 2")
    }

    // MARK: Lengths

    static func lengths(_ file: SourceFile) -> [Finding] {
        var found: [Finding] = []
        let count = file.lines.count - (file.text.hasSuffix("\n") ? 1 : 0)
        if count > linesMax {
            found.append(file.finding(linesMax, "\(count) lines, at most \(linesMax)"))
        }
        for (index, line) in file.lines.enumerated() where line.count > columnsMax {
            found.append(file.finding(index, "\(line.count) columns, at most \(columnsMax)"))
        }
        for function in Functions.find(in: file.code) where function.lineCount > functionLinesMax {
            found.append(
                file.finding(
                    function.line,
                    "a function of \(function.lineCount) lines, at most \(functionLinesMax)"))
        }
        return found
    }

    // MARK: Banned

    static func banned(_ file: SourceFile) -> [Finding] {
        guard !file.isPlanted else { return [] }
        let everywhere: [(Regex<Substring>, String)] = [
            (/\btry!/, "try!: handle the error"),
            (/\bas!/, "as!: use as? and say what else"),
            (/@testable\b/, "@testable: package access reaches tests"),
            (/\bXCT\w+|\bimport XCTest\b/, "XCTest: tests are written with swift-testing"),
            (/\.disabled\(|\bwithKnownIssue\b/, "a test that does not run hides a gap"),
            (/\bDispatchQueue\b|\bDispatchGroup\b/, "Dispatch: a worker or a task"),
            (/\bfatalError\(/, "fatalError: preconditionFailure with a sentence"),
        ]
        var found = everywhere.flatMap { pattern, what in
            file.matches(of: pattern, in: file.code, what)
        }
        if !Excuses.mayBePublic.contains(file.path) {
            found += file.matches(
                of: /\bpublic\b|\bopen (?:class|func|var)/, in: file.code,
                "public: in a program, package is enough")
        }
        if let target = file.target, target != "strait" {
            found += file.matches(
                of: /(?:^|[^.\w])(?:print|debugPrint|dump)\(/, in: file.code,
                "print: only the strait executable writes to stdout")
        }
        if file.path.hasPrefix("Tests/"), !Excuses.mayPoll.contains(file.path) {
            found += file.matches(
                of: /\bTask\.sleep\b|\bu?sleep\(|\bnanosleep\(/, in: file.code,
                "a sleep in a test: wait for what is meant")
        }
        return found
    }

    static func clocks(_ file: SourceFile) -> [Finding] {
        guard file.target != nil, Excuses.mayReadClock[file.path] == nil else { return [] }
        return file.matches(
            of:
                #/
                \b Date\(\) | \b Date\.now \b | \b (?:Continuous|Suspending)Clock \b
                | \b clock_gettime \b | \b gettimeofday \b | \b DispatchTime \b
                | [^.\w] time\(nil\)
                /#,
            in: file.code, "a clock is read; take the time as a parameter")
    }

    static func swallowed(_ file: SourceFile) -> [Finding] {
        file.matches(of: /\btry\?/, in: file.code, "try? without a comment that says why")
            .filter { !file.isExplained($0.line - 1) }
    }

    // MARK: Words

    static func words(_ file: SourceFile) -> [Finding] {
        guard !file.isPlanted else { return [] }
        var found = file.matches(
            of:
                #/
                \b (?! (?: FileManager | [Ss]erviceManager ) \b )
                (?: \w* (?: Manager | Helper | Util | Frontend ) | manager | helper | util
                | frontend ) s? \b
                /#,
            in: file.lines.map { $0.replacing("service manager", with: "") },
            "manager, helper, util, frontend: say what it does")
        found += file.matches(
            of:
                #/
                \b (?: let | var | func | struct | class | enum | actor | case | protocol )
                \s+ (?: [cC]lient | [sS]erver | [bB]ackend | [sS]ession ) s? \b
                /#,
            in: file.code, "bare client, server, backend, session: downstream, upstream, connection"
        )
        return found
    }

    static func notes(_ file: SourceFile) -> [Finding] {
        guard !file.isPlanted else { return [] }
        return file.matches(of: /\b(?:TODO|FIXME|XXX|HACK)\b/, in: file.lines, "a note to oneself")
    }

    static func machinePaths(_ file: SourceFile) -> [Finding] {
        guard !file.isPlanted else { return [] }
        return file.matches(
            of: /(?:^|[^\w.\/-])\/(?:root|home|work)\//, in: file.lines, "a path of one machine")
    }

    static func head(_ file: SourceFile) -> [Finding] {
        file.lines.first?.hasPrefix("//") == true
            ? [] : [file.finding(0, "the first line says what this file is: a comment")]
    }
}
