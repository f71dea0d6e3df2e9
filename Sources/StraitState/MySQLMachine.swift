// The beginning of a MySQL connection whose TLS ends here, from the server's greeting to the end of
// authentication: who speaks next, under which sequence id, and when TLS comes in.
//
// The greeting is the upstream's own, so that the scramble, and with it every hashed password, goes
// through untouched. Only CLIENT_SSL and the sequence ids differ between the two legs: a leg with
// TLS inside of the protocol has one packet more, the SSLRequest.

package import StraitCore
internal import StraitWire

/// What is known of both legs before the first byte.
package struct MySQLLegs: Hashable, Sendable {
    /// TLS is around all that the downstream says, so that it is not to ask for it.
    package var isWrapped: Bool
    /// TLS is spoken to the upstream.
    package var securesUpstream: Bool
    /// What goes to the upstream can be read on the way.
    package var isExposed: Bool

    /// See the properties.
    package init(isWrapped: Bool, securesUpstream: Bool, isExposed: Bool) {
        self.isWrapped = isWrapped
        self.securesUpstream = securesUpstream
        self.isExposed = isExposed
    }
}

/// What is to be done with what was shown.
///
/// `consumed` bytes of it are dealt with; show what is left, once there is reason to.
package enum MySQLAction: Equatable, Sendable {
    /// Wait for more.
    case needMore
    /// Send this to the other side.
    case pass([UInt8], consumed: Int)
    /// The same; then everything goes through unread, what is left here first.
    case passAndRelay([UInt8], consumed: Int)
    /// Go through TLS with the downstream, to which whatever is left belongs.
    case secureDownstream(consumed: Int)
    /// Send this to the upstream, and go through TLS with it.
    case secureUpstream([UInt8], consumed: Int)
    /// Instead of greeting the upstream has said this error.
    case rejected([UInt8])
    /// No; ``MySQLMachine/errorSequence`` is for the error that says so.
    case refuse(CloseReason)
}

/// Leads one connection through its beginning.
package struct MySQLMachine: Equatable, Sendable {
    private enum State: Equatable {
        /// The upstream's greeting is awaited. Can transition to: request, response, ended.
        case greeting
        /// It went to a downstream that must ask for TLS. Can transition to: securingDownstream,
        /// ended.
        case request
        /// TLS with the downstream is under way. Can transition to: response.
        case securingDownstream
        /// The downstream's HandshakeResponse41 is awaited. Can transition to: securingUpstream,
        /// authentication, ended.
        case response
        /// TLS with the upstream is under way; then it gets this. Can transition to:
        /// authentication, ended.
        case securingUpstream([UInt8])
        /// The upstream speaks; the downstream answers where it was asked. Can transition to:
        /// ended.
        case authentication(mayAnswer: Bool)
        /// Refused, or the relay's. Can transition to: nothing.
        case ended
    }

    /// What the downstream may say without giving its password away; the later, the less.
    private enum Secrecy: UInt8 {
        /// Anything: it is no password, or nobody on the way reads it.
        case kept = 0
        /// The same, until caching_sha2_password asks for the password itself.
        case keptUntilAsked
        /// One byte, which is no password but the wish for a key; then as the one before.
        case nextIsShort
        /// One byte at most: a plugin that sends passwords, or one that is not known.
        case alwaysShort
    }

    private var state = State.greeting
    private let legs: MySQLLegs
    private var downstreamNext: UInt8 = 0
    private var upstreamNext: UInt8 = 0
    private var secrecy = Secrecy.kept

    /// - Parameter legs: What is known of both legs.
    package init(legs: MySQLLegs) { self.legs = legs }

    /// Whether the downstream has been greeted.
    ///
    /// Only then it understands an SQLSTATE.
    package var hasGreeted: Bool { self.downstreamNext > 0 }

    /// The sequence id of an error to the downstream, as things stand.
    package var errorSequence: UInt8 { self.downstreamNext }

    /// Whether bytes of the downstream are wanted now; otherwise they are to wait where they are.
    package var awaitsDownstream: Bool {
        switch self.state {
        case .request, .response: true
        case .authentication(let mayAnswer): mayAnswer
        case .greeting, .securingDownstream, .securingUpstream, .ended: false
        }
    }

    /// Looks at `input`, all that the upstream has sent and that was not consumed.
    package mutating func receivedFromUpstream(_ input: Span<UInt8>) -> MySQLAction {
        switch self.state {
        case .greeting: return self.readGreeting(input)
        case .authentication(let mayAnswer): return self.readAnswer(input, mayAnswer)
        // It has greeted, and was told nothing yet; before TLS it might not even be the upstream.
        case .request, .response: return self.refuse(.upstream, .preludeMalformed)
        case .securingDownstream, .securingUpstream, .ended:
            preconditionFailure("the upstream is not read now; was \(self.state)")
        }
    }

    /// Looks at `input`, all that the downstream has sent and that was not consumed.
    package mutating func receivedFromDownstream(_ input: Span<UInt8>) -> MySQLAction {
        switch self.state {
        case .request: return self.readRequest(input)
        case .response: return self.readResponse(input)
        case .authentication(mayAnswer: true): return self.readReply(input)
        case .greeting, .securingDownstream, .securingUpstream, .authentication, .ended:
            preconditionFailure("the downstream is not read now; was \(self.state)")
        }
    }

    /// TLS with the downstream is up.
    package mutating func downstreamSecured() {
        guard case .securingDownstream = self.state else {
            preconditionFailure("TLS was asked for; was \(self.state)")
        }
        self.state = .response
    }

    /// TLS with the upstream is up.
    package mutating func upstreamSecured() -> MySQLAction {
        guard case .securingUpstream(let response) = self.state else {
            preconditionFailure("TLS was asked for; was \(self.state)")
        }
        return self.authenticate(response, consumed: 0)
    }
}

