// `strait certificate`: what the names of tenants are shown with.

internal import ArgumentParser
internal import Foundation
internal import StraitControl

struct CertificateCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate",
        abstract: "List, show, add and remove certificates of tenants of the registry.",
        discussion: """
            Names without an uploaded certificate have one of the installation's own authority:
            strait authority show --installation prints what to trust then.

            EXAMPLES
              strait certificate ls acme
              strait certificate add acme main --chain acme.pem --key acme.key
              strait certificate show acme main > acme.pem
              strait certificate rm acme main --yes
            """,
        subcommands: [List.self, Show.self, Add.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List a tenant's certificates.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let answer = try self.admin.ask(
                CertificateListAnswer.self, "GET",
                AdminOptions.place("certificates", of: self.tenant))
            try self.format.write(answer) { answer in
                var table = TextTable("certificate", "source", "key", "valid until", "names")
                for one in answer.certificates {
                    table.add(
                        one.name, one.source, one.keyType, one.notAfter,
                        one.names.joined(separator: " "))
                }
                return table.text
            }
        }
    }

    struct Show: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show",
            abstract: "Print a certificate's chain as PEM; with --format json what it says, too.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "The certificate's name.")
        var name: String

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let answer = try self.admin.ask(
                CertificateAnswer.self, "GET",
                AdminOptions.place("certificates", of: self.tenant, self.name))
            try self.format.write(answer) { $0.chain }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "add",
            abstract: "Upload a certificate, or another one in its place.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "What to call the certificate: a-z, 0-9, - and _.")
        var name: String

        @Option(help: "PEM file with the certificate and its intermediates.", completion: .file())
        var chain: String

        @Option(
            help: "PEM file with its private key, unencrypted; - reads it from standard input.",
            completion: .file())
        var key: String

        @OptionGroup var write: WriteOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let body = UploadBody(
                chain: try InputFile.read(self.chain), key: try InputFile.read(self.key))
            try self.admin.upload(
                body, to: AdminOptions.place("certificates", of: self.tenant, self.name),
                what: "certificate \(self.name) of \(self.tenant)", self.write, self.format)
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm",
            abstract: "Remove a certificate; where names need one, the installation's comes.")

        @Argument(help: "The tenant's name.")
        var tenant: String

        @Argument(help: "The certificate's name.")
        var name: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            try confirm("remove certificate \(self.name) of \(self.tenant) and its key", self.yes)
            try self.admin.remove(
                AdminOptions.place("certificates", of: self.tenant, self.name),
                what: "certificate \(self.name) of \(self.tenant)", self.format)
        }
    }
}

/// A certificate on its way to the router.
private struct UploadBody: Encodable {
    var chain: String
    var key: String
}

/// Files that are named on the command line.
enum InputFile {
    /// More than the router takes.
    private static let bytesMax = 1024 * 1024

    /// The text of a file; `-` is standard input.
    static func read(_ path: String) throws -> String {
        let bytes: Data
        do {
            let handle =
                path == "-"
                ? FileHandle.standardInput
                : try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            bytes = try handle.readToEnd() ?? Data()
        } catch {
            throw CommandFailure(.refused, "\(path) cannot be read: \(error.localizedDescription)")
        }
        guard bytes.count <= Self.bytesMax, let text = String(data: bytes, encoding: .utf8) else {
            throw CommandFailure(.refused, "\(path) is no PEM file")
        }
        return text
    }
}

extension AdminOptions {
    /// Where something of a tenant is asked for.
    static func place(_ kind: String, of tenant: String, _ name: String? = nil) -> String {
        let list = "/v1/tenants/\(Self.escaped(tenant))/\(kind)"
        return name.map { "\(list)/\(Self.escaped($0))" } ?? list
    }

    /// Writes something of a tenant, and prints what came of it.
    func upload(
        _ body: some Encodable, to place: String, what: String, _ options: WriteOptions,
        _ format: FormatOptions
    ) throws {
        try self.write(
            "PUT", place, body: try AnswerJSON.encode(body), what: what, options, format)
    }
}
