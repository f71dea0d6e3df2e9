// `strait operator` and `strait whoami`: who may ask the operator API by TLS.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore

/// `--tenant`: operators, or administrators of a tenant.
struct IdentityOptions: ParsableArguments {
    @Option(help: "Administrators of this tenant, instead of operators.")
    var tenant: String?

    /// Of the operator API.
    var place: String {
        self.tenant.map { AdminOptions.place("administrators", of: $0) } ?? "/v1/operators"
    }
}

struct OperatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "operator",
        abstract: "Issue, list and withdraw certificates of operators and administrators.",
        discussion: """
            They are for admin.https of a router: an operator may do everything, a tenant's \
            administrator whatever concerns its tenant.

            EXAMPLES
              strait operator issue anna --out anna.pem
              strait operator issue bob --tenant acme --days 90 --out bob.pem
              strait whoami --admin https://r1.example.com --identity bob.pem
              strait operator ls --tenant acme
              strait operator rm 5f0c... --tenant acme --yes
            """,
        subcommands: [List.self, Issue.self, Remove.self])

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "ls", abstract: "List who has a certificate.")

        @OptionGroup var whose: IdentityOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func run() throws {
            let answer = try self.admin.ask(IdentityListAnswer.self, "GET", self.whose.place)
            try self.format.write(answer) { answer in
                var table = TextTable("name", "good until", "issued by", "fingerprint")
                for one in answer.identities {
                    table.add(one.name, one.notAfter, one.issuedBy, one.fingerprint)
                }
                return table.text
            }
        }
    }

    struct Issue: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "issue",
            abstract: "Issue a certificate; the file has its key, and what to trust.")

        @Argument(help: "Who it is for: 1 to 64 characters, for people and audit rows.")
        var name: String

        @Option(help: "How long it is good, 1 to 366.")
        var days = 30

        @Option(help: "The file, which nobody but you may read; it must not be there yet.")
        var out: String

        @OptionGroup var whose: IdentityOptions
        @OptionGroup var admin: AdminOptions
        @OptionGroup var format: FormatOptions

        func validate() throws {
            guard (1...366).contains(self.days) else {
                throw ValidationError("--days is a number from 1 to 366")
            }
        }

        func run() throws {
            let file = URL(fileURLWithPath: self.out)
            try self.makeFile(file)
            let answer: IssuedIdentityAnswer
            do {
                answer = try self.admin.ask(
                    IssuedIdentityAnswer.self, "POST", self.whose.place,
                    body: try AnswerJSON.encode(
                        IdentityRequest(
                            name: self.name, validSeconds: Int64(self.days) * 86_400)))
                let handle = try FileHandle(forWritingTo: file)
                try handle.write(
                    contentsOf: Data((answer.key + answer.certificate + answer.authority).utf8))
                try handle.close()
            } catch {
                try FileManager.default.removeItem(at: file)
                throw error
            }
            try self.format.write(answer.identity) { identity in
                """
                \(answer.uri), good until \(identity.notAfter), is in \(self.out)
                fingerprint \(identity.fingerprint)

                """
            }
        }

        /// Before anything is issued: a key that cannot be kept is of no use.
        private func makeFile(_ file: URL) throws {
            do {
                try Data().write(to: file, options: .withoutOverwriting)
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o600], ofItemAtPath: file.path)
            } catch {
                throw CommandFailure(
                    .refused, "cannot make \(self.out): \(error.localizedDescription)")
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "rm", abstract: "Withdraw a certificate, at once.")

        @Argument(help: "Its fingerprint, as `strait operator ls` has it.")
        var fingerprint: String

        @Flag(help: "Do not ask.")
        var yes = false

        @OptionGroup var whose: IdentityOptions
        @OptionGroup var admin: AdminOptions

        func run() throws {
            try confirm("withdraw the certificate \(self.fingerprint)", self.yes)
            let (status, body) = try self.admin.request(
                "DELETE", "\(self.whose.place)/\(AdminOptions.escaped(self.fingerprint))")
            guard CommandStatus(httpStatus: status) == .done else {
                throw CommandFailure(.refused, AdminOptions.sentence(status, body))
            }
            writeOutput("\(self.fingerprint) withdrawn\n")
        }
    }
}

struct WhoAmICommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "whoami", abstract: "Say which router is asked, and as whom.",
        discussion: """
            EXAMPLES
              strait whoami
              strait whoami --admin https://r1.example.com --identity bob.pem
            """)

    @OptionGroup var admin: AdminOptions
    @OptionGroup var format: FormatOptions

    func run() throws {
        let answer = try self.admin.ask(WhoAsksAnswer.self, "GET", "/v1/whoami")
        let endpoint = try self.admin.endpoint()
        try self.format.write(answer) { answer in
            """
            router  \(endpoint)
            name    \(answer.name)
            role    \(answer.role)\(answer.tenant.map { " of tenant \($0)" } ?? "")

            """
        }
    }
}
