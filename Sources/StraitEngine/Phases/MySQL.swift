// MySQL whose TLS ends here: from the upstream's greeting to the end of authentication. What is
// said when is MySQLMachine's business; here bytes are read and written.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    // MARK: While connecting: an address that does not greet is none

    /// Waits for the greeting of the address that is being tried.
    mutating func awaitGreeting(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.connectStep = .mysqlGreeting
        connection.value.mysql = MySQLPrelude(MySQLMachine(legs: connection.value.mysqlLegs))
        connection.value.upstream.isReadable = true
        self.readGreeting(index)
    }

    mutating func readGreeting(_ index: Int) {
        let connection = self.connections.reference(index)
        while let mysql = connection.value.mysql, connection.value.upstream.isReadable {
            switch self.buffer.receive(connection.value.upstream.socket.number) {
            case .wouldBlock:
                connection.value.upstream.isReadable = false
                return
            case .end:
                self.upstreamFailed(index, .connectFailed, "closed before its greeting")
                return
            case .broken:
                self.upstreamFailed(index, .connectFailed, "reset before its greeting")
                return
            case .bytes(let count): mysql.fromUpstream += self.buffer.copy(0..<count)
            }
            switch mysql.machine.receivedFromUpstream(mysql.fromUpstream.span) {
            case .needMore: continue
            case .pass(let greeting, let consumed):
                mysql.fromUpstream.removeFirst(consumed)
                mysql.greeting = greeting
                connection.value.upstream.received &+= UInt64(consumed)
                self.stepDone(index, .mysqlGreeting)
            case .rejected(let packet):
                mysql.rejection = packet
                self.upstreamFailed(index, .upstreamRefused, Self.text(ofRejection: packet))
            case .refuse(let reason):
                let tls = reason.kind == .upstreamTLSRefused
                self.upstreamFailed(
                    index, reason.kind,
                    tls ? "it does not speak TLS" : "what it sent is no greeting of MySQL")
            case .passAndRelay, .secureDownstream, .secureUpstream:
                self.close(index, CloseReason(.local, .internalError))
            }
            return
        }
    }

    /// `it said: 1040 Too many connections`.
    private static func text(ofRejection packet: [UInt8]) -> String {
        guard packet.count >= 7 else { return "it refuses" }
        let code = Int(packet[5]) | Int(packet[6]) << 8
        let text = Array(packet[7...])
        return "it said: \(code) \(escapedText(text.span, bytesMax: 128))"
    }

    // MARK: From the greeting on

    /// The upstream has greeted: the downstream gets its greeting, and a time to be through.
    mutating func startMySQL(_ index: Int) {
        let connection = self.connections.reference(index)
        guard let mysql = connection.value.mysql else { return }
        connection.value.phase = .prelude
        self.noteConnected(index)
        connection.value.milestones.firstUpstreamByte = connection.value.milestones.connected
        let timeouts = self.snapshot?.timeouts ?? Timeouts()
        self.setDeadline(index, self.now.advanced(byNanoseconds: timeouts.handshake))
        guard self.register(index, .downstream, writable: false) else {
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        connection.value.downstream.isReadable = true
        let greeting = mysql.greeting
        mysql.greeting = []
        guard self.sendInPrelude(index, .downstream, greeting) else { return }
        self.advanceMySQL(index, because: .upstream)
    }

    /// Brings the beginning as far as it goes now.
    mutating func advanceMySQL(_ index: Int, because side: EndpointSide) {
        let connection = self.connections.reference(index)
        if side == .downstream, connection.value.downstream.sawHangup {
            self.close(index, CloseReason(.downstream, .reset))
            return
        }
        while connection.value.phase == .prelude, let mysql = connection.value.mysql {
            // What one side has not taken yet keeps the other from being read.
            guard self.flushInPrelude(index, .downstream), self.flushInPrelude(index, .upstream)
            else { return }
            if mysql.isDone {
                self.handOver(index, mysql)
                return
            }
            if mysql.awaitsHello {
                self.readHello(index, mysql)
                return
            }
            if mysql.securesUpstream {
                if side == .upstream { self.queueHandshake(index) }
                return
            }
            guard self.step(index, .upstream, mysql) || self.step(index, .downstream, mysql) else {
                return
            }
        }
    }

    /// Reads from a side until there is something to do.
    ///
    /// False: nothing more can be done for it now.
    private mutating func step(
        _ index: Int, _ side: EndpointSide, _ mysql: MySQLPrelude
    ) -> Bool {
        let connection = self.connections.reference(index)
        guard side == .upstream || mysql.machine.awaitsDownstream else { return false }
        while true {
            let action = mysql.look(side)
            guard action == .needMore else {
                self.perform(index, side, action, mysql)
                return true
            }
            guard connection.value[side].isReadable else { return false }
            switch self.receive(index, side) {
            case .wouldBlock:
                connection.value[side].isReadable = false
                return false
            case .end:
                self.endedInPrelude(index, side, .closedEarly)
                return false
            case .broken(let kind):
                self.endedInPrelude(index, side, kind)
                return false
            case .bytes(let count): mysql.keep(self.buffer.copy(0..<count), from: side)
            }
        }
    }

    private mutating func perform(
        _ index: Int, _ side: EndpointSide, _ action: MySQLAction, _ mysql: MySQLPrelude
    ) {
        let connection = self.connections.reference(index)
        switch action {
        case .needMore: return
        case .pass(let packet, let consumed):
            self.take(index, side, consumed, mysql)
            guard mysql.mayPass(from: side) else {
                self.refuseInPrelude(index, CloseReason(side.closeSide, .preludeMalformed))
                return
            }
            _ = self.sendInPrelude(index, side.other, packet)
        case .passAndRelay(let packet, let consumed):
            self.take(index, side, consumed, mysql)
            mysql.isDone = true
            _ = self.sendInPrelude(index, side.other, packet)
        case .secureDownstream(let consumed):
            self.take(index, side, consumed, mysql)
            connection.value.replay = mysql.fromDownstream
            mysql.fromDownstream = []
            mysql.awaitsHello = true
            connection.value.peek = Peeking(PeekMachine(rules: .tlsOnly))
        case .secureUpstream(let request, let consumed):
            self.take(index, side, consumed, mysql)
            self.startUpstreamTLS(index, request, mysql)
        case .refuse(let reason): self.refuseInPrelude(index, reason)
        case .rejected: self.close(index, CloseReason(.local, .internalError))
        }
    }

    /// Counts and drops what the machine has dealt with.
    private func take(_ index: Int, _ side: EndpointSide, _ count: Int, _ mysql: MySQLPrelude) {
        let connection = self.connections.reference(index)
        connection.value[side].received &+= UInt64(count)
        mysql.drop(count, from: side)
    }

    /// Authentication is over: what has come already goes first, and then everything goes through.
    private mutating func handOver(_ index: Int, _ mysql: MySQLPrelude) {
        let connection = self.connections.reference(index)
        connection.value.mysql = nil
        // From here on a write that fails ends the connection as the relay does.
        connection.value.phase = .relay
        connection.value.replay = mysql.fromDownstream
        let answers = mysql.fromUpstream
        if !answers.isEmpty {
            connection.value.upstream.received &+= UInt64(answers.count)
            guard self.write(index, .downstream, answers.span, more: false) else { return }
        }
        self.startRelay(index)
    }

    // MARK: TLS

    /// Reads the ClientHello that follows the SSLRequest; it may have come together with it.
    private mutating func readHello(_ index: Int, _ mysql: MySQLPrelude) {
        let connection = self.connections.reference(index)
        while connection.value.phase == .prelude {
            let bytes = connection.value.replay
            guard let action = connection.value.peek?.machine.received(bytes.span) else { return }
            switch action {
            case .needMore: break
            case .hello(let hello, let location, _):
                mysql.awaitsHello = false
                guard let (name, _) = self.takeHello(index, hello, location) else { return }
                connection.value.serverName = name
                self.startHandshake(index)
                return
            case .refuse(let kind, let reply):
                self.refuse(index, kind, reply)
                return
            case .proxied, .answerPostgres, .ssh, .cancel, .http, .raw:
                self.refuse(index, .preludeMalformed, .nothing)
                return
            }
            guard bytes.count <= Limits.peekBytesMax else {
                self.refuse(index, .helloTooLarge, .alert(.decodeError))
                return
            }
            guard connection.value.downstream.isReadable else { return }
            switch self.receive(index, .downstream) {
            case .wouldBlock:
                connection.value.downstream.isReadable = false
                return
            case .end: self.close(index, CloseReason(.downstream, .closedEarly))
            case .broken(let kind): self.close(index, CloseReason(.downstream, kind))
            case .bytes(let count): connection.value.replay += self.buffer.copy(0..<count)
            }
        }
    }

    /// TLS with the downstream is up, within MySQL's beginning.
    mutating func downstreamSecured(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.mysql?.machine.downstreamSecured()
        connection.value.phase = .prelude
        self.advanceMySQL(index, because: .downstream)
    }

    private mutating func startUpstreamTLS(
        _ index: Int, _ request: [UInt8], _ mysql: MySQLPrelude
    ) {
        let connection = self.connections.reference(index)
        let number = connection.value.upstream.socket.number
        // A socket that had nothing to take so far takes 36 bytes, or it is not worth having.
        guard case .bytes(request.count) = TransferBuffer.send(number, request.span) else {
            self.upstreamTLSFailed(index, "the SSLRequest was not taken")
            return
        }
        self.account(index, .upstream, sent: request.count)
        if let problem = self.openUpstreamTLS(index) {
            self.upstreamTLSFailed(index, problem)
            return
        }
        mysql.securesUpstream = true
        self.queueHandshake(index)
    }

    /// One step of TLS with the upstream, within MySQL's beginning.
    mutating func secureUpstream(_ index: Int) {
        let connection = self.connections.reference(index)
        guard let mysql = connection.value.mysql, mysql.securesUpstream else { return }
        do throws(TLSFailure) {
            guard try self.stepTLS(index, .upstream) else { return }
        } catch {
            let ending = error.ending(blaming: .upstream)
            self.upstreamTLSFailed(index, ending.detail ?? ending.reason.kind.rawValue)
            return
        }
        mysql.securesUpstream = false
        self.noteSuccess(index)
        self.perform(index, .downstream, mysql.machine.upstreamSecured(), mysql)
        self.advanceMySQL(index, because: .upstream)
    }

    /// The downstream has this upstream's greeting: no other address will do any more.
    private mutating func upstreamTLSFailed(_ index: Int, _ detail: String) {
        let connection = self.connections.reference(index)
        if let upstream = connection.value.upstreamPlan {
            let key = WorkerMetrics.ConnectErrorKey(
                slot: upstream.metricsSlot, reason: .upstreamTLSFailed)
            self.metrics.connectErrors[key, default: 0] += 1
            connection.value.detail = "\(upstream.address): \(detail)"
            self.noteFailure(index, upstream)
        }
        self.refuseInPrelude(index, CloseReason(.upstream, .upstreamTLSFailed))
    }

    /// TLS with the upstream has taken all the time that there was.
    mutating func upstreamTLSLate(_ index: Int) {
        self.upstreamTLSFailed(index, "no end of the TLS handshake in time")
    }
}

