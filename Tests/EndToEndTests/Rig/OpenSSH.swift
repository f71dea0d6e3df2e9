// A real OpenSSH server with keys of its own, and the command lines that reach it.

import Foundation

/// An sshd on the loopback interface, both families, one port.
struct OpenSSH: Sendable {
    let daemon: Daemon
    let port: Int
    let directory: String
    private let shell: Shell

    /// Starts one; its name is that of its folder below the shell's.
    static func start(_ name: String = "ssh", in shell: Shell) async throws -> OpenSSH {
        let directory = "\(shell.directory)/\(name)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true)
        for key in ["host_key", "user_key"] {
            try await shell.must([
                "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "\(directory)/\(key)",
            ])
        }
        let port = try Loopback.freePort()
        if getuid() == 0 { try await shell.must(["mkdir", "-p", "/run/sshd"]) }
        try """
        ListenAddress 127.0.0.1:\(port)
        ListenAddress [::1]:\(port)
        HostKey \(directory)/host_key
        AuthorizedKeysFile \(directory)/user_key.pub
        PidFile none
        StrictModes no
        UsePAM \(getuid() == 0 ? "yes" : "no")
        PasswordAuthentication no
        PermitRootLogin prohibit-password
        PrintMotd no
        MaxStartups 100
        Subsystem sftp internal-sftp
        """.write(toFile: "\(directory)/sshd_config", atomically: true, encoding: .utf8)
        let daemon = try Daemon.start(
            "\(name)d", ["/usr/sbin/sshd", "-D", "-e", "-f", "\(directory)/sshd_config"], in: shell)
        let rig = OpenSSH(daemon: daemon, port: port, directory: directory, shell: shell)
        try await daemon.ready("listens") {
            Loopback.answers(.ipv4, port) && Loopback.answers(.ipv6, port)
        }
        return rig
    }

    /// Writes an ssh_config in which the host `target` is reached in the given way.
    ///
    /// - Returns: Its path, for `-F`.
    func configuration(_ name: String, reach: Reach) throws -> String {
        let path = "\(self.directory)/\(name).config"
        let way: String
        switch reach {
        case .address(let family, let port):
            way = "HostName \(family.address)\n    Port \(port)"
        case .proxyCommand(let command):
            way = "HostName target\n    ProxyCommand \(command)"
        }
        try """
        Host target
            \(way)
            User \(NSUserName())
            IdentityFile \(self.directory)/user_key
            IdentitiesOnly yes
            StrictHostKeyChecking no
            UserKnownHostsFile /dev/null
            GlobalKnownHostsFile /dev/null
            LogLevel ERROR
            BatchMode yes
            ConnectTimeout 20
        """.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    /// How an ssh program gets to the server.
    enum Reach: Sendable {
        case address(Family, Int)
        case proxyCommand(String)
    }
}
