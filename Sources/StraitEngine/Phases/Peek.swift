// Peek: first bytes, PROXY header, Postgres prelude and ClientHello, until it is known what came.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitWire

extension Worker {
    /// Reads what has come and asks the machine, until it decides or needs more.
    mutating func peek(_ index: Int) {
        let connection = self.connections.reference(index)
        while connection.value.phase == .peek, connection.value.downstream.isReadable {
            switch self.buffer.receive(connection.value.downstream.socket.number) {
            case .wouldBlock: connection.value.downstream.isReadable = false
            case .end:
                self.close(index, CloseReason(.downstream, .closedEarly))
                return
            case .broken:
                self.close(index, CloseReason(.downstream, .reset))
                return
            case .bytes(let count):
                // A FIN that was announced with these bytes is not announced again.
                connection.value.downstream.isReadable =
                    count == self.buffer.count || connection.value.downstream.sawReadStop
                self.keepPeeked(index, count)
                self.decide(index)
            }
        }
        guard connection.value.phase == .peek else { return }
        if !self.register(index, .downstream, writable: false) {
            self.close(index, CloseReason(.local, .internalError))
        }
    }

    private mutating func keepPeeked(_ index: Int, _ count: Int) {
        let connection = self.connections.reference(index)
        if connection.value.milestones.firstByte == .zero {
            connection.value.milestones.firstByte = self.now
        }
        // The first bytes at all, or the first behind what was consumed.
        if connection.value.replay.count == connection.value.peek?.machine.consumed {
            self.setDeadline(index, self.helloDeadline(index))
        }
        if connection.value.replay.isEmpty {
            connection.value.replay = self.buffer.copy(0..<count)
        } else {
            connection.value.replay += self.buffer.copy(0..<count)
        }
    }

    private func helloDeadline(_ index: Int) -> Instant {
        let timeouts = self.snapshot?.timeouts ?? Timeouts()
        let accepted = self.connections.reference(index).value.milestones.accepted
        return accepted.advanced(byNanoseconds: timeouts.hello)
    }

    /// Shows the machine everything until it wants more or has decided.
    private mutating func decide(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.replay.count <= Limits.peekBytesMax + Limits.receiveBufferBytes
        else {
            self.refuse(index, .helloTooLarge, .alert(.decodeError))
            return
        }
        while connection.value.phase == .peek {
            let bytes = connection.value.replay
            guard let action = connection.value.peek?.machine.received(bytes.span) else { return }
            guard self.perform(index, action, bytes) else { return }
        }
    }

    /// False: the machine waits for more.
    private mutating func perform(
        _ index: Int, _ action: PeekAction, _ bytes: [UInt8]
    ) -> Bool {
        let connection = self.connections.reference(index)
        switch action {
        case .needMore: return false
        case .proxied(let header): self.proxied(index, header)
        case .answerPostgres(let byte):
            let answer = [byte]
            guard
                case .bytes = TransferBuffer.send(
                    connection.value.downstream.socket.number, answer.span)
            else {
                self.close(index, CloseReason(.downstream, .reset))
                return false
            }
            connection.value.arrivedByPostgresRequest = byte == UInt8(ascii: "S")
        case .hello(let hello, let location, let afterRequest):
            self.routeHello(index, hello, location, afterRequest)
        case .ssh:
            self.dropConsumed(index)
            self.route(index, .ssh, name: nil, offered: [])
        case .raw:
            self.dropConsumed(index)
            self.route(index, .unread, name: nil, offered: [])
        case .cancel(let processID, let key):
            self.cancelRequested(index, processID, Array(bytes[key]))
        case .http(let head):
            self.dropConsumed(index)
            self.answerHTTP(index, head)
        case .refuse(let kind, let reply): self.refuse(index, kind, reply)
        }
        return true
    }

    /// What the machine has dealt with is nobody's any more; the rest is replayed.
    private func dropConsumed(_ index: Int) {
        let connection = self.connections.reference(index)
        let consumed = connection.value.peek?.machine.consumed ?? 0
        if consumed > 0 { connection.value.replay.removeFirst(consumed) }
        connection.value.peek = nil
    }

