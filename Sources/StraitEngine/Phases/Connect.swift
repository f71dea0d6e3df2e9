// Connect: an upstream that is ready for bytes, or a refusal that the downstream understands.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitTLS
internal import StraitWire

extension Worker {
    /// Begins with an address of the connection's service.
    mutating func startConnect(_ index: Int) {
        let connection = self.connections.reference(index)
        self.unlistUnrouted(index)
        connection.value.phase = .connect
        connection.value.milestones.connectStarted = self.now
        let attempts = connection.value.service?.connectAttempts ?? 0
        connection.value.connect = ConnectMachine(
            attemptsMax: connection.value.onlyUpstream == nil ? attempts : 1)
        self.perform(index, connection.value.connect.started())
    }

    /// An event on the upstream's side while connecting.
    mutating func advanceConnect(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.connect.isPreparing else {
            if connection.value.upstream.isWritable { self.connected(index) }
            return
        }
        if connection.value.connectStep == .postgresRequest {
            self.readPostgresAnswer(index)
        } else if connection.value.connectStep == .mysqlGreeting {
            self.readGreeting(index)
        } else if connection.value.connectStep == .tls {
            self.queueHandshake(index)
        }
    }

    /// An event on the downstream's side while connecting: nothing is read yet, but a reset is a
    /// reset.
    mutating func watchDownstream(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.downstream.sawHangup else { return }
        self.close(index, CloseReason(.downstream, .reset))
    }

    /// The address that is being tried does not work.
    mutating func upstreamFailed(_ index: Int, _ kind: CloseReason.Kind, _ detail: String? = nil) {
        let connection = self.connections.reference(index)
        guard connection.value.connect.isUnderWay else { return }
        let number = connection.value.upstream.socket.number
        let said = detail ?? (number >= 0 ? Sockets.pendingError(number)?.description : nil)
        if let upstream = connection.value.upstreamPlan {
            let key = WorkerMetrics.ConnectErrorKey(slot: upstream.metricsSlot, reason: kind)
            self.metrics.connectErrors[key, default: 0] += 1
            connection.value.detail = "\(upstream.address): \(said ?? kind.rawValue)"
            self.noteFailure(index, upstream)
        }
        self.perform(index, connection.value.connect.failed(kind))
    }

    mutating func perform(_ index: Int, _ action: ConnectAction) {
        let connection = self.connections.reference(index)
        switch action {
        case .choose: self.chooseUpstream(index)
        case .open: self.openUpstream(index)
        case .sendProxyHeader: self.sendProxyHeader(index)
        case .requestPostgresTLS: self.requestPostgresTLS(index)
        case .awaitGreeting: self.awaitGreeting(index)
        case .handshake: self.startUpstreamHandshake(index)
        case .ready where connection.value.mysql != nil:
            // Where its TLS is still to come, the address has not shown yet that it will do.
            if connection.value.upstreamPlan?.tls == nil { self.noteSuccess(index) }
            self.startMySQL(index)
        case .ready:
            self.noteSuccess(index)
            self.startRelay(index)
        case .giveUp(let reason): self.refuseUnreachable(index, reason)
        }
    }

