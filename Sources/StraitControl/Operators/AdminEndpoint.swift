// Where a router's operators are answered, and as whom one asks.

internal import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitTLS

/// Where the operator API is asked.
package enum AdminEndpoint: Sendable, CustomStringConvertible {
    /// The socket of a router on this machine.
    case unix(path: String)
    /// The operators' listener of a router.
    case https(host: String, port: UInt16, AdminIdentity)

    /// The port where none is named.
    package static let defaultPort: UInt16 = 3025

    /// Host and port of `https://HOST[:PORT]`; nil where that is something else.
    package static func parse(_ text: String) -> (host: String, port: UInt16)? {
        guard text.hasPrefix("https://") else { return nil }
        var rest = text.dropFirst(8)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
            let host = String(rest[rest.index(after: rest.startIndex)..<end])
            guard IPAddress(host) != nil else { return nil }
            return Self.with(rest[rest.index(after: end)...], host)
        }
        let host = String(rest.prefix { $0 != ":" })
        guard IPAddress(host) != nil || HostName(host) != nil else { return nil }
        return Self.with(rest.dropFirst(host.count), host)
    }

    private static func with(_ port: Substring, _ host: String) -> (String, UInt16)? {
        guard !port.isEmpty else { return (host, Self.defaultPort) }
        guard port.hasPrefix(":"), let number = UInt16(port.dropFirst()), number > 0 else {
            return nil
        }
        return (host, number)
    }

    /// As `--admin` has it.
    package var description: String {
        switch self {
        case .unix(let path): path
        case .https(let host, let port, _):
            host.contains(":") ? "https://[\(host)]:\(port)" : "https://\(host):\(port)"
        }
    }

    /// As whom one asks there, for people.
    package var identity: String {
        switch self {
        case .unix: "operator (whoever may open the socket)"
        case .https(_, _, let identity): identity.description
        }
    }
}

/// Who asks by TLS: a certificate, its key, and whom it trusts.
package struct AdminIdentity: Sendable, CustomStringConvertible {
    fileprivate let file: IdentityFile

    /// Why a file is no identity: a sentence.
    package struct Unusable: Error, Sendable, CustomStringConvertible {
        /// Without a full stop.
        package let description: String
    }

    /// Reads what `strait operator issue` writes.
    package init(pem: [UInt8]) throws(Unusable) {
        do throws(IdentityError) {
            self.file = try IdentityFile(pem: SecretBytes(pem))
        } catch {
            throw Unusable(description: "\(error)")
        }
    }

    /// `anna (strait://edge.example.com/operator)`.
    package var description: String { self.file.identity.description }
}

/// A connection to the operator API that waits for each step.
package struct AdminStream: ~Copyable {
    private let stream: BlockingStream
    private var secure: SecureEnds?

    /// Connects, by TLS where the endpoint says so.
    ///
    /// - Throws: ``AdminRequest/Failure``.
    package init(
        _ endpoint: AdminEndpoint, timeoutMilliseconds: Int32
    ) throws(AdminRequest.Failure) {
        switch endpoint {
        case .unix(let path):
            guard let address = SocketAddress("unix:" + path) else {
                throw .noAnswer(.nameTooLong(path))
            }
            do throws(PosixError) {
                self.stream = try BlockingStream(
                    connectingTo: address, timeoutMilliseconds: timeoutMilliseconds)
            } catch {
                throw .noAnswer(error)
            }
            self.secure = nil
        case .https(let host, let port, let identity):
            let stream = try Self.connected(host, port, timeoutMilliseconds)
            var secure = try SecureEnds(host, identity)
            try secure.handshake(stream)
            self.stream = stream
            self.secure = consume secure
        }
    }

    /// The first of the host's addresses that answers.
    private static func connected(
        _ host: String, _ port: UInt16, _ milliseconds: Int32
    ) throws(AdminRequest.Failure) -> BlockingStream {
        let addresses: [IPAddress]
        do throws(ResolutionError) {
            addresses = try resolveAddresses(host: host)
        } catch {
            throw .notSecured("\(host): \(error.description)")
        }
        var failure = AdminRequest.Failure.notSecured("\(host) has no address")
        for address in addresses {
            do throws(PosixError) {
                return try BlockingStream(
                    connectingTo: .ip(address, port: port), timeoutMilliseconds: milliseconds)
            } catch {
                failure = .noAnswer(error)
            }
        }
        throw failure
    }

    /// Sends all of `bytes`.
    package mutating func send(_ bytes: [UInt8]) throws(AdminRequest.Failure) {
        guard self.secure != nil else {
            do throws(PosixError) { try self.stream.send(bytes) } catch { throw .noAnswer(error) }
            return
        }
        try self.secure?.send(bytes, self.stream)
    }

    /// Receives what has come, at most `bytesMax` bytes; nothing at the end.
    package mutating func receive(bytesMax: Int) throws(AdminRequest.Failure) -> [UInt8] {
        guard self.secure != nil else {
            do throws(PosixError) {
                return try self.stream.receive(bytesMax: bytesMax)
            } catch {
                throw .noAnswer(error)
            }
        }
        return try self.secure?.receive(bytesMax: bytesMax, self.stream) ?? []
    }

    /// Says that nothing more will be sent or read.
    package mutating func end() { self.secure?.end(self.stream) }
}