// MARK: - What the upstream says

extension MySQLMachine {
    private mutating func readGreeting(_ input: Span<UInt8>) -> MySQLAction {
        let packet: MySQLPacket
        switch MySQLPacket.read(input, payloadBytesMax: Limits.mysqlGreetingBytesMax) {
        case .needMore: return .needMore
        case .malformed: return self.refuse(.upstream, .preludeMalformed)
        case .done(let whole): packet = whole
        }
        // It has to wait for an answer: what follows now nobody could tell from what comes in TLS.
        guard packet.sequence == 0, packet.length == input.count, !packet.payload.isEmpty else {
            return self.refuse(.upstream, .preludeMalformed)
        }
        let bytes = Self.copy(input, packet)
        guard MySQLAnswer(input, in: packet.payload) != .error else {
            self.state = .ended
            return .rejected(bytes)
        }
        let greeting: MySQLGreeting
        do throws(ParseError) {
            greeting = try MySQLGreeting(input, in: packet.payload)
        } catch {
            return self.refuse(.upstream, .preludeMalformed)
        }
        guard !self.legs.securesUpstream || greeting.capabilities.contains(.tls) else {
            return self.refuse(.upstream, .upstreamTLSRefused)
        }
        self.downstreamNext = 1
        self.upstreamNext = 1
        self.state = self.legs.isWrapped ? .response : .request
        return .pass(
            greeting.packet(bytes, offersTLS: !self.legs.isWrapped), consumed: packet.length)
    }

