// `strait export` and `import`: the whole registry as one YAML file, both ways. `strait audit`: who
// changed what.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitControl

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print every tenant of the registry, as `strait import` takes them.",
        discussion: """
            EXAMPLES
              strait export > tenants.yaml
              strait export --format json | jq '.tenants | length'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func run() throws {
        var documents: [TenantDocument] = []
        try self.admin.forEachTenant { documents.append($1) }
        switch self.format.format {
        case .json:
            let items = documents.map { String(decoding: $0.json, as: UTF8.self) }
            writeOutput("{\"tenants\":[\(items.joined(separator: ","))]}\n")
        case .text: writeOutput(TenantDocument.yaml(tenants: documents))
        }
    }
}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Put every tenant of a YAML file into the registry.",
        discussion: """
            Tenants that are there are changed, others stay. What is wrong with one is told; the
            others are taken all the same.

            EXAMPLES
              strait import tenants.yaml
              strait export | strait import --admin /run/other/admin.sock -
            """)

    @Argument(help: "The file; - is standard input.")
    var file: String

    @OptionGroup var write: WriteOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    private struct Answer: Encodable {
        var taken: Int
        var refused: Int
        var revision: UInt64
    }

    func run() throws {
        let text = try self.text()
        let (documents, problems) = TenantDocument.tenants(inYAML: text, file: self.file)
        for problem in problems { writeError(problem.text + "\n") }
        guard !problems.contains(where: { $0.severity == .error }) else {
            throw CommandFailure(.refused, "\(self.file) was not read; nothing was changed")
        }
        var answer = Answer(taken: 0, refused: 0, revision: 0)
        for (index, document) in documents.enumerated() {
            let name = document.text("name") ?? ""
            let isLast = index == documents.count - 1
            let query = self.write.dryRun ? "?dry_run=true" : isLast ? "" : "?wait=false"
            let (status, body) = try self.admin.request(
                "PUT", "/v1/tenants/\(AdminOptions.escaped(name))\(query)", body: document.json)
            guard CommandStatus(httpStatus: status) == .done else {
                answer.refused += 1
                writeError("tenant \(name): \(AdminOptions.sentence(status, body))\n")
                continue
            }
            answer.taken += 1
            answer.revision = max(
                answer.revision, try AnswerJSON.decode(RegistryWrite.self, from: body).revision)
        }
        try self.format.write(answer) {
            "\($0.taken) taken, \($0.refused) refused; revision \($0.revision)\n"
        }
        guard answer.refused == 0 else { throw CommandFailure(.refused) }
    }

    private func text() throws -> String {
        do {
            let data =
                self.file == "-"
                ? FileHandle.standardInput.readDataToEndOfFile()
                : try Data(contentsOf: URL(fileURLWithPath: self.file))
            guard let text = String(validating: data, as: UTF8.self) else {
                throw CommandFailure(.refused, "\(self.file) is not UTF-8")
            }
            return text
        } catch let failure as CommandFailure {
            throw failure
        } catch {
            throw CommandFailure(
                .refused, "\(self.file) cannot be read: \(error.localizedDescription)")
        }
    }
}

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Say who changed what in the registry, the newest last.",
        discussion: """
            EXAMPLES
              strait audit
              strait audit --tenant acme
              strait audit --format json | jq -r '.[].actor' | sort | uniq -c
            """)

    @Option(help: "Only of this tenant.")
    var tenant: String?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    private struct Page: Decodable {
        var entries: [AuditEntry]
        var next: String?
    }

    func run() throws {
        var entries: [AuditEntry] = []
        try self.admin.forEachPage(Page.self, "/v1/audit?limit=500") { page in
            entries += page.entries.filter { $0.concerns(self.tenant) }
            return page.next
        }
        try self.format.write(entries) { entries in
            var table = TextTable("time", "actor", "action", "resource")
            for entry in entries {
                table.add(entry.time, entry.actor, entry.action, entry.resource)
            }
            return table.text
        }
    }
}
