// Writing while a MySQL connection begins, and how it ends before it has begun.

internal import StraitCore
internal import StraitPosix
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    /// Sends a packet to a side; what it does not take is kept, and nothing is read before it went.
    ///
    /// False: the connection has ended. Unlike in a relay nothing that came before is passed on
    /// then: neither side has said anything that is of use alone.
    mutating func sendInPrelude(_ index: Int, _ side: EndpointSide, _ bytes: [UInt8]) -> Bool {
        let connection = self.connections.reference(index)
        let number = connection.value[side].socket.number
        guard connection.value[side].tls != nil else {
            let outcome = TransferBuffer.send(number, bytes.span)
            if case .broken = outcome {
                self.endedInPrelude(index, side, .reset)
                return false
            }
            let done = if case .bytes(let count) = outcome { count } else { 0 }
            self.account(index, side, sent: done)
            guard done < bytes.count else { return true }
            connection.value[side].pending = Array(bytes[done...])
            connection.value[side].pendingOffset = 0
            return self.waitWritable(index, side)
        }
        do throws(TLSFailure) {
            let taken = try connection.value[side].tls?.write(
                bytes.span, descriptor: number, channel: &self.channel)
            guard taken == bytes.count else {
                self.close(index, CloseReason(.local, .internalError))
                return false
            }
        } catch {
            let ending = error.ending(blaming: side.closeSide)
            self.endedInPrelude(index, side, ending.reason.kind.inRelay)
            return false
        }
        self.account(index, side, sent: bytes.count)
        guard connection.value[side].tls?.hasPendingOutput ?? false else { return true }
        return self.waitWritable(index, side)
    }

    /// Sends what is kept for a side; false: there is more, or the connection has ended.
    mutating func flushInPrelude(_ index: Int, _ side: EndpointSide) -> Bool {
        let connection = self.connections.reference(index)
        let direction: RelayDirection = side == .downstream ? .down : .up
        while self.hasPending(index, direction) {
            guard connection.value[side].isWritable else { return false }
            switch self.flushOnce(index, direction, side) {
            case .bytes: continue
            case .wouldBlock, .end:
                _ = self.waitWritable(index, side)
                return false
            case .broken:
                self.endedInPrelude(index, side, .reset)
                return false
            }
        }
        return true
    }

    /// A side has gone before the end of authentication.
    mutating func endedInPrelude(_ index: Int, _ side: EndpointSide, _ kind: CloseReason.Kind) {
        guard side == .upstream else {
            self.close(index, CloseReason(.downstream, kind))
            return
        }
        self.refuseInPrelude(index, CloseReason(.upstream, kind))
    }

    /// The deadline of the whole beginning has passed.
    mutating func mysqlTimerFired(_ index: Int) {
        let reason = CloseReason(.local, .handshakeTimeout)
        let mysql = self.connections.reference(index).value.mysql
        if mysql?.securesUpstream ?? false {
            self.upstreamTLSLate(index)
            return
        }
        let awaitsHello = mysql?.awaitsHello ?? true
        if awaitsHello { self.close(index, reason) } else { self.refuseInPrelude(index, reason) }
    }

    /// Refuses after the greeting, in plain text or inside TLS.
    mutating func refuseInPrelude(_ index: Int, _ reason: CloseReason) {
        if self.connections.reference(index).value.tlsFacts != nil {
            self.refuseInside(index, reason)
        } else {
            self.refuse(index, reason, bytes: self.mysqlError(index, reason))
        }
    }

    /// MySQL's own error: a category and the connection's id, or what the upstream itself has said.
    func mysqlError(_ index: Int, _ reason: CloseReason) -> [UInt8] {
        let connection = self.connections.reference(index)
        let mysql = connection.value.mysql
        if reason.kind == .upstreamRefused, let rejection = mysql?.rejection, !rejection.isEmpty {
            return rejection
        }
        let (code, state, text) = reason.mysqlError
        let error = MySQLError(
            code: code, state: state, message: "\(text) (connection \(connection.value.id))")
        return error.encoded(
            sequence: mysql?.machine.errorSequence ?? 0,
            hasState: mysql?.machine.hasGreeted ?? false)
    }
}

extension EndpointSide {
    /// The word of close reasons.
    var closeSide: CloseReason.Side {
        self == .downstream ? .downstream : .upstream
    }
}

extension CloseReason {
    /// Code, SQLSTATE and text of a refusal, with codes of servers.
    ///
    /// Those of programs (2000 and more: "can't connect", "SSL connection error") would say it
    /// better, but MariaDB's library takes one that comes from a server for a malformed packet.
    /// The category only: details are the operator's.
    fileprivate var mysqlError: (UInt16, String, String) {
        switch self.kind {
        case .connectFailed, .connectTimeout, .upstreamRefused:
            (1429, "HY000", "Unable to connect to the database at the moment")
        case .upstreamTLSFailed, .upstreamTLSRefused:
            (1429, "HY000", "Unable to connect to the database over TLS")
        case .connectionLimit: (1040, "08004", "Too many connections for this tenant")
        case .rateLimit, .handshakeLimit:
            (1040, "08004", "Too many new connections for this tenant")
        case .sourceConnectionLimit: (1040, "08004", "Too many connections from your address")
        case .sourceRateLimit, .sourceHandshakeLimit:
            (1040, "08004", "Too many new connections from your address")
        case .plaintextRefused:
            (3159, "HY000", "Connections using insecure transport are prohibited here: use TLS")
        case .passwordInClear:
            (
                1251, "08004",
                "Authentication requires secure connection: the password would leave the router "
                    + "unencrypted; its upstream needs tls://"
            )
        case .handshakeTimeout: (1159, "08S01", "Got timeout reading communication packets")
        case .preludeMalformed where self.side == .local: (1043, "08S01", "Bad handshake")
        case .closedEarly, .reset, .truncated, .tlsError, .preludeMalformed:
            (1158, "08S01", "Got an error reading communication packets from the database")
        default: (1105, "HY000", "The connection was refused")
        }
    }
}