    private mutating func proxied(_ index: Int, _ header: ProxyHeader) {
        let connection = self.connections.reference(index)
        guard let plan = self.listeners[connection.value.listener]?.plan,
            case .required(let trusted) = plan.proxyHeader
        else {
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        // A UNIX socket's peer has no address; the socket's own permissions are its trust.
        if let peer = connection.value.peerAddress?.address,
            !trusted.contains(where: { $0.contains(peer) })
        {
            self.refuse(index, .proxySourceUntrusted, .nothing)
            return
        }
        if let first = plan.serverFirst,
            connection.value.replay.count == connection.value.peek?.machine.consumed
        {
            // From here on the downstream itself is waited for.
            let wait = self.now.advanced(byNanoseconds: first.waitNanoseconds)
            self.setDeadline(index, min(wait, self.helloDeadline(index)))
        }
        guard header.command == .proxy else { return }  // LOCAL: the socket's own addresses count
        if let source = header.source {
            connection.value.clientAddress = source
            self.listAsUnrouted(index)
        }
        connection.value.destinationAddress = header.destination
    }

    /// A hello is whole: its name and protocols decide.
    private mutating func routeHello(
        _ index: Int, _ hello: ClientHello, _ location: ClientHelloReader.BodyLocation,
        _ afterRequest: Bool
    ) {
        guard let (name, offered) = self.takeHello(index, hello, location) else { return }
        self.route(
            index, afterRequest ? .tlsAfterPostgres : .tls, name: name, offered: offered)
    }

    /// What a hello asks for; nil: it was refused.
    mutating func takeHello(
        _ index: Int, _ hello: ClientHello, _ location: ClientHelloReader.BodyLocation
    ) -> (name: HostName?, offered: [UInt8])? {
        let connection = self.connections.reference(index)
        let assembled = connection.value.peek?.machine.assembledBody ?? []
        self.dropConsumed(index)
        let body: [UInt8]
        switch location {
        case .input(let range): body = Array(connection.value.replay[range])
        case .assembled: body = assembled
        }
        let offered = hello.applicationProtocols.map { Array(body[$0]) } ?? []
        connection.value.offersTLS = true
        guard hello.serverNameProblem == nil else {
            self.refuse(index, .nameMalformed, .alert(.unrecognizedName))
            return nil
        }
        var name: HostName?
        if let range = hello.serverName {
            let written = Array(body[range])
            do throws(HostName.Problem) {
                name = try HostName(canonicalizing: written.span)
            } catch {
                connection.value.unreadableName = escapedText(written.span, bytesMax: 64)
                self.refuse(index, .nameMalformed, .alert(.unrecognizedName))
                return nil
            }
        }
        return (name, offered)
    }

    /// A downstream that says nothing, where the server speaks first or bytes are not looked at.
    mutating func routeUnread(_ index: Int) {
        self.dropConsumed(index)
        self.route(index, .unread, name: nil, offered: [])
    }

    /// Plain HTTP is answered by the router: a redirect where the listener says so, otherwise 400.
    private mutating func answerHTTP(_ index: Int, _ head: HTTPHead?) {
        let connection = self.connections.reference(index)
        let bytes = connection.value.replay
        let id = connection.value.id
        let redirects = self.listeners[connection.value.listener]?.plan.redirectsToHTTPS ?? false
        guard redirects else {
            let answer = HTTPAnswer.tlsRequired(connection: id, isHEAD: head?.isHEAD ?? false)
            self.refuse(index, CloseReason(.local, .plaintextRefused), bytes: answer)
            return
        }
        guard let head, let host = head.hostName(in: bytes.span) else {
            let answer = HTTPAnswer.badRequest(connection: id, isHEAD: head?.isHEAD ?? false)
            self.refuse(index, CloseReason(.downstream, .preludeMalformed), bytes: answer)
            return
        }
        let answer = HTTPAnswer.redirect(
            host: host, target: bytes.span.extracting(head.target), connection: id,
            isHEAD: head.isHEAD)
        self.refuse(index, CloseReason(.local, .redirected), bytes: answer)
    }
}
