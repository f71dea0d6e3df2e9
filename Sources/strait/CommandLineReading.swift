// A command line as it is read: which command will run, or how the program ends without one.

package import ArgumentParser
package import StraitControl

/// What a command line comes to.
package enum CommandLineReading {
    /// This command would run.
    case command(any ParsableCommand)
    /// Nothing runs: help, a version or a completion was asked for, or the line is wrong.
    case end(CommandStatus, message: String)

    /// Reads arguments, without the program's name.
    package init(_ arguments: [String]) {
        do {
            self = .command(try StraitCommand.parseAsRoot(arguments))
        } catch {
            self = Self.ending(with: error)
        }
    }

    /// Help and version end well; wrong usage ends with 2, not with 64.
    static func ending(with error: any Error) -> CommandLineReading {
        .end(
            CommandStatus(parserCode: StraitCommand.exitCode(for: error).rawValue),
            message: StraitCommand.fullMessage(for: error))
    }

    /// The help of every command, by its words: `strait config init`.
    package static func help(columns: Int) -> [String: String] {
        var pages: [String: String] = [:]
        func add(_ command: any ParsableCommand.Type, _ words: String) {
            let name = command.configuration.commandName ?? "?"
            let path = words.isEmpty ? name : "\(words) \(name)"
            pages[path] = StraitCommand.helpMessage(for: command, columns: columns)
            for inner in command.configuration.subcommands { add(inner, path) }
        }
        add(StraitCommand.self, "")
        return pages
    }
}
