// Choose: which address of the service a connection tries, and what its end there tells about it.

internal import StraitCore
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState

extension Worker {
    /// Names an address that this connection has not tried; a single one is not thought about.
    mutating func chooseUpstream(_ index: Int) {
        let connection = self.connections.reference(index)
        let tried = connection.value.connect.tried
        guard connection.value.onlyUpstream == nil, let service = connection.value.service,
            service.upstreams.count > 1
        else {
            let isThere = connection.value.onlyUpstream != nil || connection.value.hasUpstream
            self.perform(index, connection.value.connect.chose(tried == 0 && isThere ? 0 : nil))
            return
        }
        for upstream in service.upstreams {
            self.candidates.append(
                UpstreamCandidate(
                    weight: upstream.weight, share: upstream.standing.share,
                    open: upstream.standing.open, isBackup: upstream.isBackup))
        }
        let random = self.chance.next()
        let choice = UpstreamChoice.pick(self.candidates, tried: tried, random: random)
        self.candidates.removeAll(keepingCapacity: true)
        if let choice {
            if tried != 0 { self.metrics.connectRetries[service.metricsSlot, default: 0] += 1 }
            service.upstreams[choice].standing.opened()
            connection.value.countsForUpstream = true
        }
        self.perform(index, connection.value.connect.chose(choice))
    }

    /// Begins to connect, from a source that has a port left for that destination.
    mutating func dial(
        _ address: SocketAddress
    ) throws(PosixError) -> (descriptor: Int32, start: ConnectStart) {
        let sources = self.snapshot?.sources(for: address) ?? []
        guard !sources.isEmpty else { return try Sockets.connect(to: address) }
        // Begun anywhere: sources fill up evenly, and one that is full is not always tried first.
        let first = Int(self.chance.next() % UInt64(sources.count))
        var last = PosixError(call: "connect", number: 0)
        for step in sources.indices {
            let source = sources[(first + step) % sources.count]
            do throws(PosixError) {
                return try Sockets.connect(to: address, from: source)
            } catch {
                guard error.isAddressNotAvailable else { throw error }
                self.metrics.sourcesExhausted += 1
                self.complain(.warning, "source address \(source): \(error)")
                last = error
            }
        }
        throw last
    }

    /// The address is reached.
    func noteSuccess(_ index: Int) {
        let connection = self.connections.reference(index)
        guard connection.value.countsForUpstream else { return }
        connection.value.upstreamPlan?.standing.connected()
    }

    /// The address could not be reached, or not be spoken to.
    func noteFailure(_ index: Int, _ upstream: UpstreamPlan) {
        let connection = self.connections.reference(index)
        guard connection.value.countsForUpstream, let service = connection.value.service else {
            return
        }
        connection.value.stopCountingForUpstream()
        guard upstream.standing.failed(ejectAfter: service.health.ejectAfter) else { return }
        // Where there is no room, the next failures say it again.
        _ = self.health.put(
            .connectsFailed(upstream.standing, why: connection.value.detail ?? ""),
            countMax: Limits.healthMessagesMax)
    }
}

extension Connection {
    /// Whether its service has any address.
    fileprivate var hasUpstream: Bool { self.service.map { !$0.upstreams.isEmpty } ?? false }

    /// It is no longer among the connections of the address that it tried.
    mutating func stopCountingForUpstream() {
        guard self.countsForUpstream else { return }
        self.countsForUpstream = false
        self.upstreamPlan?.standing.closed()
    }
}