extension MySQLPrelude {
    /// Shows the machine what a side has sent.
    fileprivate func look(_ side: EndpointSide) -> MySQLAction {
        let held = side == .upstream ? self.fromUpstream : self.fromDownstream
        guard !held.isEmpty else { return .needMore }
        return side == .upstream
            ? self.machine.receivedFromUpstream(held.span)
            : self.machine.receivedFromDownstream(held.span)
    }

    /// Counts one more packet of a side; false for the one that is too many.
    fileprivate func mayPass(from side: EndpointSide) -> Bool {
        if side == .upstream { self.passed.upstream += 1 } else { self.passed.downstream += 1 }
        return max(self.passed.downstream, self.passed.upstream)
            <= Limits.mysqlAuthenticationPacketsMax
    }

    fileprivate func keep(_ bytes: [UInt8], from side: EndpointSide) {
        if side == .upstream { self.fromUpstream += bytes } else { self.fromDownstream += bytes }
    }

    fileprivate func drop(_ count: Int, from side: EndpointSide) {
        if side == .upstream {
            self.fromUpstream.removeFirst(count)
        } else {
            self.fromDownstream.removeFirst(count)
        }
    }
}

extension Connection {
    /// What is known of both legs before the first byte.
    fileprivate var mysqlLegs: MySQLLegs {
        let upstream = self.upstreamPlan
        let isNear = upstream?.address.staysOnMachine ?? false
        return MySQLLegs(
            isWrapped: self.downstream.tls != nil, securesUpstream: upstream?.tls != nil,
            isExposed: upstream?.tls == nil && !isNear)
    }
}

extension PeekRules {
    /// Nothing but a ClientHello.
    fileprivate static let tlsOnly = PeekRules(
        requiresProxyHeader: false, allowsTLS: true, allowsSSH: false, allowsHTTP: false,
        allowsPostgres: false, isRaw: false)
}
