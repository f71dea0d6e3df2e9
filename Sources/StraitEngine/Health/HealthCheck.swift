// One check of an address, step by step: what a connection does, and then a question of its own.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension HealthJudge {
    /// Opens a socket to the address.
    mutating func begin(_ target: HealthTarget, token: UInt64) {
        target.connect = ConnectMachine(attemptsMax: 1)
        _ = target.connect.started()
        _ = target.connect.chose(0)
        do throws(PosixError) {
            let address = target.upstream.address
            let (number, start) = try Sockets.connect(
                to: address, from: self.source(for: address))
            target.socket = OwnedDescriptor(owning: number)
            try self.poller.add(number, token: token, writable: true)
            if start == .connected { self.connected(target) }
        } catch {
            self.end(target, failure: "\(error)")
        }
    }

    /// Something has happened on the socket.
    mutating func advance(_ target: HealthTarget) {
        if target.connect.isPreparing {
            self.goOn(target)
        } else if target.connect.isUnderWay {
            if let error = Sockets.pendingError(target.socket.number) {
                self.end(target, failure: "\(error)")
            } else {
                self.connected(target)
            }
        } else {
            self.listen(target)
        }
    }

    private mutating func connected(_ target: HealthTarget) {
        self.perform(target, target.connect.connected(steps: target.steps))
    }

    private mutating func perform(_ target: HealthTarget, _ action: ConnectAction) {
        switch action {
        case .sendProxyHeader: self.sendProxyHeader(target)
        case .requestPostgresTLS:
            target.step = .postgresRequest
            self.send(target, PostgresPrelude.sslRequest)
        case .handshake: self.handshake(target)
        case .ready: self.ask(target)
        // One address, whose failures end the check; MySQL's TLS comes after what is looked for.
        case .choose, .open, .awaitGreeting, .giveUp: return
        }
    }

    private mutating func stepDone(_ target: HealthTarget, _ step: ConnectSteps) {
        target.step = ConnectSteps()
        self.perform(target, target.connect.stepDone(step))
    }

    private mutating func goOn(_ target: HealthTarget) {
        if target.step == .postgresRequest {
            self.readPostgresAnswer(target)
        } else if target.step == .tls {
            self.stepTLS(target)
        }
    }

    // MARK: As a connection

    private mutating func sendProxyHeader(_ target: HealthTarget) {
        // LOCAL, as the specification has it for connections that nobody is behind (§2.2).
        let bytes = ProxyHeader(command: .local).encoded(target.upstream.proxyHeader)
        guard case .bytes(bytes.count) = TransferBuffer.send(target.socket.number, bytes.span)
        else {
            self.end(target, failure: "the PROXY header was not taken")
            return
        }
        self.stepDone(target, .proxyHeader)
    }

    private mutating func readPostgresAnswer(_ target: HealthTarget) {
        switch self.buffer.receive(target.socket.number) {
        case .wouldBlock: return
        case .end, .broken: self.end(target, failure: "closed after the SSLRequest")
        case .bytes(let count):
            let answer = self.buffer[0]
            let isTaken = answer == UInt8(ascii: "S")
            let isDeclined = answer == UInt8(ascii: "N") && !target.speaksTLS
            guard count == 1, isTaken || isDeclined else {
                self.end(target, failure: "it does not speak TLS as Postgres does")
                return
            }
            self.stepDone(target, .postgresRequest)
        }
    }

    private mutating func handshake(_ target: HealthTarget) {
        target.step = .tls
        do throws(TLSSetupError) {
            target.tls = try self.contexts.handshake(
                to: target.tlsSettings, applicationProtocols: target.applicationProtocols,
                channel: self.channel)
        } catch {
            self.end(target, failure: error.message)
            return
        }
        self.stepTLS(target)
    }

    private mutating func stepTLS(_ target: HealthTarget) {
        do throws(TLSFailure) {
            let step = try target.tls?.handshake(
                descriptor: target.socket.number, channel: &self.channel)
            if step == .done { self.stepDone(target, .tls) }
        } catch {
            let ending = error.ending(blaming: .upstream)
            self.end(target, failure: "TLS: \(ending.detail ?? ending.reason.kind.rawValue)")
        }
    }

    // MARK: The question

    /// The connection is as good as one of a downstream's.
    private mutating func ask(_ target: HealthTarget) {
        switch target.service.health.check {
        case .off, .tcp, .tls, .postgres: self.end(target, failure: nil)
        case .greeting: self.listen(target)
        case .http, .https:
            self.send(target, target.request)
            if target.isChecking { self.listen(target) }
        }
    }

    private mutating func send(_ target: HealthTarget, _ bytes: [UInt8]) {
        let number = target.socket.number
        guard target.tls != nil else {
            // A fresh socket takes so little whole, or it is not worth having.
            guard case .bytes(bytes.count) = TransferBuffer.send(number, bytes.span) else {
                self.end(target, failure: "the question was not taken")
                return
            }
            return
        }
        do throws(TLSFailure) {
            _ = try target.tls?.write(bytes.span, descriptor: number, channel: &self.channel)
        } catch {
            self.end(target, failure: "the question was not taken")
        }
    }

    private mutating func listen(_ target: HealthTarget) {
        while target.isChecking {
            do throws(TLSFailure) {
                switch try self.receive(target) {
                case .wantsRead: return
                case .closeNotify, .truncated: self.end(target, failure: "closed without an answer")
                case .bytes(let count):
                    target.answer += self.buffer.copy(0..<count)
                    self.judgeAnswer(target)
                }
            } catch {
                self.end(target, failure: "reset without an answer")
            }
        }
    }

    private mutating func receive(_ target: HealthTarget) throws(TLSFailure) -> TLSReadOutcome {
        let number = target.socket.number
        guard target.tls != nil else {
            switch self.buffer.receive(number) {
            case .wouldBlock: return .wantsRead
            case .end: return .truncated
            case .broken: throw .reset
            case .bytes(let count): return .bytes(count)
            }
        }
        return try target.decrypt(into: &self.buffer, &self.channel)
    }

    private mutating func judgeAnswer(_ target: HealthTarget) {
        guard target.service.health.check != .greeting else {
            guard target.service.serviceProtocol == .mysql else {
                self.end(target, failure: nil)
                return
            }
            // The packet's head, and the version of its protocol: an error begins with 0xFF.
            guard target.answer.count > 4 else { return }
            self.end(target, failure: target.answer[4] == 10 ? nil : "no greeting of MySQL")
            return
        }
        switch HTTPStatusLine.read(target.answer.span) {
        case .needMore: return
        case .malformed: self.end(target, failure: "the answer is not HTTP/1")
        case .done(let status):
            self.end(target, failure: (200..<400).contains(status) ? nil : "status \(status)")
        }
    }
}
