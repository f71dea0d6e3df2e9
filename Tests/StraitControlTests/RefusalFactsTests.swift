// What is said to who asks why a connection was refused.

import Foundation
import StraitControl
import StraitCore
import Testing

@Suite("RefusalFacts") struct RefusalFactsTests {
    @Test(
        "every refusal says what would have made it pass, and nothing else does",
        arguments: CloseReason.Kind.allCases)
    func everyRefusal(kind: CloseReason.Kind) {
        let remedy = RefusalFacts().remedy(for: kind)
        #expect((remedy != nil) == (kind.check != nil))
        #expect(remedy?.isEmpty != true && remedy?.hasSuffix(".") != true)
    }

    /// The rows of the reference's close reasons: check, what happened, what to do.
    private static let table: [String: [String]] = {
        let root = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in
            url.deletingLastPathComponent()
        }
        // Without the file there is no row, and the test says which one is missing.
        let text = try? String(contentsOf: root.appending(path: "REFERENCE.md"), encoding: .utf8)
        var rows: [String: [String]] = [:]
        for line in (text ?? "").components(separatedBy: "\n") where line.hasPrefix("| `") {
            let cells = line.components(separatedBy: "|").dropFirst().map {
                $0.trimmingCharacters(in: CharacterSet(charactersIn: " `"))
            }
            // Later tables have other names.
            guard cells.count >= 4, rows[cells[0]] == nil else { continue }
            rows[cells[0]] = Array(cells[1...3])
        }
        return rows
    }()

    @Test(
        "the reference names the same check, and an advice beside each remedy",
        arguments: CloseReason.Kind.allCases)
    func reference(kind: CloseReason.Kind) throws {
        let row = try #require(Self.table[kind.rawValue], "REFERENCE.md")
        #expect(row[0] == kind.check?.rawValue ?? "")
        #expect((RefusalFacts().remedy(for: kind) != nil) == !row[0].isEmpty)
        #expect(!row[1].isEmpty && !row[2].isEmpty)
    }

    @Test(
        "names what the record names",
        arguments: [
            (CloseReason.Kind.nameUnknown, "a.test"), (.proxySourceUntrusted, "192.0.2.1"),
            (.protocolNotAllowed, "listener public"), (.connectFailed, "10.0.0.1:22"),
            (.connectionLimit, "tenant acme"), (.clientCertificateRejected, "tenant acme"),
            (.alpnMismatch, "a.test"), (.noDefaultService, "listener public"),
            (.rateLimit, "limits.new_connections_per_second"), (.cancelLimit, "cancel requests"),
        ])
    func names(kind: CloseReason.Kind, word: String) {
        var facts = RefusalFacts()
        facts.serverName = "a.test"
        facts.listener = "public"
        facts.tenant = "acme"
        facts.peer = "192.0.2.1"
        facts.upstream = "10.0.0.1:22"
        #expect(facts.remedy(for: kind)?.contains(word) == true)
    }
}
