// Refuse: a downstream is told in words that it understands, and has the time to hear them.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    /// Refuses a downstream whose TLS is not up, in words that it understands.
    mutating func refuse(_ index: Int, _ kind: CloseReason.Kind, _ reply: PeekReply) {
        let reason = CloseReason(.local, kind)
        switch reply {
        case .nothing: self.close(index, reason)
        case .alert(let alert):
            self.noteAlert(index, alert.rawValue, from: .local)
            self.refuse(index, reason, bytes: alert.plaintextRecord())
        case .postgresTLSRequired:
            let id = self.connections.reference(index).value.id
            let error = PostgresErrorResponse(
                code: "28000", message: "TLS is required here", detail: "connection \(id)",
                hint: "connect with sslmode=require or stronger")
            self.refuse(index, reason, bytes: error.encoded())
        }
    }

    /// Refuses with bytes in plain text, then FIN; what still comes is read and thrown away for a
    /// while, because a close with unread bytes would be RST and take the refusal with it.
    mutating func refuse(_ index: Int, _ reason: CloseReason, bytes: [UInt8]) {
        let connection = self.connections.reference(index)
        let number = connection.value.downstream.socket.number
        if case .bytes(let count) = TransferBuffer.send(number, bytes.span) {
            connection.value.downstream.sent &+= UInt64(count)
        }
        self.lingerAfterRefusal(index, reason)
    }

    /// Refuses inside TLS: Postgres, MySQL and HTTP have an error of their own; for the others, the
    /// end says it.
    mutating func refuseInside(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        let number = connection.value.downstream.socket.number
        let answer = self.protocolError(index, reason)
        do throws(TLSFailure) {
            if !answer.isEmpty {
                _ = try connection.value.downstream.tls?.write(
                    answer.span, descriptor: number, channel: &self.channel)
            }
            _ = try connection.value.downstream.tls?.sendCloseNotify(
                descriptor: number, channel: &self.channel)
        } catch {
            connection.value.detail = connection.value.detail ?? "the refusal could not be sent"
        }
        self.lingerAfterRefusal(index, reason)
    }

    /// The protocol's own error: a category and the connection's id.
    ///
    /// The reason itself is the operator's.
    func protocolError(_ index: Int, _ reason: CloseReason) -> [UInt8] {
        let connection = self.connections.reference(index)
        let id = connection.value.id
        switch connection.value.service?.serviceProtocol {
        case .postgres:
            let (code, message, hint) = reason.kind.postgresError
            return PostgresErrorResponse(
                code: code, message: message, detail: "connection \(id)", hint: hint
            ).encoded()
        case .web where connection.value.tlsFacts?.applicationProtocol != Self.http2:
            return HTTPAnswer.unavailable(connection: id)
        case .kubernetes where connection.value.tlsFacts?.applicationProtocol != Self.http2:
            return HTTPAnswer.kubernetesUnavailable(connection: id)
        case .mysql: return self.mysqlError(index, reason)
        case .web, .ssh, .kubernetes, .tcp, nil: return []
        }
    }

    static var http2: [UInt8] { [0x68, 0x32] }

    /// Ends our direction and reads on until the downstream has ended its own, or long enough.
    mutating func lingerAfterRefusal(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        self.noteEnd(index, reason)
        connection.value.upstream = Endpoint()
        self.unlistUnrouted(index)
        self.recordEnd(index)  // now: whoever reads the refusal may ask for its connection at once
        self.setDeadline(index, self.now.advanced(byNanoseconds: Limits.lingerNanoseconds))
        guard self.register(index, .downstream, writable: false) else {
            self.release(index)
            return
        }
        if connection.value.downstream.tls?.hasPendingOutput ?? false {
            connection.value.downstream.endsAfterFlush = true
        } else {
            Sockets.shutdownWrite(connection.value.downstream.socket.number)
        }
        connection.value.downstream.isReadable = true
        self.linger(index)
    }

    /// An event, or the timer, while closing.
    mutating func linger(_ index: Int) {
        let connection = self.connections.reference(index)
        if let delivery = connection.value.delivery {
            self.deliver(index, delivery)
            return
        }
        for side in [EndpointSide.downstream, .upstream] where !self.lingerFlush(index, side) {
            return
        }
        guard connection.value.lingers else {
            self.release(index)
            return
        }
        let number = connection.value.downstream.socket.number
        while connection.value.downstream.isReadable {
            switch self.buffer.receive(number) {
            case .wouldBlock: connection.value.downstream.isReadable = false
            case .end, .broken:
                self.release(index)
                return
            case .bytes(let count):
                connection.value.lingeredBytes += count
                guard connection.value.lingeredBytes <= Limits.lingerBytesMax else {
                    self.release(index)
                    return
                }
            }
        }
    }

    /// Sends what TLS still has to say.
    ///
    /// False: the side is full, wait.
    private mutating func lingerFlush(_ index: Int, _ side: EndpointSide) -> Bool {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard number >= 0, connection.value[side].tls?.hasPendingOutput ?? false else {
            return true
        }
        do throws(TLSFailure) {
            let step = try connection.value[side].tls?.flush(
                descriptor: number, channel: &self.channel)
            guard step == .done else { return !self.register(index, side, writable: true) }
        } catch {
            return true  // it is gone; nothing is left to send
        }
        Sockets.shutdownWrite(number)
        connection.value[side].endsAfterFlush = false
        return true
    }
}

extension CloseReason.Kind {
    /// SQLSTATE, message and hint of a refusal.
    ///
    /// The category only: details are the operator's.
    fileprivate var postgresError: (String, String, String?) {
        switch self {
        case .connectFailed, .connectTimeout, .upstreamTLSFailed, .upstreamTLSRefused:
            ("57P03", "the database cannot be reached at the moment", "try again later")
        case .connectionLimit:
            ("53300", "too many connections for this tenant", "try again later")
        case .rateLimit, .handshakeLimit:
            ("53300", "too many new connections for this tenant", "try again in a second")
        case .sourceConnectionLimit:
            ("53300", "too many connections from your address", "close some, or try again later")
        case .sourceRateLimit, .sourceHandshakeLimit:
            ("53300", "too many new connections from your address", "try again in a second")
        case .preludeMalformed: ("08P01", "the startup packet could not be read", nil)
        default: ("08004", "the connection was refused", nil)
        }
    }
}
