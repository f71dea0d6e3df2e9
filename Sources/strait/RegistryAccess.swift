// How commands read and write tenants: a document is read, changed, and written where nobody has
// changed it meanwhile.

internal import ArgumentParser
internal import Foundation
internal import StraitConfig
internal import StraitControl

/// Options of every command that writes to the registry.
struct WriteOptions: ParsableArguments {
    @Flag(help: "Try the change, say what is wrong with it, and leave all as it is.")
    var dryRun = false
}

extension AdminOptions {
    /// The document of a tenant, with what to say of it when it is written.
    func tenant(_ name: String) throws -> (document: TenantDocument, entityTag: String) {
        let (body, tag) = try self.read("/v1/tenants/\(Self.escaped(name))")
        return (try Self.document(body), tag)
    }

    /// Changes a tenant as `change` says.
    func change(
        _ name: String, _ options: WriteOptions, _ format: FormatOptions,
        _ change: (inout TenantDocument) throws -> Void
    ) throws {
        var (document, tag) = try self.tenant(name)
        do {
            try change(&document)
        } catch let failure as TenantDocument.EditFailure {
            switch failure {
            case .noSuchItem(let item):
                throw CommandFailure(.refused, "tenant \(name) has no \"\(item)\"")
            case .otherKind(let key):
                throw CommandFailure(.refused, "\(key) of tenant \(name) is something else")
            }
        }
        try self.write(name, document, headers: ["If-Match": tag], options, format)
    }

    /// Writes a tenant, and prints what came of it.
    func write(
        _ name: String, _ document: TenantDocument, headers: [String: String],
        _ options: WriteOptions, _ format: FormatOptions
    ) throws {
        try self.write(
            "PUT", "/v1/tenants/\(Self.escaped(name))", headers: headers, body: document.json,
            what: "tenant \(name)", options, format)
    }

    /// Asks for a change, and prints what came of it.
    func write(
        _ method: String, _ place: String, headers: [String: String] = [:], body: [UInt8],
        what: String, _ options: WriteOptions, _ format: FormatOptions
    ) throws {
        let query = options.dryRun ? "?dry_run=true" : ""
        let answer = try self.ask(
            RegistryWrite.self, method, place + query, headers: headers, body: body)
        try format.write(answer) {
            options.dryRun ? "it would be taken\n" : $0.text(what: what)
        }
    }

    /// Takes something out, and prints what came of it.
    func remove(_ place: String, what: String, _ format: FormatOptions) throws {
        let answer = try self.ask(RegistryWrite.self, "DELETE", place)
        try format.write(answer) { $0.text(what: "\(what) removed") }
    }

    /// Asks for a list, page by page; `take` returns the `next` of a page.
    func forEachPage<Page: Decodable>(
        _: Page.Type, _ list: String, _ take: (Page) -> String?
    ) throws {
        var after: String?
        repeat {
            let query = after.map { "&after=\(Self.escaped($0))" } ?? ""
            after = take(try self.ask(Page.self, "GET", list + query))
        } while after != nil
    }

    /// A document that the router has answered with.
    static func document(_ body: [UInt8]) throws -> TenantDocument {
        do throws(JSONProblem) {
            return try TenantDocument(json: body)
        } catch {
            throw CommandFailure(
                .refused, "the router's answer cannot be read; is it of another version?")
        }
    }

    /// A name as a step of a path.
    static func escaped(_ name: String) -> String {
        name.addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(["-", "_", "."]))
            ?? name
    }

    /// Every tenant, page by page, in the order of their names.
    func forEachTenant(limit: Int = .max, _ body: (String, TenantDocument) throws -> Void) throws {
        var after: String?
        var left = limit
        repeat {
            let count = min(left, 500)
            let query = after.map { "&after=\(Self.escaped($0))" } ?? ""
            let (bytes, _) = try self.read("/v1/tenants?limit=\(count)\(query)")
            let page = try Self.document(bytes)
            for item in page.items("tenants") {
                try body(item.text("name") ?? "", item.item("document") ?? item)
                left -= 1
            }
            after = page.text("next")
        } while after != nil && left > 0
    }
}

extension RegistryWrite {
    /// `tenant acme: revision 12 live on all workers after 3 ms`.
    func text(what: String) -> String {
        let live =
            self.isLive
            ? "live on all workers after \(self.milliseconds) ms"
            : "not live on all workers yet (strait status)"
        return "\(what): revision \(self.revision) \(live)\n"
            + (self.remarks ?? []).map { "  note: \($0)\n" }.joined()
    }
}

extension TenantDocument {
    /// Sets keys as `--key KEY=JSON` names them.
    mutating func setKeys(_ texts: [String]) throws {
        for text in texts {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else {
                throw CommandFailure(.usage, "--key \(text): write KEY=JSON")
            }
            try self.setKey(parts[0], parts[1])
        }
    }

    mutating func setKey(_ key: String, _ json: String) throws {
        let value: TenantDocument
        do throws(JSONProblem) {
            value = try TenantDocument(json: Array(json.utf8))
        } catch {
            throw CommandFailure(
                .usage, "--key \(key): no JSON; \(error.expected) expected at \(error.column)")
        }
        try self.set(key, to: value)
    }
}