/// TLS over a stream that waits.
private struct SecureEnds: ~Copyable {
    private var tls: TLSSession
    private var channel: TLSChannel

    init(_ host: String, _ identity: AdminIdentity) throws(AdminRequest.Failure) {
        do throws(TLSSetupError) {
            let channel = try TLSChannel()
            let context = try TLSContext(
                client: TLSClientSettings(
                    authoritiesPEM: identity.file.authoritiesPEM,
                    chainPEM: identity.file.certificatePEM,
                    keyPEM: identity.file.keyPEM.revealed))
            let isAddress = IPAddress(host) != nil
            self.tls = try TLSSession(
                clientContext: context, serverName: isAddress ? nil : host,
                verifyName: isAddress ? nil : host, verifyAddress: isAddress ? host : nil,
                applicationProtocols: [ApplicationProtocol.http11.bytes], channel: channel)
            self.channel = channel
        } catch {
            throw .notSecured(error.message)
        }
    }

    mutating func handshake(_ stream: borrowing BlockingStream) throws(AdminRequest.Failure) {
        while true {
            let step: TLSStep
            do throws(TLSFailure) {
                step = try self.tls.handshake(
                    descriptor: stream.descriptor, channel: &self.channel)
            } catch {
                throw .notSecured(error.words)
            }
            guard step != .done else { return }
            try Self.wait(stream, forWriting: step == .wantsWrite)
        }
    }

    mutating func send(
        _ bytes: [UInt8], _ stream: borrowing BlockingStream
    ) throws(AdminRequest.Failure) {
        do throws(TLSFailure) {
            _ = try self.tls.write(
                bytes.span, descriptor: stream.descriptor, channel: &self.channel)
        } catch {
            throw .notSecured(error.words)
        }
        while true {
            let step: TLSStep
            do throws(TLSFailure) {
                step = try self.tls.flush(
                    descriptor: stream.descriptor, channel: &self.channel)
            } catch {
                throw .notSecured(error.words)
            }
            guard step != .done else { return }
            try Self.wait(stream, forWriting: true)
        }
    }

    mutating func receive(
        bytesMax: Int, _ stream: borrowing BlockingStream
    ) throws(AdminRequest.Failure) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: bytesMax)
        while true {
            let outcome: TLSReadOutcome
            do throws(TLSFailure) {
                var room = buffer.mutableSpan
                outcome = try self.tls.read(
                    into: &room, descriptor: stream.descriptor, channel: &self.channel)
            } catch {
                throw .notSecured(error.words)
            }
            switch outcome {
            case .bytes(let count): return Array(buffer.prefix(count))
            case .closeNotify: return []
            case .truncated: throw .notSecured("the connection was cut")
            case .wantsRead: try Self.wait(stream, forWriting: false)
            }
        }
    }

    mutating func end(_ stream: borrowing BlockingStream) {
        do throws(TLSFailure) {
            _ = try self.tls.sendCloseNotify(
                descriptor: stream.descriptor, channel: &self.channel)
        } catch {
            return  // the other side has gone: it needs no goodbye
        }
    }

    private static func wait(
        _ stream: borrowing BlockingStream, forWriting: Bool
    ) throws(AdminRequest.Failure) {
        do throws(PosixError) {
            try stream.wait(forWriting: forWriting)
        } catch {
            throw .noAnswer(error)
        }
    }
}

extension TLSFailure {
    /// For people.
    fileprivate var words: String {
        switch self {
        case .reset: "the connection was reset"
        case .closedEarly: "the connection was closed within the handshake"
        case .socket(let number): "errno \(number)"
        case .peerAlert(let alert):
            "the router does not take the certificate, or TLS as it was offered (alert \(alert))"
        case .sentAlert(_, let kind), .failed(let kind):
            switch kind {
            case .upstreamVerify(let text): "the router's certificate is not good: \(text)"
            case .malformed(let text), .other(let text), .certificateRejected(let text): text
            case .versionUnsupported, .noApplicationProtocol, .noSharedCipher,
                .certificateMissing, .certificateExpired:
                "\(kind)"
            }
        }
    }
}
