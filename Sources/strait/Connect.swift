// `strait connect`: a ProxyCommand, or a local port, that leads through a router.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import Synchronization
internal import UnixSignals

struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract:
            "Reach a service through a router: on standard input and output, or a local port.",
        discussion: """
            EXAMPLES
              ssh -o ProxyCommand='strait connect %h' shell.acme.example.com
              strait connect --router 192.0.2.1:443 --ca ca.pem shell.acme.example.com
              strait connect --listen 127.0.0.1:3306 --service-protocol mysql shop.acme.test
            """)

    @Argument(help: "The service's host name.")
    var host: String

    @Option(help: "The router, HOST or HOST:PORT. Else the service's own host name, port 443.")
    var router: String?

    @Option(help: "PEM file of the authorities that may have signed the certificate, or system.")
    var ca: String = "system"

    @Option(help: "PEM file of our own certificate.", completion: .file())
    var certificate: String?

    @Option(help: "PEM file of its key.", completion: .file())
    var key: String?

    @Option(help: "ALPN to ask with; else that of the service's protocol.")
    var alpn: String?

    @Option(help: "The service's protocol: ssh, postgres, mysql, kubernetes, web or tcp.")
    var serviceProtocol: ServiceProtocol = .ssh

    @Option(
        help: "A local ADDRESS:PORT or unix:/PATH to listen on, not standard input and output.")
    var listen: String?

    func validate() throws {
        guard (self.certificate == nil) == (self.key == nil) else {
            throw ValidationError("--certificate and --key go together")
        }
        if let listen = self.listen {
            guard SocketAddress(listen) != nil else {
                throw ValidationError(
                    "--listen wants ADDRESS:PORT, such as 127.0.0.1:3306, or unix:/PATH")
            }
        }
        if let alpn = self.alpn {
            guard ApplicationProtocol(bytes: Array(alpn.utf8)) != nil else {
                throw ValidationError("--alpn wants 1 to 255 bytes")
            }
        }
    }

    func run() async throws {
        if let address = self.listen.flatMap({ SocketAddress($0) }) {
            try await self.serve(address)
            return
        }
        // ssh hangs its ProxyCommand up as soon as it has read its end, or is done: we still have
        // to say why, and to end TLS as it should end. So a hang-up only sets a limit.
        let signals = await UnixSignalsSequence(trapping: .sighup)
        // A socket in a folder that only we can enter: no other user can slip in between.
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("strait-connect-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: false,
            attributes: [.posixPermissions: 0o700])
        defer { removeQuietly(folder) }
        let plan = try self.plan(listen: .unix(path: folder + "/s"))
        let running = try await RunningConnect(plan)
        let hangUp = Task {
            for await _ in signals { break }
            try await Task.sleep(for: Self.graceAfterHangUp)
            await running.giveUp()
        }
        let hasBytes: Bool
        do throws(PosixError) {
            let stream = try BlockingStream(connectingTo: plan.listen, timeoutMilliseconds: 5000)
            removeQuietly(folder)
            hasBytes = try await running.join(stream)
        } catch {
            await running.stop()
            throw CommandFailure(.refused, "\(error)")
        }
        hangUp.cancel()
        await running.stop()
        let silence = hasBytes ? nil : ConnectFailure.silence(host: self.host)
        if let failure = running.failure ?? silence {
            throw CommandFailure(failure.status, failure.message)
        }
    }

    /// How long the router has to end its side after ssh has hung up.
    private static let graceAfterHangUp = Duration.seconds(2)

    /// Listens until a signal.
    private func serve(_ address: SocketAddress) async throws {
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
        let socket = try PrivateSocket(address)
        let running = try await RunningConnect(try self.plan(listen: socket.bound)) {
            writeError("strait: \($0.message)\n")
        }
        try socket.publish()
        defer { socket.remove() }
        let shown = socket.path == nil ? running.address ?? address : address
        writeError("strait: \(shown) leads to \(self.host); Ctrl-C ends it\n")
        for await _ in signals { break }
        await running.stop()
    }

    private func plan(listen: SocketAddress) throws -> ConnectPlan {
        let (name, port) = try Self.split(self.router ?? self.host)
        let addresses: [IPAddress]
        do throws(ResolutionError) {
            addresses = try resolveAddresses(host: name)
        } catch {
            throw CommandFailure(
                .unreachable, "\(name): \(error.description); --router names the router's address")
        }
        let (authorities, certificate) = try self.files()
        let chosen = self.alpn.flatMap { ApplicationProtocol(bytes: Array($0.utf8)) }
        return ConnectPlan(
            host: self.host, routers: addresses.map { .ip($0, port: port) },
            applicationProtocol: chosen ?? self.serviceProtocol.wrapped,
            authoritiesPEM: authorities, certificate: certificate, listen: listen)
    }

    /// What the options name, read and checked: a problem names its file.
    private func files() throws -> (
        authorities: [UInt8]?, certificate: (chainPEM: [UInt8], keyPEM: [UInt8])?
    ) {
        let authorities = self.ca == "system" ? nil : try Self.read(self.ca)
        let chain = try self.certificate.map(Self.read)
        let key = try self.key.map(Self.read)
        do throws(FileError) {
            if let authorities {
                try ConnectPlan.check(authoritiesPEM: authorities, path: self.ca)
            }
            guard let chain, let key else { return (authorities, nil) }
            try ConnectPlan.check(
                certificate: (chain, key), chainPath: self.certificate ?? "",
                keyPath: self.key ?? "")
            return (authorities, (chain, key))
        } catch {
            throw CommandFailure(.refused, error.description)
        }
    }

    private static func read(_ path: String) throws -> [UInt8] {
        var files = FileContents()
        do throws(FileError) {
            return try files.read(path)
        } catch {
            throw CommandFailure(.refused, "\(path): \(error.description)")
        }
    }

    /// `host`, `host:port`, `[v6]:port`; the port is 443 where none is given.
    static func split(_ text: String) throws -> (host: String, port: UInt16) {
        if case .ip(let address, let port)? = SocketAddress(text) { return ("\(address)", port) }
        if IPAddress(text) != nil { return (text, 443) }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, parts.count <= 2, !host.isEmpty else {
            throw CommandFailure(.usage, "\"\(text)\" is no HOST or HOST:PORT")
        }
        guard parts.count == 2 else { return (String(host), 443) }
        guard let port = UInt16(parts[1]), port > 0 else {
            throw CommandFailure(.usage, "\"\(parts[1])\" is no port")
        }
        return (String(host), port)
    }
}

extension ServiceProtocol: ExpressibleByArgument {
    /// The ALPN identifier by which a router knows the protocol inside.
    fileprivate var wrapped: ApplicationProtocol {
        switch self {
        case .ssh: .straitSSH
        case .postgres: .straitPostgres
        case .mysql: .straitMySQL
        case .tcp: .straitTCP
        case .web, .kubernetes: .http11
        }
    }
}
