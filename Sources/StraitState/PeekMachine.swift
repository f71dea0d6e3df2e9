// What a new downstream wants, read from its first bytes: PROXY header, Postgres prelude,
// ClientHello, banner.
//
// Pure and resumable: it is shown everything that has come and not been consumed, as often as more
// comes, and cutting the input anywhere does not change what it decides. Cost is linear in the
// bytes, however they are cut.

package import StraitCore
package import StraitWire

/// What a listener allows to come first.
package struct PeekRules: Hashable, Sendable {
    /// A PROXY header must come before anything else.
    package var requiresProxyHeader: Bool
    /// A TLS ClientHello may come, RFC 8446 §4.1.2.
    package var allowsTLS: Bool
    /// An SSH banner may come, RFC 4253 §4.2.
    package var allowsSSH: Bool
    /// A plain HTTP request may come; the router answers it itself.
    package var allowsHTTP: Bool
    /// Postgres' requests may come: SSLRequest, GSSENCRequest, CancelRequest, a plain startup.
    package var allowsPostgres: Bool
    /// Bytes are not looked at after the PROXY header.
    package var isRaw: Bool

    /// The rules of one listener; see the properties.
    package init(
        requiresProxyHeader: Bool, allowsTLS: Bool, allowsSSH: Bool, allowsHTTP: Bool,
        allowsPostgres: Bool, isRaw: Bool
    ) {
        self.requiresProxyHeader = requiresProxyHeader
        self.allowsTLS = allowsTLS
        self.allowsSSH = allowsSSH
        self.allowsHTTP = allowsHTTP
        self.allowsPostgres = allowsPostgres
        self.isRaw = isRaw
    }
}

/// What is written to a downstream that is refused before its TLS is up.
package enum PeekReply: Hashable, Sendable {
    case nothing
    case alert(TLSAlert)
    /// Postgres' ErrorResponse: TLS is required here.
    case postgresTLSRequired
}

/// What is to be done after bytes were shown.
package enum PeekAction: Equatable, Sendable {
    /// Wait for more.
    case needMore
    /// The PROXY header is read and consumed; show what is left.
    case proxied(ProxyHeader)
    /// Write one byte, `S` or `N`, and show what is left (nothing, or the connection is refused).
    case answerPostgres(UInt8)
    /// A whole ClientHello stands at ``PeekMachine/consumed``, which the body's place counts from.
    case hello(ClientHello, ClientHelloReader.BodyLocation, afterPostgresRequest: Bool)
    /// An SSH banner begins at ``PeekMachine/consumed``.
    case ssh
    /// A CancelRequest in plain text; the key's range lies in the input.
    case cancel(processID: UInt32, key: Range<Int>)
    /// The head of a plain HTTP request begins at ``PeekMachine/consumed``; nil when it cannot be
    /// read.
    case http(HTTPHead?)
    /// Bytes are not looked at here.
    case raw
    /// No.
    case refuse(CloseReason.Kind, PeekReply)
}

