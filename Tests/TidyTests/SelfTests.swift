// Each tidy check, shown failing over a planted source, and passing over one that only looks alike.

import Testing

/// A source with one fault, or with none.
struct Planted: Sendable, CustomTestStringConvertible {
    let check: String
    let path: String
    let text: String
    var line: Int?

    var testDescription: String { "\(self.check): \(self.text.prefix(40))" }

    /// A fault in the given line, counted from 1.
    static func bad(_ check: String, _ path: String, _ text: String, line: Int = 2) -> Planted {
        Planted(check: check, path: path, text: "// Head.\n" + text, line: line)
    }
    static func good(_ check: String, _ path: String, _ text: String) -> Planted {
        Planted(check: check, path: path, text: "// Head.\n" + text)
    }
}

private let wire = "Sources/StraitWire/Planted.swift"
private let tests = "Tests/StraitWireTests/Planted.swift"
private let layers = "imports go down the layers"
private let fence = "unsafe code stays behind the fence"
private let lengths = "files, lines and functions are short"
private let banned = "banned constructs"
private let clocks = "time is read in one place"
private let swallowed = "a swallowed error is explained"
private let words = "words of the lexicon's never list"
private let notes = "no notes to oneself"
private let paths = "no paths of one machine"
private let head = "a file says what it is"

private let planted: [Planted] = [
    .bad(layers, wire, "import Foundation"),
    .bad(layers, wire, "package import StraitState"),
    .bad(layers, wire, "@preconcurrency private import struct Glibc.timespec"),
    .bad(layers, "Sources/StraitEngine/Planted.swift", "internal import COpenSSL"),
    .bad(layers, "Sources/StraitControl/Planted.swift", "internal import UnixSignals"),
    .good(layers, "Sources/strait/Planted.swift", "internal import UnixSignals"),
    .bad(layers, "Sources/StraitMisc/Planted.swift", "let x = 1", line: 1),
    .good(layers, wire, "package import StraitCore\n// import Foundation"),
    .bad(fence, wire, "let x = unsafe y"),
    .bad(fence, "Sources/StraitEngine/A.swift", "final class A: @unchecked Sendable {}"),
    .bad(fence, wire, "nonisolated(unsafe) var x = 1"),
    .bad(fence, wire, "func f(_ p: UnsafeRawBufferPointer) {}"),
    .good(fence, wire, "// this is unsafe\nlet text = \"unsafe\""),
    .good(fence, "Sources/StraitPosix/A.swift", "let x = unsafe y"),
    .bad(lengths, wire, "// " + String(repeating: "x", count: 98)),
    .bad(lengths, wire, "func f() {\n" + String(repeating: "a()\n", count: 69) + "}"),
    .bad(lengths, wire, String(repeating: "\n", count: 500), line: 501),
    .good(lengths, wire, "func f() {\n" + String(repeating: "a()\n", count: 68) + "}"),
    .good(lengths, wire, "// " + String(repeating: "x", count: 97)),
    .good(lengths, wire, "struct S {\n" + String(repeating: "let a = 1\n", count: 90) + "}"),
    .bad(banned, wire, "let x = try! f()"),
    .bad(banned, wire, "let x = y as! Int"),
    .bad(banned, wire, "public struct S {}"),
    .bad(banned, tests, "@testable import StraitWire"),
    .bad(banned, tests, "final class T: XCTestCase {}"),
    .bad(banned, tests, "@Test(.disabled(\"later\")) func f() {}"),
    .bad(banned, wire, "DispatchQueue.main.async {}"),
    .bad(banned, wire, "fatalError(\"no\")"),
    .bad(banned, wire, "print(x)"),
    .bad(banned, tests, "try await Task.sleep(for: .seconds(1))"),
    .good(banned, "Sources/strait/A.swift", "print(x)"),
    .good(banned, wire, "let x = \"try! print( public\"\nfingerprint(x)\nself.print(x)"),
    .bad(clocks, wire, "let now = Date()"),
    .bad(clocks, "Sources/StraitEngine/A.swift", "let now = ContinuousClock.now"),
    .bad(clocks, "Sources/StraitPosix/Poller.swift", "clock_gettime(CLOCK_MONOTONIC, &time)"),
    .good(clocks, "Sources/StraitPosix/Clock.swift", "clock_gettime(CLOCK_MONOTONIC, &time)"),
    .good(clocks, tests, "let now = ContinuousClock.now"),
    .bad(swallowed, wire, "\nlet x = try? f()", line: 3),
    .bad(swallowed, tests, "\nlet x = try? f()", line: 3),
    .good(swallowed, wire, "// absent is fine: the caller asks again\nlet x = try? f()"),
    .bad(words, wire, "struct ConnectionManager {}"),
    .bad(words, wire, "struct FileManagers {}"),
    .bad(words, wire, "let x = ConnectionFileManager()"),
    .bad(words, wire, "let manager = FileManager.default"),
    .bad(words, wire, "// a helper for this"),
    .bad(words, wire, "let server = 1"),
    .good(words, wire, "try FileManager.default.removeItem(atPath: path)"),
    .bad(words, tests, "let server = 1"),
    .good(words, wire, "// the service manager is another program: let a = ServiceManager()"),
    .bad(words, wire, "let x = MyServiceManager()"),
    .good(words, "Sources/StraitConfig/A.swift", "FileManager.default"),
    .good(words, wire, "let serverName = 1\ncase clientAddress\nlet backendKeyData = 2"),
    .bad(notes, wire, "// TODO: this"),
    .bad(paths, wire, "let x = \"/root/x\""),
    .good(paths, wire, "let x = \"Tests/root/x\""),
    Planted(check: head, path: wire, text: "import StraitCore\n", line: 1),
    .good(head, wire, "import StraitCore"),
]

