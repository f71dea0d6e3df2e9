// Handshake and authenticate: TLS with the downstream, a step at a time, a few steps a turn.
//
// Certificates of people are verified by OpenSSL within the handshake, against this tenant's
// authorities alone.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    /// Begins TLS with the downstream; its hello lies in `replay`.
    mutating func startHandshake(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.phase = .handshake
        connection.value.milestones.handshakeStarted = self.now
        guard let service = connection.value.service else {
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        guard let certificates = connection.value.certificates else {
            self.refuse(index, .tlsNotConfigured, .alert(.unrecognizedName))
            return
        }
        do throws(TLSSetupError) {
            let context = try self.contexts.downstream(service, certificates)
            self.metrics.tlsContexts = self.contexts.count
            connection.value.downstream.tls = try TLSSession(
                serverContext: context, replay: connection.value.replay.span, channel: self.channel)
        } catch {
            connection.value.detail = error.message
            self.complain(.error, "tenant \(service.tenant.name): \(error.message)")
            self.refuse(index, .tlsNotConfigured, .alert(.internalError))
            return
        }
        connection.value.replay = []
        // MySQL's whole beginning has one deadline.
        if connection.value.mysql == nil {
            let timeouts = self.snapshot?.timeouts ?? Timeouts()
            self.setDeadline(index, self.now.advanced(byNanoseconds: timeouts.handshake))
        }
        guard self.register(index, .downstream, writable: false) else {
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        self.queueHandshake(index)
    }

    /// One step of TLS with the downstream.
    mutating func handshake(_ index: Int) {
        do throws(TLSFailure) {
            if try self.stepTLS(index, .downstream) { self.handshaken(index) }
        } catch {
            self.handshakeFailed(index, error)
        }
    }

    /// One step of TLS with a side; true once its handshake is done.
    mutating func stepTLS(_ index: Int, _ side: EndpointSide) throws(TLSFailure) -> Bool {
        let connection = self.connections.reference(index)
        let descriptor = connection.value[side].socket.number
        switch try connection.value[side].tls?.handshake(
            descriptor: descriptor, channel: &self.channel)
        {
        case .wantsRead?, nil: connection.value[side].isReadable = false
        case .wantsWrite?:
            connection.value[side].isWritable = false
            _ = self.register(index, side, writable: true)
        case .done?:
            // Read-ahead: what came with the Finished lies inside the session, and no edge
            // announces it.
            connection.value[side].isReadable = true
            return true
        }
        return false
    }

    private mutating func handshaken(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.phase = .authenticate
        connection.value.milestones.handshaken = monotonicNow()
        self.noteTLS(index)
        if let refusal = connection.value.deferredRefusal {
            self.refuseInside(index, CloseReason(.local, refusal))
            return
        }
        if connection.value.service?.serviceProtocol == .postgres {
            connection.value.phase = .prelude
            self.readPrelude(index)
        } else if connection.value.mysql != nil {
            self.downstreamSecured(index)
        } else {
            self.startConnect(index)
        }
    }

    private mutating func noteTLS(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.downstream.tls != nil else { return }
        let facts = TLSFacts()
        facts.version = connection.value.downstream.tls?.version ?? ""
        facts.cipher = connection.value.downstream.tls?.cipher ?? ""
        facts.isResumed = connection.value.downstream.tls?.isResumed ?? false
        facts.applicationProtocol = connection.value.downstream.tls?.applicationProtocol ?? nil
        facts.group = connection.value.downstream.tls?.group ?? nil
        let asks = connection.value.service?.clientCertificate != ClientCertificatePolicy.none
        if asks, let certificate = connection.value.downstream.tls?.peerCertificate ?? nil {
            facts.clientCommonName = certificate.subjectCommonName
            facts.clientFingerprint = certificate.fingerprint
            if connection.value.service?.isForOperators == true {
                facts.clientCertificate = certificate.der
            }
        }
        let key = WorkerMetrics.HandshakeKey(
            slot: connection.value.metricsSlot, version: facts.version,
            isResumed: facts.isResumed, hasClientCertificate: facts.clientFingerprint != nil)
        connection.value.tlsFacts = facts
        self.metrics.handshakes[key, default: 0] += 1
    }

    private mutating func handshakeFailed(_ index: Int, _ failure: TLSFailure) {
        let connection = self.connections.reference(index)
        let ending = failure.ending(blaming: .downstream)
        connection.value.detail = ending.detail
        if let alert = ending.alert {
            self.noteAlert(index, alert, from: ending.alertIsOurs ? .local : .downstream)
        }
        guard ending.alertIsOurs else {
            self.close(index, ending.reason)
            return
        }
        // Our alert is on its way; what the downstream still sends must not turn it into RST.
        self.lingerAfterRefusal(index, ending.reason)
    }

    /// Counts an alert, and keeps it for the record.
    mutating func noteAlert(_ index: Int, _ alert: UInt8, from side: CloseReason.Side) {
        let connection = self.connections.reference(index)
        connection.value.alert = alert
        connection.value.alertSide = side
        let key = WorkerMetrics.AlertKey(
            slot: connection.value.metricsSlot, side: side, alert: alert)
        self.metrics.alerts[key, default: 0] += 1
    }
}

extension Connection {
    /// What the downstream is shown: by the name that it asks for.
    ///
    /// MySQL's service is chosen before that name comes, by the port, and many drivers send none,
    /// or that of a tunnel's near end: then the service's own name counts. The operators' listener
    /// leads to one service under any name.
    fileprivate var certificates: CertificateSet? {
        guard let service = self.service else { return nil }
        let table = service.tenant.certificates
        guard self.mysql != nil || service.isForOperators else {
            return self.serverName.map { table.set(for: $0) } ?? table.sets.first
        }
        return self.serverName.flatMap { table.set(for: $0) }
            ?? service.ownName.flatMap { table.set(for: $0) } ?? table.sets.first
    }
}

extension TLSFailure {
    /// The reason, the sentence for the operator, and the alert with who sent it.
    func ending(
        blaming side: CloseReason.Side
    ) -> (reason: CloseReason, detail: String?, alert: UInt8?, alertIsOurs: Bool) {
        switch self {
        case .reset, .socket: (CloseReason(side, .reset), nil, nil, false)
        case .closedEarly: (CloseReason(side, .closedEarly), nil, nil, false)
        case .peerAlert(let alert):
            (CloseReason(side, .tlsHandshakeFailed), "the peer sent alert \(alert)", alert, false)
        case .sentAlert(let alert, let kind):
            (CloseReason(.local, kind.closeKind), kind.sentence, alert, true)
        case .failed(let kind): (CloseReason(.local, kind.closeKind), kind.sentence, nil, false)
        }
    }
}

extension CloseReason.Kind {
    /// What a failure of TLS is called once the handshake is over.
    var inRelay: CloseReason.Kind { self == .reset ? .reset : .tlsError }
}

extension TLSFailureKind {
    fileprivate var closeKind: CloseReason.Kind {
        switch self {
        case .versionUnsupported: .tlsVersionUnsupported
        case .noApplicationProtocol: .alpnMismatch
        case .noSharedCipher, .malformed, .other: .tlsHandshakeFailed
        case .certificateMissing: .clientCertificateMissing
        case .certificateExpired: .clientCertificateExpired
        case .certificateRejected: .clientCertificateRejected
        case .upstreamVerify: .upstreamTLSFailed
        }
    }

    fileprivate var sentence: String {
        switch self {
        case .versionUnsupported: "no TLS version in common"
        case .noApplicationProtocol: "no application protocol in common"
        case .noSharedCipher: "no cipher in common"
        case .certificateMissing: "no client certificate was sent"
        case .certificateExpired: "the client certificate has expired"
        case .certificateRejected(let text), .upstreamVerify(let text), .malformed(let text),
            .other(let text):
            text
        }
    }
}