    private mutating func readAnswer(_ input: Span<UInt8>, _ mayAnswer: Bool) -> MySQLAction {
        let packet: MySQLPacket
        switch MySQLPacket.read(input, payloadBytesMax: Limits.mysqlAuthenticationBytesMax) {
        case .needMore: return .needMore
        case .malformed: return self.refuse(.upstream, .preludeMalformed)
        case .done(let whole): packet = whole
        }
        let answer = MySQLAnswer(input, in: packet.payload)
        // A server that gives up counts as it likes.
        guard packet.sequence == self.upstreamNext || answer == .error else {
            return self.refuse(.upstream, .preludeMalformed)
        }
        var bytes = Self.copy(input, packet)
        bytes[3] = self.downstreamNext
        self.downstreamNext &+= 1
        self.upstreamNext &+= 1
        switch answer {
        case .done, .error:
            self.state = .ended
            return .passAndRelay(bytes, consumed: packet.length)
        case .plugin(let name):
            let wanted = self.secrecy(of: input.extracting(name))
            // A question that is not answered yet still counts: its answer may come now.
            let isFirst = !mayAnswer || wanted.rawValue > self.secrecy.rawValue
            if isFirst { self.secrecy = wanted }
            self.state = .authentication(mayAnswer: true)
        case .asksForPassword:
            if self.secrecy == .keptUntilAsked { self.secrecy = .nextIsShort }
            self.state = .authentication(mayAnswer: true)
        case .fastSuccess: self.state = .authentication(mayAnswer: mayAnswer)
        case .data: self.state = .authentication(mayAnswer: true)
        }
        return .pass(bytes, consumed: packet.length)
    }
}

// MARK: - What the downstream says

extension MySQLMachine {
    /// The first packet in plain text: it must ask for TLS.
    ///
    /// Nothing else of it is used. What is true of the downstream it says again inside TLS.
    private mutating func readRequest(_ input: Span<UInt8>) -> MySQLAction {
        guard let header = MySQLPacketHeader(input) else { return .needMore }
        let beginning = MySQLPacket.headerBytes + MySQLResponse.beginningBytes
        let isPossible =
            header.sequence == self.downstreamNext
            && header.payloadBytes >= MySQLResponse.beginningBytes
        guard !isPossible || input.count >= beginning else { return .needMore }
        self.downstreamNext &+= 1
        guard isPossible else { return self.refuse(.local, .preludeMalformed) }
        do throws(ParseError) {
            let request = try MySQLResponse(input, in: MySQLPacket.headerBytes..<beginning)
            guard request.capabilities.contains(.tls),
                header.payloadBytes == MySQLResponse.beginningBytes
            else { return self.refuse(.local, .plaintextRefused) }
        } catch {
            return self.refuse(.local, .preludeMalformed)
        }
        self.state = .securingDownstream
        return .secureDownstream(consumed: beginning)
    }

    private mutating func readResponse(_ input: Span<UInt8>) -> MySQLAction {
        guard let packet = self.nextPacket(input) else { return self.afterNoPacket }
        let response: MySQLResponse
        do throws(ParseError) {
            response = try MySQLResponse(input, in: packet.payload)
            // TLS is up: nobody asks for it any more.
            guard !response.isBeginningOnly else { throw .malformed(.length) }
            guard try self.keepsSecret(response, input) else {
                return self.refuse(.local, .passwordInClear)
            }
        } catch {
            return self.refuse(.local, .preludeMalformed)
        }
        var bytes = response.packet(
            Self.copy(input, packet), asksForTLS: self.legs.securesUpstream)
        guard self.legs.securesUpstream else {
            return self.authenticate(bytes, consumed: packet.length)
        }
        // The same capabilities as those that follow: servers take them from either.
        let end = MySQLPacket.headerBytes + MySQLResponse.beginningBytes
        let header = MySQLPacketHeader(
            payloadBytes: MySQLResponse.beginningBytes, sequence: self.upstreamNext)
        let request = header.encoded + bytes[MySQLPacket.headerBytes..<end]
        self.upstreamNext &+= 1
        bytes[3] = self.upstreamNext
        self.state = .securingUpstream(bytes)
        return .secureUpstream(request, consumed: packet.length)
    }

    private mutating func readReply(_ input: Span<UInt8>) -> MySQLAction {
        guard let packet = self.nextPacket(input) else { return self.afterNoPacket }
        guard self.mayGo(packet.payload.count) else {
            return self.refuse(.local, .passwordInClear)
        }
        var bytes = Self.copy(input, packet)
        bytes[3] = self.upstreamNext
        self.upstreamNext &+= 1
        self.state = .authentication(mayAnswer: false)
        return .pass(bytes, consumed: packet.length)
    }

