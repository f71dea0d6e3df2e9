// The house rules, checked over the whole tree. CONTRIBUTING.md says what each of them is for.

import Foundation
import Testing

@Suite("The source tree")
struct TidyTests {
    @Test("is read at all: the checks below do not pass over nothing")
    func isRead() {
        #expect(SourceTree.sources.count > 20)
        #expect(SourceTree.scripts.contains { $0.path == ".ci/run" })
        #expect(SourceTree.documents.contains { $0.path == "README.md" })
    }

    @Test("obeys", arguments: Checks.all)
    func obeys(_ check: Check) {
        let findings = SourceTree.swiftFiles.flatMap(check.run)
        #expect(findings.isEmpty, "\(Self.list(findings))")
    }

    @Test("documents every package declaration, or fewer lack it than before")
    func documentation() {
        let found = Dictionary(
            grouping: SourceTree.sources.flatMap(Documentation.missing), by: { $0.target })
        for layer in Layers.table {
            let now = found[layer.target] ?? []
            let recorded = Excuses.undocumented[layer.target] ?? 0
            #expect(
                now.count <= recorded,
                "\(layer.target) may only get better:\n\(Self.list(now.map(\.finding)))")
            #expect(
                now.count >= recorded,
                "\(layer.target) has \(now.count) left: lower its number in Excuses.swift")
        }
    }

    @Test("has every target in the layer table, and every row of the table is a target")
    func targets() throws {
        let folder = SourceTree.root.appending(path: "Sources").path
        let targets = try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { !$0.hasPrefix(".") }
        let known = Set(Layers.table.map(\.target)).union(Layers.cTargets)
        #expect(Set(targets) == known)
        for target in targets {
            let manifest = SourceTree.file("Package.swift")?.text ?? ""
            #expect(manifest.contains("\"\(target)\""), "\(target) is not in the manifest")
        }
    }

    @Test("has tests for every target")
    func everyTargetHasTests() {
        for layer in Layers.table where layer.target != "strait" && layer.number < 7 {
            let prefix = "Tests/\(layer.target)Tests/"
            let has = SourceTree.swiftFiles.contains {
                $0.path.hasPrefix(prefix) && $0.code.contains { $0.contains("@Test") }
            }
            let isCovered = Excuses.testedElsewhere[layer.target] != nil
            #expect(has != isCovered, "\(layer.target): no test in \(prefix), or a stale excuse")
        }
    }

    @Test("has scripts that stop at the first error and can be run")
    func scripts() {
        for script in SourceTree.scripts {
            let findings = Scripts.check(script)
            #expect(findings.isEmpty, "\(Self.list(findings))")
            let path = SourceTree.root.appending(path: script.path).path
            let isSourced = script.path.hasSuffix(".bash")
            #expect(FileManager.default.isExecutableFile(atPath: path) != isSourced, "\(path)")
        }
    }

    static func list(_ findings: [Finding]) -> String {
        findings.prefix(40).map(\.description).joined(separator: "\n")
            + (findings.count > 40 ? "\n… and \(findings.count - 40) more" : "")
    }
}

@Suite("The documents")
struct DocumentTests {
    @Test("describe every close reason, and none that does not exist")
    func closeReasons() throws {
        let source = try #require(SourceTree.file("Sources/StraitCore/CloseReason.swift"))
        let reference = try #require(SourceTree.file("REFERENCE.md"))
        let kinds = Reference.closeReasonKinds(in: source)
        #expect(kinds.count > 30)
        #expect(Reference.rows(of: "Close reasons", in: reference.text) == kinds)
    }

    @Test("describe every metric, and none that does not exist")
    func metrics() throws {
        let reference = try #require(SourceTree.file("REFERENCE.md"))
        let named = SourceTree.sources.reduce(into: Set<String>()) {
            $0.formUnion(Reference.metricNames(in: $1.text))
        }
        let documented = Reference.rows(of: "Metrics", in: reference.text)
        #expect(named.subtracting(documented) == [], "in the code, not in REFERENCE.md")
        #expect(documented.subtracting(named) == [], "in REFERENCE.md, not in the code")
    }

    @Test("describe every field of the access record, and none that does not exist")
    func accessRecord() throws {
        let source = try #require(SourceTree.file("Sources/StraitEngine/AccessRecord.swift"))
        let reference = try #require(SourceTree.file("REFERENCE.md"))
        let written = Reference.memberNames(in: source.text)
        #expect(written.count > 30)
        #expect(Reference.rows(of: "Access record", in: reference.text) == written)
    }

    @Test("link only to what exists")
    func links() {
        for document in SourceTree.documents {
            let findings = Reference.brokenLinks(in: document, exists: SourceTree.exists)
            #expect(findings.isEmpty, "\(TidyTests.list(findings))")
        }
    }

    @Test("show both commands first")
    func bothCommands() throws {
        let text = try #require(SourceTree.file("README.md")).text
        let top = text.split(separator: "\n", omittingEmptySubsequences: false).prefix(45)
            .joined(separator: "\n")
        #expect(top.contains("tools/quickstart"))
        #expect(top.contains("tools/test"))
    }

    @Test("name every file of configs/")
    func configs() {
        let folder = SourceTree.root.appending(path: "configs").path
        // No configs folder: the list is empty and README's link check fails instead.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        let text =
            SourceTree.documents.map(\.text).joined()
            + (SourceTree.file("configs/README.md")?.text ?? "")
        for name in names where name.hasSuffix(".yaml") {
            #expect(text.contains(name), "configs/\(name) is named in no document")
        }
    }
}
