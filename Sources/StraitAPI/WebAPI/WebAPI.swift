// `/webapi` as a service: it listens on a UNIX socket of this process, which the workers reach.
//
// A socket of its own beside the operators': who comes by a public listener ends here, in a
// responder that holds a read-only view of what is live and no way to the control plane.

internal import Foundation
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
package import StraitControl
internal import StraitCore

/// Answers what tenants' own names are asked over HTTPS, until graceful shutdown.
package struct WebAPI: Service {
    private let responder: WebAPIResponder
    private let socket: EngineSocket
    private let logger: Logger
    private let requestTimeout: Duration
    private let listening = AsyncStream<Void>.makeStream()

    /// - Parameters:
    ///   - directory: What is live.
    ///   - socket: Where it listens.
    ///   - logger: For the HTTP library, too.
    ///   - requestTimeout: For a request, and for its answer.
    package init(
        directory: WebAPIDirectory, socket: EngineSocket, logger: Logger,
        requestTimeout: Duration = Limits.webAPIRequestTimeout
    ) {
        self.responder = WebAPIResponder(directory)
        self.socket = socket
        self.logger = logger
        self.requestTimeout = requestTimeout
    }

    /// Waits until the socket can be connected to, or never will be.
    package func isListening() async { for await _ in self.listening.stream {} }

    /// Answers until graceful shutdown.
    package func run() async throws {
        let listening = self.listening.continuation
        defer { listening.finish() }
        var quiet = self.logger
        quiet.logLevel = max(self.logger.logLevel, .warning)
        // A loop of its own: what strangers ask here does not delay operators.
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        let path = self.socket.path
        let listener = WebAPIChannel(
            responder: self.responder, requestTimeout: self.requestTimeout
        ).server(
            configuration: ServerConfiguration(address: .unixDomainSocket(path: path)),
            onServerRunning: { [logger] channel in
                do {
                    try FileManager.default.setAttributes(
                        [.posixPermissions: 0o600], ofItemAtPath: path)
                } catch {
                    logger.error("webapi: \(path): \(error)")
                    channel.close(promise: nil)
                }
                listening.finish()
            }, eventLoopGroup: group, logger: quiet)
        do {
            try await listener.run()
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        try await group.shutdownGracefully()
    }
}
