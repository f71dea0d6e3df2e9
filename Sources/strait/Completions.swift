// `strait completions`: what shells need to complete commands and options.

internal import ArgumentParser

struct CompletionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "completions",
        abstract: "Print a completion script for a shell.",
        discussion: """
            EXAMPLES
              strait completions bash > /etc/bash_completion.d/strait
              strait completions zsh  > ~/.zsh/completions/_strait
              strait completions fish > ~/.config/fish/completions/strait.fish
            """)

    enum Shell: String, ExpressibleByArgument, CaseIterable {
        case bash, zsh, fish
    }

    @Argument(help: "bash, zsh or fish.")
    var shell: Shell

    func run() {
        let shell: CompletionShell =
            switch self.shell {
            case .bash: .bash
            case .zsh: .zsh
            case .fish: .fish
            }
        writeOutput(StraitCommand.completionScript(for: shell) + "\n")
    }
}
