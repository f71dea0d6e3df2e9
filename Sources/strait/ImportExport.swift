// `strait export` and `import`: the whole registry as one YAML file, both ways. `strait audit`: who
// changed what.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitControl
internal import StraitCore

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Print the whole registry, as `strait import` takes it.",
        discussion: """
            Regions, the installation's authority, ports, and tenants with the certificates and
            authorities that were uploaded for them. Private keys are sealed, as they are in the
            registry: who imports them needs the same key-encryption key. Who operates or
            administers, and who changed what, is not in it.

            EXAMPLES
              strait export > state.yaml
              strait export --format json | jq '.tenants | length'
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    /// Whether something is missing in what was printed.
    private var leftOut = false

    private enum CodingKeys: CodingKey {
        case admin, format
    }

    mutating func run() throws {
        var parts: [(name: String, json: String)] = []
        parts.append(("regions", try self.regions()))
        if let installation = try self.installation() {
            parts.append(("installation", installation))
        }
        parts.append(("ports", try self.ports()))
        parts += try self.tenants()
        switch self.format.format {
        case .json:
            let items = parts.map { "\(JSONString.quoted($0.name)):\($0.json)" }
            writeOutput("{\(items.joined(separator: ","))}\n")
        case .text:
            do throws(JSONProblem) {
                writeOutput(try TenantDocument(keys: parts).yaml)
            } catch {
                throw CommandFailure(
                    .refused, "the router's answer cannot be read; is it of another version?")
            }
        }
        if self.leftOut { throw CommandFailure(.refused) }
    }

    private struct Regions: Codable {
        var regions: [Region]
        var next: String?

        struct Region: Codable {
            var name: String
            var description: String?
        }
    }

    private func regions() throws -> String {
        var regions: [Regions.Region] = []
        try self.admin.forEachPage(Regions.self, "/v1/regions?limit=500") { page in
            regions += page.regions
            return page.next
        }
        return try Self.text(regions)
    }

    private func ports() throws -> String {
        var ports: [MovedPort] = []
        try self.admin.forEachPage(MovedPorts.self, "/v1/state/ports?limit=500") { page in
            ports += page.ports
            return page.next
        }
        return try Self.text(ports)
    }

    private func installation() throws -> String? {
        let (status, body) = try self.admin.request("GET", "/v1/state/installation")
        guard status != 404 else { return nil }
        guard CommandStatus(httpStatus: status) == .done else {
            throw CommandFailure(.refused, AdminOptions.sentence(status, body))
        }
        return String(decoding: body, as: UTF8.self)
    }

    /// What belongs to a tenant stands beside the tenants, so that those are as they are written.
    private mutating func tenants() throws -> [(name: String, json: String)] {
        var items: [String: [String]] = ["certificates": [], "authorities": [], "tenants": []]
        var after: String?
        repeat {
            let query = after.map { "&after=\(AdminOptions.escaped($0))" } ?? ""
            let (body, _) = try self.admin.read("/v1/state/tenants?limit=100\(query)")
            let page = try AdminOptions.document(body)
            for row in page.texts("unreadable") {
                writeError("\(row) cannot be read, and was left out\n")
                self.leftOut = true
            }
            for tenant in page.items("tenants") {
                guard let document = tenant.item("document") else { continue }
                let name = document.text("name") ?? ""
                items["tenants"]?.append(String(decoding: document.json, as: UTF8.self))
                for key in ["certificates", "authorities"] {
                    for var item in tenant.items(key) {
                        try item.set("tenant", to: .text(name))
                        items[key]?.append(String(decoding: item.json, as: UTF8.self))
                    }
                }
            }
            after = page.text("next")
        } while after != nil
        return ["certificates", "authorities", "tenants"].map { key in
            (key, "[\(items[key, default: []].joined(separator: ","))]")
        }
    }

    private static func text(_ value: some Encodable) throws -> String {
        String(decoding: try AnswerJSON.encode(value), as: UTF8.self)
    }
}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Put what `strait export` has written into the registry.",
        discussion: """
            What is there is changed, what is there besides stays. What is wrong with one item is
            told; the others are taken all the same. A file with `tenants` alone will do.

            An installation's authority is taken up by a registry without tenants and operators.
            Ports are kept for their tenants for a day, and taken up when those come. Private keys
            are opened with the key-encryption key of the router, or the old one.

            EXAMPLES
              strait import state.yaml
              strait export | strait import --admin /run/other/admin.sock -
            """)

    @Argument(help: "The file; - is standard input.")
    var file: String

    @OptionGroup var write: WriteOptions
    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    fileprivate struct Answer: Encodable {
        /// Tenants.
        var taken = 0
        var refused = 0
        /// Regions, ports, the installation's authority.
        var othersTaken = 0
        var othersRefused = 0
        var revision: UInt64 = 0
    }

    /// What the file may have, and whether that is a list.
    private static let keys = [
        "regions": true, "installation": false, "ports": true, "certificates": true,
        "authorities": true, "tenants": true,
    ]

    func run() throws {
        let (read, problems) = TenantDocument.state(
            inYAML: try self.text(), file: self.file, keys: Self.keys)
        for problem in problems { writeError(problem.text + "\n") }
        guard let state = read, !problems.contains(where: { $0.severity == .error }) else {
            throw CommandFailure(.refused, "\(self.file) was not read; nothing was changed")
        }
        var answer = Answer()
        // First, and nothing without it: what came before it would keep it out for good.
        if let installation = state.item("installation") {
            let isTaken = try self.put(
                "/v1/state/installation", installation.json, "installation", &answer)
            guard isTaken else {
                throw CommandFailure(
                    .refused,
                    "the installation's authority was refused, so nothing was changed; without "
                        + "`installation` in \(self.file), tenants get certificates of the one "
                        + "that is here")
            }
            answer.count(true, of: 1)
        }
        for region in state.items("regions") {
            let name = region.text("name") ?? ""
            let isTaken = try self.put(
                "/v1/regions/\(AdminOptions.escaped(name))", region.json, "region \(name)", &answer)
            answer.count(isTaken, of: 1)
        }
        try self.putPorts(state.items("ports"), &answer)
        try self.putTenants(state, &answer)
        let taken = self.write.dryRun ? "would be taken" : "taken"
        try self.format.write(answer) { answer in
            """
            tenants: \(answer.taken) \(taken), \(answer.refused) refused; regions, ports and \
            authorities: \(answer.othersTaken) \(taken), \(answer.othersRefused) refused; \
            revision \(answer.revision)

            """
        }
        guard answer.refused + answer.othersRefused == 0 else { throw CommandFailure(.refused) }
    }

    private func putPorts(_ ports: [TenantDocument], _ answer: inout Answer) throws {
        for start in stride(from: 0, to: ports.count, by: Limits.movedPortsMax) {
            let some = ports[start..<min(start + Limits.movedPortsMax, ports.count)]
            let all = Self.body(ports: some)
            guard try !self.put("/v1/state/ports", all, nil, &answer) else {
                answer.count(true, of: some.count)
                continue
            }
            // One of them is refused: each by itself.
            for port in some {
                let name = port.item("port").map { String(decoding: $0.json, as: UTF8.self) } ?? ""
                let isTaken = try self.put(
                    "/v1/state/ports", Self.body(ports: [port]), "port \(name)", &answer)
                answer.count(isTaken, of: 1)
            }
        }
    }

    private static func body(ports: some Sequence<TenantDocument>) -> [UInt8] {
        let items = ports.map { String(decoding: $0.json, as: UTF8.self) }
        return Array("{\"ports\":[\(items.joined(separator: ","))]}".utf8)
    }

    private func putTenants(_ state: TenantDocument, _ answer: inout Answer) throws {
        let own = ["certificates", "authorities"].map { key in
            (key, Dictionary(grouping: state.items(key)) { $0.text("tenant") ?? "" })
        }
        let documents = state.items("tenants")
        let names = Set(documents.compactMap { $0.text("name") })
        for (key, items) in own {
            for (tenant, some) in items.sorted(by: { $0.key < $1.key })
            where !names.contains(tenant) {
                writeError("\(key): there is no tenant \"\(tenant)\" in \(self.file)\n")
                answer.count(false, of: some.count)
            }
        }
        // In a dry run the regions of the file are not there yet.
        let coming = Set(state.items("regions").compactMap { $0.text("name") })
        for (index, original) in documents.enumerated() {
            var document = original
            let name = document.text("name") ?? ""
            if self.write.dryRun, document.text("region").map(coming.contains) == true {
                try document.set("region", to: nil)
            }
            var place = "/v1/tenants/"
            var body = document.json
            if own.contains(where: { $0.1[name] != nil }) {
                place = "/v1/state/tenants/"
                body = Array(#"{"document":"#.utf8) + document.json
                for (key, items) in own {
                    let texts = items[name, default: []].map {
                        String(decoding: $0.json, as: UTF8.self)
                    }
                    body += Array(#","\#(key)":[\#(texts.joined(separator: ","))]"#.utf8)
                }
                body.append(UInt8(ascii: "}"))
            }
            let isTaken = try self.put(
                place + AdminOptions.escaped(name), body, "tenant \(name)", &answer,
                waits: index == documents.count - 1)
            if isTaken { answer.taken += 1 } else { answer.refused += 1 }
        }
    }

    /// False where it is refused, which is told where `what` says what it is.
    private func put(
        _ place: String, _ body: [UInt8], _ what: String?, _ answer: inout Answer,
        waits: Bool = false
    ) throws -> Bool {
        guard body.count <= Limits.adminBodyBytesMax else {
            let most = Limits.adminBodyBytesMax
            if let what { writeError("\(what): \(body.count) bytes; at most \(most)\n") }
            return false
        }
        let query = self.write.dryRun ? "?dry_run=true" : waits ? "" : "?wait=false"
        let (status, reply) = try self.admin.request("PUT", place + query, body: body)
        guard CommandStatus(httpStatus: status) == .done else {
            if let what { writeError("\(what): \(AdminOptions.sentence(status, reply))\n") }
            return false
        }
        answer.revision = max(
            answer.revision, try AnswerJSON.decode(RegistryWrite.self, from: reply).revision)
        return true
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

extension ImportCommand.Answer {
    fileprivate mutating func count(_ isTaken: Bool, of items: Int) {
        if isTaken { self.othersTaken += items } else { self.othersRefused += items }
    }
}

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit",
        abstract: "Say who changed what in the registry, the newest last.",
        discussion: """
            EXAMPLES
              strait audit
              strait audit --tenant acme --limit 20
              strait audit --format json | jq -r '.[].actor' | sort | uniq -c
            """)

    @Option(help: "Only of this tenant.")
    var tenant: String?
    @Option(help: "At most so many, the newest.")
    var limit: Int?

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    private struct Page: Decodable {
        var entries: [AuditEntry]
        var next: String?
    }

    func validate() throws {
        guard self.limit ?? 1 > 0 else { throw ValidationError("--limit is 1 or more") }
    }

    func run() throws {
        var entries: [AuditEntry] = []
        try self.admin.forEachPage(Page.self, "/v1/audit?limit=500") { page in
            entries += page.entries.filter { $0.concerns(self.tenant) }
            if let limit = self.limit { entries = entries.suffix(limit) }
            return page.next
        }
        if let tenant = self.tenant, entries.isEmpty {
            // Says so where there is no such tenant.
            _ = try self.admin.read("/v1/tenants/\(AdminOptions.escaped(tenant))")
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
