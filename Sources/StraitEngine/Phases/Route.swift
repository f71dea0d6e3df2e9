// Route and admit: which service it is, and whether it may have one more connection. Cheap checks
// first.

internal import StraitCore
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState
internal import StraitWire

extension Worker {
    /// Looks the way up and goes it.
    mutating func route(_ index: Int, _ arrival: Arrival, name: HostName?, offered: [UInt8]) {
        let connection = self.connections.reference(index)
        connection.value.phase = .route
        connection.value.serverName = name
        connection.value.milestones.routed = self.now
        guard let snapshot = self.snapshot, let listener = self.listeners[connection.value.listener]
        else {
            self.close(index, CloseReason(.local, .internalError))
            return
        }
        connection.value.revision = snapshot.revision
        guard !listener.plan.isForOperators else {
            self.routeToOperators(index, arrival, snapshot)
            return
        }
        guard let scope = self.scope(index) else {
            // The listener, or the tenant's port, went while the first bytes came.
            self.refuse(
                index, .listenerGone, arrival.hasTLS ? .alert(.unrecognizedName) : .nothing)
            return
        }
        let decision = snapshot.routes.route(
            arrival: arrival, scope: scope, name: name, offered: offered.span)
        switch decision {
        case .service(let service, let kind):
            let plan = snapshot.services[service]
            let isAlias = plan.tenant.countAlias(name, at: self.now)
            connection.value.nameKind = (isAlias ? .alias : kind).rawValue
            self.admit(index, plan, arrival)
        case .builtIn(let tenant):
            guard let builtIn = snapshot.builtIn else {
                self.refuse(index, .alpnMismatch, .alert(.noApplicationProtocol))
                return
            }
            let plan = snapshot.tenants[tenant]
            let isAlias = plan.countAlias(name, at: self.now)
            connection.value.nameKind = (isAlias ? NameKind.alias : .exact).rawValue
            self.admit(index, builtIn.service(of: plan), arrival)
        case .refuse(let refusal, _):
            if refusal == .nameUnknown { self.metrics.unknownNames += 1 }
            let (kind, alert) = refusal.closing
            self.refuse(index, kind, arrival.hasTLS ? .alert(alert) : .nothing)
        }
    }

    /// The operators' listener leads to their API, under any name; who asks is seen there.
    private mutating func routeToOperators(
        _ index: Int, _ arrival: Arrival, _ snapshot: Snapshot
    ) {
        guard let service = snapshot.operators, arrival.hasTLS else {
            self.refuse(
                index, .tlsNotConfigured, arrival.hasTLS ? .alert(.internalError) : .nothing)
            return
        }
        self.admit(index, service, arrival)
    }

    /// The tenant's limits, before any cryptography.
    private mutating func admit(_ index: Int, _ service: ServicePlan, _ arrival: Arrival) {
        let connection = self.connections.reference(index)
        connection.value.phase = .admit
        self.assign(index, service)
        let tenant = service.tenant
        let open = tenant.usage.opened()
        connection.value.countsForTenant = true
        // By how it arrived and not by its first byte: what a raw listener takes is not looked at.
        let terminates = arrival.hasTLS && service.mode.endsTLS
        // Without TLS that ends here no certificate can be seen: what needs one is not passed on.
        // MySQL's TLS comes later, within its own words.
        guard terminates || service.endsTLSOfMySQL || !service.clientCertificate.isRequired else {
            self.refuse(index, .clientCertificateMissing, .nothing)
            return
        }
        if let limits = tenant.limits,
            let kind = self.exceededLimit(
                index, limits, open: open, signs: terminates || service.endsTLSOfMySQL)
        {
            self.refuseAdmission(index, kind, terminates)
            return
        }
        if terminates {
            self.listAsUnrouted(index)
            self.startHandshake(index)
        } else {
            self.startConnect(index)
        }
    }

    private mutating func refuseAdmission(
        _ index: Int, _ kind: CloseReason.Kind, _ terminates: Bool
    ) {
        let connection = self.connections.reference(index)
        // A refusal takes its time to be heard. Counted meanwhile, those who try again would keep
        // the tenant at its limit after everybody else has gone.
        connection.value.stopCountingForTenant()
        let reason = CloseReason(.local, kind)
        if terminates, let service = connection.value.service,
            service.serviceProtocol.hasErrorsInside, self.mayRefuseInside(service.tenant)
        {
            connection.value.deferredRefusal = kind
            self.startHandshake(index)
            return
        }
        guard !connection.value.offersTLS else {
            self.refuse(index, kind, .alert(.internalError))
            return
        }
        if connection.value.service?.serviceProtocol == .mysql {
            // It waits for a greeting, and understands an error in its place.
            self.refuse(index, reason, bytes: self.protocolError(index, reason))
        } else {
            self.close(index, reason)
        }
    }

    /// Whether a refusal is worth a handshake.
    ///
    /// Postgres could be refused in plain text, in answer to its SSLRequest. But then the name has
    /// not come, so that on a shared port nobody knows the tenant; and libpq shows no text from
    /// before TLS, since anybody on the way may have put it there (CVE-2024-10977). An alert says
    /// nothing of limits. Inside TLS the error is understood, at the price of a signature, for
    /// which a tenant over its limit has a budget: a flood of refusals costs no more than that.
    private func mayRefuseInside(_ tenant: TenantPlan) -> Bool {
        tenant.usage.mayRefuseInside(at: self.now)
    }

    /// From now on the connection counts for this service.
    mutating func assign(_ index: Int, _ service: ServicePlan) {
        let connection = self.connections.reference(index)
        self.metrics.open[connection.value.metricsSlot, default: 0] -= 1
        connection.value.service = service
        self.metrics.open[service.metricsSlot, default: 0] += 1
    }
}

extension Connection {
    /// Gives back its place among the tenant's open connections, if it has one.
    mutating func stopCountingForTenant() {
        guard self.countsForTenant else { return }
        self.countsForTenant = false
        self.service?.tenant.usage.closed()
        if let use = self.metered, let place = use.place {
            use.place = nil
            use.limits.closed(place)
        }
    }
}

extension ServiceProtocol {
    /// Whether a refusal is worth a handshake, because only an error inside TLS is understood.
    fileprivate var hasErrorsInside: Bool { self == .postgres || self == .mysql }
}

extension RouteRefusal {
    /// What is counted, and the alert that the downstream gets.
    fileprivate var closing: (CloseReason.Kind, TLSAlert) {
        switch self {
        case .nameMissing: (.nameMissing, .unrecognizedName)
        case .nameUnknown: (.nameUnknown, .unrecognizedName)
        case .alpnMismatch: (.alpnMismatch, .noApplicationProtocol)
        case .noDefaultService: (.noDefaultService, .unrecognizedName)
        }
    }
}
