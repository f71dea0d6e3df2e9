// Cancel: a Postgres CancelRequest on its way to the upstream whose query it names, and to no
// other.
//
// A key that we gave out leads to one address. Any other key is routable only where the port says
// whose it is; then it goes to every address of that one service, because only they know which of
// them gave it out.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitWire
internal import Synchronization

extension Worker {
    /// A CancelRequest in plain text, or inside TLS that ended here.
    mutating func cancelRequested(_ index: Int, _ processID: UInt32, _ bytes: [UInt8]) {
        let connection = self.connections.reference(index)
        connection.value.phase = .route
        connection.value.peek = nil
        connection.value.replay = []
        connection.value.isCancel = true
        connection.value.milestones.routed = self.now
        let permit = self.cancelBudget.permit(self.cancelSource(index), at: self.now)
        guard permit != .none else {
            self.close(index, CloseReason(.local, .cancelLimit))
            return
        }
        let key = CancelKey(processID: processID, bytes: bytes)
        let owner = self.cancels.worker(of: key)
        let question = CancelQuestion(
            asker: self.index, token: self.connections.token(index), key: key, permit: permit)
        guard owner != self.index else {
            self.cancel(index, question, self.cancels.target(key))
            return
        }
        let asked = self.mailboxes[owner].put(
            .askCancelTarget(question), countMax: Limits.mailboxCancelsMax)
        if !asked { self.close(index, CloseReason(.local, .cancelLimit)) }
    }

    /// Another worker has answered, or the control plane for other processes.
    mutating func learnedCancelTarget(_ question: CancelQuestion, _ target: CancelTarget?) {
        if question.wasAskedElsewhere { self.cancelsAskedElsewhere -= 1 }
        guard let index = self.connections.index(of: question.token),
            self.connections.reference(index).value.phase == .route
        else { return }
        self.cancel(index, question, target)
    }

    private mutating func cancel(
        _ index: Int, _ question: CancelQuestion, _ target: CancelTarget?
    ) {
        let connection = self.connections.reference(index)
        guard let target else {
            if !self.askElsewhere(question) { self.cancelByListener(index, question.key) }
            return
        }
        // Where the tenant is known, by TLS or by the listener, another tenant's key is no key.
        if let tenant = self.knownTenant(index), tenant != target.service.tenant.name {
            self.cancelMissed(index)
            return
        }
        if question.permit == .ownKeys, target.source != self.cancelSource(index) {
            self.cancelMissed(index)
            return
        }
        self.assign(index, target.service)
        connection.value.onlyUpstream = target.upstream
        connection.value.replay = PostgresPrelude.cancelRequest(
            processID: question.key.processID, key: target.key)
        self.startConnect(index)
    }

    /// Asks the processes that drain beside this one; false where there are none, or where too many
    /// questions wait for them.
    private mutating func askElsewhere(_ question: CancelQuestion) -> Bool {
        guard !question.wasAskedElsewhere,
            self.shared.keysLieElsewhere.load(ordering: .relaxed),
            self.cancelsAskedElsewhere < Limits.cancelQuestionsMax
        else { return false }
        self.cancelsAskedElsewhere += 1
        var question = question
        question.wasAskedElsewhere = true
        self.reports(.cancelUnknown(question))
        return true
    }

    private func cancelSource(_ index: Int) -> SourcePrefix {
        SourcePrefix(self.connections.reference(index).value.clientAddress?.address)
    }

    private mutating func cancelMissed(_ index: Int) {
        self.cancelBudget.missed(self.cancelSource(index), at: self.now)
        self.close(index, CloseReason(.local, .cancelUnknown))
    }

    /// The tenant that the connection belongs to before its key is looked at, where one is known.
    private func knownTenant(_ index: Int) -> String? {
        let connection = self.connections.reference(index)
        if let service = connection.value.service { return service.tenant.name }
        guard let scope = self.scope(index), let snapshot = self.snapshot else { return nil }
        if let tenant = scope.tenant { return snapshot.tenants[tenant].name }
        return scope.service.map { snapshot.services[$0].tenant.name }
    }

    private mutating func cancelByListener(_ index: Int, _ key: CancelKey) {
        let connection = self.connections.reference(index)
        guard connection.value.downstream.tls == nil, let snapshot = self.snapshot,
            let scope = self.scope(index)
        else {
            self.cancelMissed(index)
            return
        }
        let none: [UInt8] = []
        let decision = snapshot.routes.route(
            arrival: .postgresCancel, scope: scope, name: nil, offered: none.span)
        guard case .service(let number, _) = decision,
            snapshot.services[number].mode == .passthrough,
            let first = snapshot.services[number].upstreams.first
        else {
            self.cancelMissed(index)
            return
        }
        // Whether it hits, only the upstream knows. It may be a guess.
        self.cancelBudget.passedOn(self.cancelSource(index), at: self.now)
        let service = snapshot.services[number]
        let request = PostgresPrelude.cancelRequest(processID: key.processID, key: key.bytes)
        for upstream in service.upstreams.dropFirst() {
            self.cancelWithoutDownstream(like: index, service, upstream, request)
        }
        self.assign(index, service)
        connection.value.onlyUpstream = first
        connection.value.replay = request
        self.startConnect(index)
    }

    /// One more copy of a CancelRequest, for a further address; nobody waits for its end.
    private mutating func cancelWithoutDownstream(
        like original: Int, _ service: ServicePlan, _ upstream: UpstreamPlan, _ request: [UInt8]
    ) {
        let from = self.connections.reference(original)
        guard let index = self.open(-1, from.value.peerAddress, from.value.listener) else { return }
        let connection = self.connections.reference(index)
        connection.value.clientAddress = from.value.clientAddress
        connection.value.isCancel = true
        self.assign(index, service)
        connection.value.onlyUpstream = upstream
        connection.value.replay = request
        self.startConnect(index)
    }
}