    private mutating func openUpstream(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.upstream = Endpoint()
        connection.value.connectStep = ConnectSteps()
        connection.value.mysql = nil
        guard let upstream = connection.value.upstreamPlan else {
            self.upstreamFailed(index, .connectFailed, "no address")
            return
        }
        let timeout =
            connection.value.service?.connectTimeout ?? self.snapshot?.timeouts.connect
            ?? Timeouts().connect
        self.setDeadline(index, self.now.advanced(byNanoseconds: timeout))
        do throws(PosixError) {
            let (number, start) = try self.dial(upstream.address)
            connection.value.upstream.socket = OwnedDescriptor(owning: number)
            guard !self.leadsHome(upstream.address, number) else {
                self.upstreamFailed(index, .connectFailed, "the upstream is this router itself")
                return
            }
            connection.value.upstream.isWritable = start == .connected
        } catch {
            if error.isOutOfDescriptors {
                self.complain(.error, "no descriptor for an upstream")
            }
            if error.isOutOfDescriptors || error.isAddressNotAvailable {
                connection.value.stopCountingForUpstream()  // it is not the address's fault
            }
            self.upstreamFailed(index, .connectFailed, "\(error)")
            return
        }
        if !connection.value.upstream.isWritable { self.tryFirstBytes(index) }
        let writable = connection.value.upstream.isWritable
        guard self.register(index, .upstream, writable: !writable) else {
            // The first bytes may have gone with the connect: no other address gets the rest.
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        if writable { self.connected(index) }
    }

    /// Whether an upstream is a listener of this process that would send the connection to the
    /// same upstream again: one hello became thousands of connections in a second.
    ///
    /// Listeners with a tenant of their own, or PROXY headers, lead elsewhere, and are let be.
    private func leadsHome(_ address: SocketAddress, _ number: Int32) -> Bool {
        guard case .ip(let remote, let port) = address, let snapshot = self.snapshot else {
            return false
        }
        guard snapshot.isShared(remote, port) || snapshot.ports.element(Int(port)) != nil,
            let local = Sockets.localAddress(number)?.address
        else { return false }
        return local == remote || local.isLoopback && remote.isLoopback
    }

    /// On loopback a connect is over before it returns "in progress": then the first bytes go at
    /// once, and one wait is saved.
    ///
    /// Elsewhere the call costs a third of a microsecond.
    private func tryFirstBytes(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.upstreamSteps.isEmpty, !connection.value.replay.isEmpty else {
            return
        }
        let number = connection.value.upstream.socket.number
        guard case .bytes(let count) = TransferBuffer.send(number, connection.value.replay.span)
        else { return }
        // An array that is emptied keeps its memory.
        let isWhole = count == connection.value.replay.count
        connection.value.replay = isWhole ? [] : Array(connection.value.replay.dropFirst(count))
        connection.value.downstream.received &+= UInt64(count)
        connection.value.upstream.sent &+= UInt64(count)
        connection.value.upstream.isWritable = true
    }

    private mutating func connected(_ index: Int) {
        let connection = self.connections.reference(index)
        let steps = connection.value.upstreamSteps
        self.perform(index, connection.value.connect.connected(steps: steps))
    }

    mutating func stepDone(_ index: Int, _ step: ConnectSteps) {
        let connection = self.connections.reference(index)
        connection.value.connectStep = ConnectSteps()
        self.perform(index, connection.value.connect.stepDone(step))
    }

    // MARK: PROXY header

    private mutating func sendProxyHeader(_ index: Int) {
        let connection = self.connections.reference(index)
        let version = connection.value.upstreamPlan?.proxyHeader ?? .none
        let bytes = self.proxyHeader(index).encoded(version)
        let number = connection.value.upstream.socket.number
        // A fresh socket takes a header whole, or it is not worth having.
        guard case .bytes(bytes.count) = TransferBuffer.send(number, bytes.span) else {
            self.upstreamFailed(index, .connectFailed, "the PROXY header was not taken")
            return
        }
        self.stepDone(index, .proxyHeader)
    }

    private func proxyHeader(_ index: Int) -> ProxyHeader {
        let connection = self.connections.reference(index)
        let number = connection.value.downstream.socket.number
        guard number >= 0, let source = connection.value.clientAddress else {
            return ProxyHeader(command: .local)
        }
        let destination = connection.value.destinationAddress ?? Sockets.localAddress(number)
        var header = ProxyHeader(command: .proxy, source: source, destination: destination)
        if let protocolName = connection.value.tlsFacts?.applicationProtocol {
            header.tlvs.append(ProxyTLVType.applicationProtocol, protocolName)
        }
        if let name = connection.value.serverName {
            header.tlvs.append(ProxyTLVType.authority, name.bytes)
        }
        header.tlvs.append(ProxyTLVType.uniqueID, connection.value.id.textBytes)
        if let tenant = connection.value.service?.tenant.name {
            header.tlvs.append(ProxyTLVType.tenant, Array(tenant.utf8))
        }
        if let service = connection.value.service, service.isBuiltIn {
            header.tlvs.append(
                ProxyTLVType.incarnation, Array("\(service.tenant.incarnation)".utf8))
        }
        if let region = self.snapshot?.region, !region.isEmpty {
            header.tlvs.append(ProxyTLVType.region, Array(region.utf8))
        }
        if let facts = connection.value.tlsFacts {
            header.tlvs.append(
                ProxyTLSFacts(
                    version: Array("TLSv\(facts.version)".utf8), cipher: Array(facts.cipher.utf8),
                    commonName: Array((facts.clientCommonName ?? "").utf8),
                    certificate: facts.clientCertificate,
                    hasClientCertificate: facts.clientFingerprint != nil,
                    isVerified: facts.clientFingerprint != nil))
        }
        return header
    }

    // MARK: Postgres' request for TLS

    private mutating func requestPostgresTLS(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.connectStep = .postgresRequest
        let number = connection.value.upstream.socket.number
        let request = PostgresPrelude.sslRequest
        guard case .bytes(request.count) = TransferBuffer.send(number, request.span) else {
            self.upstreamFailed(index, .connectFailed, "the SSLRequest was not taken")
            return
        }
        connection.value.upstream.isReadable = true
        self.readPostgresAnswer(index)
    }

    private mutating func readPostgresAnswer(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.upstream.isReadable else { return }
        switch self.buffer.receive(connection.value.upstream.socket.number) {
        case .wouldBlock: connection.value.upstream.isReadable = false
        case .end: self.upstreamFailed(index, .connectFailed, "closed after the SSLRequest")
        case .broken: self.upstreamFailed(index, .connectFailed, "reset after the SSLRequest")
        case .bytes(let count):
            // More than the one byte would be plain text meant for TLS (CVE-2021-23222).
            guard count == 1, self.buffer[0] == UInt8(ascii: "S") else {
                self.upstreamFailed(index, .upstreamTLSRefused, "it does not speak TLS")
                return
            }
            self.stepDone(index, .postgresRequest)
        }
    }

    // MARK: TLS with the upstream

    private mutating func startUpstreamHandshake(_ index: Int) {
        let connection = self.connections.reference(index)
        connection.value.connectStep = .tls
        if let problem = self.openUpstreamTLS(index) {
            self.upstreamFailed(index, .upstreamTLSFailed, problem)
            return
        }
        self.queueHandshake(index)
    }

    /// Gives the upstream's side a session of TLS; tells what is wrong where it cannot.
    mutating func openUpstreamTLS(_ index: Int) -> String? {
        let connection = self.connections.reference(index)
        guard let tls = connection.value.upstreamPlan?.tls else { return "not configured" }
        let protocols = connection.value.protocolsForUpstream
        do throws(TLSSetupError) {
            connection.value.upstream.tls = try self.contexts.handshake(
                to: tls, applicationProtocols: protocols, channel: self.channel)
        } catch {
            self.complain(.error, "TLS with an upstream: \(error.message)")
            return error.message
        }
        return nil
    }

    /// One step of TLS with the upstream.
    mutating func upstreamHandshake(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.connectStep == .tls else { return }
        do throws(TLSFailure) {
            guard try self.stepTLS(index, .upstream) else { return }
            guard self.speaksAsChosen(index) else {
                self.upstreamFailed(
                    index, .upstreamTLSFailed, "it did not choose h2, which the downstream speaks")
                return
            }
            self.stepDone(index, .tls)
        } catch {
            let ending = error.ending(blaming: .upstream)
            self.upstreamFailed(
                index, .upstreamTLSFailed, ending.detail ?? ending.reason.kind.rawValue)
        }
    }

    /// Whether the upstream's TLS lets the downstream's bytes mean what they mean.
    ///
    /// HTTP/2 is spoken only where both have chosen it (RFC 9113 §3.2); every other protocol may
    /// also be meant by silence.
    private func speaksAsChosen(_ index: Int) -> Bool {
        let connection = self.connections.reference(index)
        guard connection.value.protocolsForUpstream == [Self.http2] else { return true }
        return connection.value.upstream.tls?.applicationProtocol == Self.http2
    }

    // MARK: Nothing works

    private mutating func refuseUnreachable(_ index: Int, _ reason: CloseReason) {
        let connection = self.connections.reference(index)
        if connection.value.downstream.tls != nil {
            self.refuseInside(index, reason)
        } else if connection.value.offersTLS {
            self.refuse(index, reason, bytes: TLSAlert.internalError.plaintextRecord())
        } else if connection.value.service?.serviceProtocol == .mysql {
            self.refuse(index, reason, bytes: self.protocolError(index, reason))
        } else {
            self.close(index, reason)
        }
    }
}

extension Connection {
    /// What the present address asks for before bytes may go.
    var upstreamSteps: ConnectSteps {
        guard let upstream = self.upstreamPlan, let service = self.service else {
            return ConnectSteps()
        }
        var steps = ConnectSteps()
        switch upstream.proxyHeader {
        case .none: break
        case .v1, .v2: steps.insert(.proxyHeader)
        }
        if service.endsTLSOfMySQL {
            steps.insert(.mysqlGreeting)
        } else if upstream.tls != nil {
            steps.insert(.tls)
            if service.serviceProtocol == .postgres { steps.insert(.postgresRequest) }
        } else if self.arrivedByPostgresRequest, service.mode == .passthrough {
            steps.insert(.postgresRequest)
        }
        return steps
    }

    /// What is offered to the upstream: what was chosen downstream, or, without TLS there, what is
    /// configured.
    ///
    /// Names of wrapped protocols are between the downstream and us.
    var protocolsForUpstream: [[UInt8]] {
        guard let facts = self.tlsFacts else {
            return self.service?.applicationProtocols.map(\.bytes) ?? []
        }
        guard let chosen = facts.applicationProtocol else { return [] }
        let isWrapper = chosen.starts(with: "strait-".utf8) || chosen.starts(with: "teleport-".utf8)
        return isWrapper ? [] : [chosen]
    }
}