    /// The response goes to the upstream.
    ///
    /// Where both legs count alike, and nothing can be read on the way, nobody has to look on.
    private mutating func authenticate(_ response: [UInt8], consumed: Int) -> MySQLAction {
        var bytes = response
        bytes[3] = self.upstreamNext
        self.upstreamNext &+= 1
        guard self.upstreamNext != self.downstreamNext || self.legs.isExposed else {
            self.state = .ended
            return .passAndRelay(bytes, consumed: consumed)
        }
        self.state = .authentication(mayAnswer: false)
        return .pass(bytes, consumed: consumed)
    }

    /// The packet of the downstream that is whole, counted; nil: there is none, or it is none.
    private mutating func nextPacket(_ input: Span<UInt8>) -> MySQLPacket? {
        switch MySQLPacket.read(input, payloadBytesMax: Limits.mysqlAuthenticationBytesMax) {
        case .needMore: return nil
        case .malformed:
            self.downstreamNext &+= 1
            self.state = .ended
            return nil
        case .done(let packet):
            let isNext = packet.sequence == self.downstreamNext
            self.downstreamNext &+= 1
            if !isNext { self.state = .ended }
            return isNext ? packet : nil
        }
    }

    /// What ``nextPacket(_:)`` means by nil.
    private var afterNoPacket: MySQLAction {
        self.state == .ended ? .refuse(CloseReason(.local, .preludeMalformed)) : .needMore
    }

    private mutating func refuse(
        _ side: CloseReason.Side, _ kind: CloseReason.Kind
    ) -> MySQLAction {
        self.state = .ended
        return .refuse(CloseReason(side, kind))
    }

    private static func copy(_ input: Span<UInt8>, _ packet: MySQLPacket) -> [UInt8] {
        var writer = ByteWriter(capacity: packet.length)
        writer.append(span: input.extracting(0..<packet.length))
        return writer.bytes
    }
}

// MARK: - Passwords

extension MySQLMachine {
    /// Plugins that answer with a hash, a signature or a ticket, and never with the password.
    private static let discreet = [
        "mysql_native_password", "client_ed25519", "parsec", "auth_gssapi_client",
        "authentication_kerberos_client", "authentication_ldap_sasl_client",
        "authentication_webauthn_client", "authentication_fido_client",
    ].map { Array($0.utf8) }

    private static let cachingSHA2 = Array("caching_sha2_password".utf8)
    private static let sha256 = Array("sha256_password".utf8)

    /// Whether an answer of so many bytes may go to the upstream.
    private mutating func mayGo(_ count: Int) -> Bool {
        switch self.secrecy {
        case .kept, .keptUntilAsked: return true
        case .nextIsShort:
            self.secrecy = .keptUntilAsked
            return count <= 1
        case .alwaysShort: return count <= 1
        }
    }

    /// Whether a response may go to the upstream, by the plugin that it names.
    private mutating func keepsSecret(
        _ response: MySQLResponse, _ input: Span<UInt8>
    ) throws(ParseError) -> Bool {
        guard self.legs.isExposed else { return true }
        let credentials = try response.credentials(input)
        guard let plugin = credentials.plugin else { return true }
        self.secrecy = self.secrecy(of: input.extracting(plugin))
        return self.mayGo(credentials.authentication.count)
    }

    private func secrecy(of plugin: Span<UInt8>) -> Secrecy {
        guard self.legs.isExposed, !plugin.isEmpty else { return .kept }
        if Self.isEqual(Self.cachingSHA2, plugin) { return .keptUntilAsked }
        if Self.discreet.contains(where: { Self.isEqual($0, plugin) }) { return .kept }
        return Self.isEqual(Self.sha256, plugin) ? .nextIsShort : .alwaysShort
    }

    private static func isEqual(_ known: [UInt8], _ bytes: Span<UInt8>) -> Bool {
        guard known.count == bytes.count else { return false }
        for index in known.indices where known[index] != bytes[index] { return false }
        return true
    }
}
