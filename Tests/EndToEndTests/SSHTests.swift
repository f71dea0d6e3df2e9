// ssh, scp, sftp, rsync and git, as they are, through every mode on both families.

import Testing

/// A way to the sshd: around the router, raw through it, or inside TLS.
enum SSHWay: Sendable, CustomTestStringConvertible {
    case direct
    case raw(Family)
    case rawOnShared(Family)
    case tls(Mode, Family)

    static let routed: [SSHWay] =
        Family.allCases.flatMap { family in
            [.raw(family), .rawOnShared(family)] + Mode.allCases.map { .tls($0, family) }
        }

    var testDescription: String {
        switch self {
        case .direct: "direct"
        case .raw(let family): "raw, own port, \(family)"
        case .rawOnShared(let family): "raw, shared port, \(family)"
        case .tls(let mode, let family): "\(mode.rawValue), \(family)"
        }
    }

    /// Writes the ssh_config of this way.
    func configuration(_ rig: Rig) throws -> String {
        switch self {
        case .direct:
            return try rig.openSSH.configuration(
                "direct", reach: .address(.ipv4, rig.openSSH.port))
        case .raw(let family):
            return try rig.openSSH.configuration(
                "raw-\(family)", reach: .address(family, rig.ports.ssh))
        case .rawOnShared(let family):
            return try rig.openSSH.configuration(
                "shared-\(family)", reach: .address(family, rig.ports.shared))
        case .tls(let mode, let family):
            return try rig.openSSH.configuration(
                "tls-\(mode.rawValue.prefix(4))\(mode.rawValue.count)-\(family)",
                reach: .proxyCommand(rig.connectCommand(to: Names.ssh(mode), mode, family)))
        }
    }
}

extension Rig {
    /// `strait connect` as a ProxyCommand.
    func connectCommand(to host: String, _ mode: Mode, _ family: Family) -> String {
        var words = [
            "'\(Programs.strait)'", "connect", host, "--router",
            "'\(family.bracketed):\(self.ports.shared)'", "--ca",
            "'\(self.certificates.hostAuthority)'",
        ]
        if mode == .terminateWithCertificate {
            let alice = self.certificates.alice
            words += ["--certificate", "'\(alice.certificate)'", "--key", "'\(alice.key)'"]
        }
        return words.joined(separator: " ")
    }
}

extension EndToEnd {
    @Suite("SSH") struct SSHTests {
        @Test("the rig itself: sshd answers when it is asked directly")
        func baseline() async throws {
            let rig = try EndToEnd.rig()
            let config = try SSHWay.direct.configuration(rig)
            let output = try await rig.shell.must(["ssh", "-F", config, "target", "echo hello"])
            #expect(output.trimmed == "hello")
        }

        @Test(
            "commands answer, and end when their input ends", .timeLimit(.minutes(2)),
            arguments: SSHWay.routed)
        func commands(_ way: SSHWay) async throws {
            let rig = try EndToEnd.rig()
            let config = try way.configuration(rig)
            let echo = try await rig.shell.must([
                "ssh", "-F", config, "target", "echo hello; exit 7 | true",
            ])
            #expect(echo.trimmed == "hello")
            let status = try await rig.shell.run(["ssh", "-F", config, "target", "exit 7"])
            #expect(status.status == 7)
            // `sort` answers only after end of file has travelled through the router.
            let sorted = try await rig.shell.must(
                ["ssh", "-F", config, "target", "sort"], input: .text("b\na\n"))
            #expect(sorted.text == "a\nb\n")
        }

        @Test(
            "large streams arrive whole, both ways", .timeLimit(.minutes(5)),
            arguments: [SSHWay.direct] + SSHWay.routed)
        func streams(_ way: SSHWay) async throws {
            let rig = try EndToEnd.rig()
            let config = try way.configuration(rig)
            let down = try await rig.shell.bash(
                "ssh -F '\(config)' target cat '\(rig.blob)' | sha256sum", seconds: 200)
            #expect(down.text.hasPrefix(rig.blobHash), "\(down)")
            let up = try await rig.shell.bash(
                "ssh -F '\(config)' target sha256sum < '\(rig.blob)'", seconds: 200)
            #expect(up.text.hasPrefix(rig.blobHash), "\(up)")
        }

        @Test(
            "scp, sftp, rsync and git move files intact", .timeLimit(.minutes(5)),
            arguments: [SSHWay.direct] + SSHWay.routed)
        func files(_ way: SSHWay) async throws {
            let rig = try EndToEnd.rig()
            let config = try way.configuration(rig)
            let work = "\(rig.shell.directory)/files"
            let script = """
                rm -rf '\(work)' && mkdir -p '\(work)/far' && cd '\(work)'
                scp -q -F '\(config)' '\(rig.blob)' target:'\(work)/far/scp'
                scp -q -F '\(config)' target:'\(work)/far/scp' scp.back
                printf 'put %s far/sftp\\nget far/sftp sftp.back\\n' '\(rig.blob)' > batch
                sed -i "s# far/# \(work)/far/#" batch
                sftp -q -F '\(config)' -b batch target > /dev/null
                rsync -e "ssh -F '\(config)'" '\(rig.blob)' target:'\(work)/far/rsync'
                rsync -e "ssh -F '\(config)'" target:'\(work)/far/rsync' rsync.back
                sha256sum scp.back sftp.back rsync.back
                """
            let output = try await rig.shell.bash(script, seconds: 250)
            let hashes = output.text.split(separator: "\n").map { String($0.prefix(64)) }
            #expect(hashes == Array(repeating: rig.blobHash, count: 3), "\(output)")
            let git = try await rig.shell.bash(Self.gitScript(work, config), seconds: 200)
            #expect(git.succeeded && git.text.contains("second"), "\(git)")
        }

        /// Clones, commits, pushes and clones again.
        private static func gitScript(_ work: String, _ config: String) -> String {
            """
            cd '\(work)'
            export GIT_SSH_COMMAND="ssh -F '\(config)'"
            export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.email GIT_CONFIG_VALUE_0=a@acme.test
            export GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=Alice
            git init -q -b main --bare far/repo.git
            git init -q -b main first
            cd first
            head -c 300000 /dev/urandom | base64 > data
            git add data && git commit -q -m first
            git push -q target:'\(work)/far/repo.git' main
            cd .. && git clone -q target:'\(work)/far/repo.git' again && cd again
            cmp data ../first/data
            git commit -q --allow-empty -m second && git push -q origin main
            git -C ../far/repo.git log --format=%s
            """
        }
    }
}