/// Reads the first bytes of one connection.
package struct PeekMachine: Equatable, Sendable {
    private enum State: Equatable {
        /// A PROXY header must come. Can transition to: first.
        case proxyHeader
        /// Anything that the listener allows. Can transition to: hello, http, first (after
        /// GSSENCRequest), done.
        case first
        /// A ClientHello is being read. Can transition to: done.
        case hello(ClientHelloReader, afterPostgresRequest: Bool)
        /// An HTTP head is being read. Can transition to: done.
        case http(HTTPHeadReader)
        /// Decided. Can transition to: nothing.
        case done
    }

    private var state: State
    private let rules: PeekRules
    private var sawGSSENCRequest = false
    private var sawSSLRequest = false

    /// How many bytes of the input are dealt with and belong to nobody further on.
    package private(set) var consumed = 0

    /// The handshake body of a hello that spans records; empty for any other.
    ///
    /// One per machine, because the hellos of many connections come in turns.
    package private(set) var assembledBody: [UInt8] = []

    /// - Parameter rules: What the listener allows.
    package init(rules: PeekRules) {
        self.rules = rules
        self.state = rules.requiresProxyHeader ? .proxyHeader : .first
    }

    /// Whether the downstream has said nothing of its own in `count` bytes.
    ///
    /// What a PROXY header says, its sender has said; where one is required, nothing may go on
    /// before it.
    package func isSilent(after count: Int) -> Bool {
        guard case .first = self.state, !self.sawSSLRequest, !self.sawGSSENCRequest else {
            return false
        }
        return count == self.consumed
    }

    /// Looks at `input`, all bytes since the connection began.
    package mutating func received(_ input: Span<UInt8>) -> PeekAction {
        switch self.state {
        case .proxyHeader: return self.readProxyHeader(input)
        case .first: return self.readFirst(input)
        case .hello(let reader, let afterRequest):
            return self.readHello(input, reader, afterRequest)
        case .http(let reader): return self.readHTTP(input, reader)
        case .done: preconditionFailure("bytes are shown until the decision; it was made")
        }
    }

    private mutating func readProxyHeader(_ input: Span<UInt8>) -> PeekAction {
        switch ProxyHeader.read(input) {
        case .needMore: return .needMore
        case .absent: return self.refuse(.proxyHeaderMissing)
        case .malformed: return self.refuse(.proxyHeaderMalformed)
        case .done(let header, let length):
            self.consumed = length
            self.state = .first
            return .proxied(header)
        }
    }

    private mutating func readFirst(_ input: Span<UInt8>) -> PeekAction {
        if self.rules.isRaw {
            self.state = .done
            return .raw
        }
        let rest = input.extracting(self.consumed..<input.count)
        guard !rest.isEmpty else { return .needMore }
        let kind = FirstBytes(rest)
        if self.sawSSLRequest {
            // 'S' was said: only TLS may follow.
            guard rest[0] == 0x16 else { return self.refuse(.preludeMalformed) }
        }
        switch kind {
        case .needMore: return .needMore
        case .tls:
            guard self.rules.allowsTLS || self.sawSSLRequest else {
                return self.refuse(.protocolNotAllowed)
            }
            return self.readHello(input, ClientHelloReader(), self.sawSSLRequest)
        case .sslv2:
            guard self.rules.allowsTLS else { return self.refuse(.protocolNotAllowed) }
            return self.refuse(.tlsVersionUnsupported, .alert(.protocolVersion))
        case .ssh:
            guard self.rules.allowsSSH else { return self.refuse(.protocolNotAllowed) }
            self.state = .done
            return .ssh
        case .http, .http2:
            guard self.rules.allowsHTTP || self.rules.allowsTLS else {
                return self.refuse(.protocolNotAllowed)
            }
            guard kind == .http else { return self.refuse(.plaintextRefused) }
            return self.readHTTP(input, HTTPHeadReader())
        case .postgresSSLRequest, .postgresGSSENCRequest, .postgresCancel, .postgresStartup:
            guard self.rules.allowsPostgres else { return self.refuse(.protocolNotAllowed) }
            return self.readPostgres(input, kind)
        case .unknown: return self.refuse(.protocolUnknown)
        }
    }

    private mutating func readPostgres(_ input: Span<UInt8>, _ kind: FirstBytes) -> PeekAction {
        switch kind {
        case .postgresSSLRequest:
            // Bytes behind the request would have been sent in plain text into TLS
            // (CVE-2021-23214).
            guard input.count == self.consumed + 8 else { return self.refuse(.preludeMalformed) }
            self.consumed += 8
            self.sawSSLRequest = true
            return .answerPostgres(UInt8(ascii: "S"))
        case .postgresGSSENCRequest:
            guard !self.sawGSSENCRequest, input.count == self.consumed + 8 else {
                return self.refuse(.preludeMalformed)
            }
            self.consumed += 8
            self.sawGSSENCRequest = true
            return .answerPostgres(UInt8(ascii: "N"))
        case .postgresCancel:
            let rest = input.extracting(self.consumed..<input.count)
            switch PostgresPrelude.startupOutcome(rest) {
            case .needMore: return .needMore
            case .malformed: return self.refuse(.preludeMalformed)
            case .done(let startup):
                guard case .cancel(let processID, let key) = startup.kind else {
                    return self.refuse(.preludeMalformed)
                }
                self.state = .done
                let inInput = key.lowerBound + self.consumed..<key.upperBound + self.consumed
                return .cancel(processID: processID, key: inInput)
            }
        default: return self.refuse(.plaintextRefused, .postgresTLSRequired)
        }
    }

    private mutating func readHello(
        _ input: Span<UInt8>, _ reader: ClientHelloReader, _ afterRequest: Bool
    ) -> PeekAction {
        var reader = reader
        let rest = input.extracting(self.consumed..<input.count)
        switch reader.read(rest, assembledInto: &self.assembledBody) {
        case .needMore:
            self.state = .hello(reader, afterPostgresRequest: afterRequest)
            return .needMore
        case .malformed(let problem):
            let kind: CloseReason.Kind =
                problem == .tooLarge
                ? .helloTooLarge
                : problem.alert == .protocolVersion ? .tlsVersionUnsupported : .helloMalformed
            return self.refuse(kind, .alert(problem.alert))
        case .done(let hello):
            self.state = .done
            return .hello(hello, reader.bodyLocation, afterPostgresRequest: afterRequest)
        }
    }

    private mutating func readHTTP(_ input: Span<UInt8>, _ reader: HTTPHeadReader) -> PeekAction {
        var reader = reader
        switch reader.read(input.extracting(self.consumed..<input.count)) {
        case .needMore:
            self.state = .http(reader)
            return .needMore
        case .malformed:
            self.state = .done
            return .http(nil)
        case .done(let head):
            self.state = .done
            return .http(head)
        }
    }

    private mutating func refuse(
        _ kind: CloseReason.Kind, _ reply: PeekReply = .nothing
    ) -> PeekAction {
        self.state = .done
        return .refuse(kind, reply)
    }
}