@Suite("The tidy checks themselves")
struct SelfTests {
    @Test("find what is planted, where it is, and nothing else", arguments: planted)
    func finds(_ planted: Planted) throws {
        let check = try #require(Checks.all.first { $0.name == planted.check })
        let findings = check.run(SourceFile(path: planted.path, text: planted.text))
        #expect(findings.map(\.line) == [planted.line].compactMap { $0 }, "\(findings)")
    }

    @Test("are each shown failing")
    func eachIsShown() {
        let shown = Set(planted.filter { $0.line != nil }.map(\.check))
        #expect(shown == Set(Checks.all.map(\.name)))
    }

    @Test("see code where it is code, and not in comments and literals")
    func lexer() {
        let text = ##"""
            a /* b /* c */ d */ e // f
            let s = "g \(h("i")) j" + #"k \(l) \#(m) "n"# + o
            let t = """
                p "q" \(r)
                """ + u
            """##
        let code = SwiftText.code(of: text).joined(separator: "\n")
        let letters = Set(code.filter { $0.isLetter && $0.isASCII })
        #expect(letters.isSuperset(of: "aehmoru"))
        #expect(letters.isDisjoint(with: "bcdfgijkpq"))
        #expect(code.filter { $0.isNewline }.count == text.filter { $0.isNewline }.count)
    }

    @Test("measure functions from the keyword to the closing brace")
    func functions() {
        let code = """
            protocol P {
                func required() -> Int
                init(a: Int)
            }
            struct S {
                let a = A.init(b: 1)
                init?(a: Int) {
                    if a { b() }
                }
                func one(
                    a: Int
                ) {
                    c { d }
                }
            }
            """
        let found = Set(Functions.find(in: SwiftText.code(of: code)))
        #expect(
            found == [
                FunctionExtent(line: 6, lineCount: 3), FunctionExtent(line: 9, lineCount: 5),
            ])
    }

    @Test("find a package declaration without a doc comment")
    func documentation() {
        let text = """
            /// Good.
            @inlinable
            package func a() {}
            package let b = 1
            package import StraitCore
            package private(set) var c = 1
            let d = 1
            """
        let found = Documentation.missing(in: SourceFile(path: wire, text: text))
        #expect(found.map(\.finding.line) == [4, 6])
    }

    @Test("read names from the code and from the reference, and compare them")
    func reference() {
        let file = SourceFile(
            path: wire,
            text: """
                enum Kind: String {
                    case finished
                    case closedEarly = "closed_early"
                    package var check: Int { switch self { case .finished: 1 } }
                """)
        #expect(Reference.closeReasonKinds(in: file) == ["finished", "closed_early"])
        #expect(
            Reference.metricNames(in: "\"process_id\" \"process_open_fds \" \"process_x_total{")
                == ["process_open_fds", "process_x_total"])
        let text = "## A\n| `x` | y |\n## B\n| `u`, `v` | `w` |\n"
        #expect(Reference.rows(of: "B", in: text) == ["u", "v"])
        #expect(
            Reference.metricNames(in: "\"strait_a_total\" strait_b \"strait_c{\"")
                == ["strait_a_total", "strait_c"])
        #expect(Reference.memberNames(in: "json.member(\"a.b\", 1)\nmember(\"c\")") == ["a.b"])
    }

    @Test("find a link that leads nowhere")
    func links() {
        let file = SourceFile(path: "A.md", text: "[a](B.md) [b](https://x.y)\n[c](C.md#d)")
        let found = Reference.brokenLinks(in: file) { $0 == "B.md" }
        #expect(found.map(\.line) == [2])
    }

    @Test("find a script that goes on after an error, or ends processes by name")
    func scripts() {
        let name = "pk" + "ill"
        let bad = SourceFile(path: "tools/x", text: "#!/usr/bin/env bash\n\(name) -f strait\n")
        #expect(Scripts.check(bad).map(\.line) == [1, 2])
        let other = SourceFile(path: "tools/y", text: "#!/bin/sh\n")
        #expect(Scripts.check(other).count == 1)
    }
}
