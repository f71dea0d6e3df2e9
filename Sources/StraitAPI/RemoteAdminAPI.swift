// The operator API as operators with certificates reach it: TLS ends in the engine, which tells by
// a PROXY header who was verified. The socket lies in a folder that only this user enters, since
// whoever connects is believed what it says of the downstream.

internal import Foundation
internal import Hummingbird
internal import HummingbirdCore
package import Logging
internal import NIOCore
internal import NIOHTTPTypes
internal import ServiceLifecycle
package import StraitControl
internal import StraitCore
internal import StraitWire
internal import Synchronization

/// The operator API behind the operators' listener, until graceful shutdown.
package struct RemoteAdminAPI: Service {
    private let api: AdminAPI
    private let socket: EngineSocket
    private let logger: Logger
    private let certificates = ShownCertificates()

    /// - Parameters:
    ///   - api: What answers operators on this machine; its routes are the same.
    ///   - socket: Where it listens.
    ///   - logger: For the HTTP library, too.
    package init(_ api: AdminAPI, socket: EngineSocket, logger: Logger) {
        self.api = api
        self.socket = socket
        self.logger = logger
    }

    /// Answers until graceful shutdown.
    package func run() async throws {
        var quiet = self.logger
        quiet.logLevel = max(self.logger.logLevel, .warning)
        let (api, certificates, path, logger) =
            (self.api, self.certificates, self.socket.path, self.logger)
        let bounds = api.bounds
        let router = api.router { connection throws(CallerRefusal) in
            guard let der = certificates.certificate(of: connection) else {
                throw CallerRefusal.unknown("no certificate was shown")
            }
            return try await api.control.caller(certificateDER: der)
        }
        let admit = { @Sendable (channel: any Channel, certificate: [UInt8]) in
            guard certificates.keep(certificate, of: channel) else { return false }
            Task {
                // Who is nobody is told so, where it asks at once; and then makes room.
                guard (try? await api.control.caller(certificateDER: certificate)) == nil else {
                    return
                }
                channel.eventLoop.scheduleTask(in: TimeAmount(Limits.adminFarewell)) {
                    channel.close(promise: nil)
                }
            }
            return true
        }
        let application = Application(
            router: router,
            server: HTTPServerBuilder { responder in
                IdentifiedChannel(
                    whole: HTTP1Channel(
                        responder: responder,
                        configuration: .init(
                            additionalChannelHandlers: [ExchangeBounds(bounds)],
                            httpDecoderConfiguration: .init(
                                maxHeaderFieldSize: bounds.headBytes,
                                maxHeaderListSize: bounds.headBytes))),
                    admit: admit, time: bounds.request)
            },
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: path), serverName: "strait",
                availableConnectionsDelegate: .maximum(bounds.connections, logger: quiet)),
            onServerRunning: { channel in
                do {
                    try FileManager.default.setAttributes(
                        [.posixPermissions: 0o600], ofItemAtPath: path)
                } catch {
                    logger.error("admin.https: \(path): \(error)")
                    channel.close(promise: nil)
                }
            }, logger: quiet)
        try await application.runService(gracefulShutdownSignals: [])
    }
}

/// What connections have shown, while they are open: bounded for each certificate, each tenant, and
/// all tenants, so that nobody keeps others out, and operators find room.
private final class ShownCertificates: Sendable {
    private struct Shown {
        var certificate: [UInt8]
        /// Whose administrator it says to be, as a withdrawn one does, too; nil: an operator.
        var tenant: String?
    }

    private let state = Mutex<[ObjectIdentifier: Shown]>([:])

    func certificate(of connection: ObjectIdentifier) -> [UInt8]? {
        self.state.withLock { $0[connection]?.certificate }
    }

    /// False where the certificate, or its tenant, or tenants, have as many connections as they
    /// may: it is closed before it has taken anything from anybody.
    func keep(_ certificate: [UInt8], of channel: any Channel) -> Bool {
        guard let role = Caller.Role.claimed(certificateDER: certificate) else { return false }
        let connection = ObjectIdentifier(channel)
        let isKept = self.state.withLock { state in
            let open = state.values.count { $0.certificate == certificate }
            guard open < Limits.adminConnectionsPerCertificateMax else { return false }
            if let tenant = role.tenant {
                let others = state.values.compactMap(\.tenant)
                guard others.count < Limits.adminConnectionsOfTenantsMax,
                    others.count(where: { $0 == tenant }) < Limits.adminConnectionsPerTenantMax
                else { return false }
            }
            state[connection] = Shown(certificate: certificate, tenant: role.tenant)
            return true
        }
        guard isKept else { return false }
        channel.closeFuture.whenComplete { _ in
            self.state.withLock { _ = $0.removeValue(forKey: connection) }
        }
        return true
    }
}

/// A connection of HTTP/1.1 with a PROXY header before it.
private struct IdentifiedChannel: ServerChildChannel {
    let whole: HTTP1Channel
    /// Whether a connection that shows a certificate may stay.
    let admit: @Sendable (any Channel, [UInt8]) -> Bool
    let time: Duration

    func setup(
        channel: any Channel, logger: Logger
    ) -> EventLoopFuture<HTTP1Channel.Value> {
        let admit = self.admit
        let reader = ProxyHeaderReader(within: self.time) { header, channel in
            guard let facts = header.tlvs.tls, facts.isVerified, !facts.certificate.isEmpty else {
                return false
            }
            return admit(channel, facts.certificate)
        }
        do {
            try channel.pipeline.syncOperations.addHandler(reader)
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
        return self.whole.setup(channel: channel, logger: logger)
    }

    func handle(value: HTTP1Channel.Value, logger: Logger) async {
        await self.whole.handle(value: value, logger: logger)
    }
}
