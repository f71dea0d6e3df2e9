// Whether this router can route: a list of named checks, each with its reason.

/// The answer of `/readyz`.
package struct ReadinessAnswer: Codable, Hashable, Sendable {
    /// One thing that must be so.
    package struct Check: Codable, Hashable, Sendable {
        /// Its name.
        package var name: String
        /// Whether it is so.
        package var ok: Bool
        /// What is, or what is missing, for people.
        package var reason: String

        /// See the properties.
        package init(name: String, ok: Bool, reason: String) {
            self.name = name
            self.ok = ok
            self.reason = reason
        }
    }

    /// `ready`, `starting`, `draining` or `not_ready`.
    package var status: String
    /// In a fixed order.
    package var checks: [Check]

    /// Whether every check holds.
    package var isReady: Bool { self.status == "ready" }

    /// For people: one line, or one a check.
    package func text(verbose: Bool) -> String {
        let failed = self.checks.map(\.reason).filter { $0 != "ok" && $0 != self.status }
        let first =
            failed.isEmpty ? self.status : "\(self.status): \(failed.joined(separator: "; "))"
        guard verbose else { return first + "\n" }
        return self.checks.map { "[\($0.ok ? "+" : "-")]\($0.name) \($0.reason)\n" }.joined()
            + first + "\n"
    }
}

/// What readiness is judged by.
package struct ReadinessFacts: Hashable, Sendable {
    /// Where the process is in its life.
    package enum Stage: Hashable, Sendable {
        case starting, serving, draining
    }

    /// Where the process is in its life.
    package var stage: Stage
    /// Listeners of the snapshot.
    package var listenersWanted: Int
    /// Listening sockets that are open.
    package var listenersBound: Int
    /// 0 before the first snapshot.
    package var revision: UInt64
    /// How many workers there are.
    package var workers: Int
    /// How many of them obey the revision.
    package var workersLive: Int
    /// Why the registry cannot be followed now.
    package var registryFailure: String?

    /// See the properties.
    package init(
        stage: Stage, listenersWanted: Int, listenersBound: Int, revision: UInt64, workers: Int,
        workersLive: Int, registryFailure: String? = nil
    ) {
        self.stage = stage
        self.listenersWanted = listenersWanted
        self.listenersBound = listenersBound
        self.revision = revision
        self.workers = workers
        self.workersLive = workersLive
        self.registryFailure = registryFailure
    }

    /// The judgement.
    ///
    /// A change that was refused is no reason, nor is a registry that cannot be reached: the router
    /// goes on with what it has.
    package var answer: ReadinessAnswer {
        let isBound = self.listenersBound == self.listenersWanted && self.listenersWanted > 0
        let isLive = self.revision > 0 && self.workersLive == self.workers
        var checks = [
            ReadinessAnswer.Check(
                name: "listeners", ok: isBound,
                reason: isBound
                    ? "ok"
                    : self.stage == .draining
                        ? "draining"
                        : "\(self.listenersBound) of \(self.listenersWanted) listeners bound"),
            ReadinessAnswer.Check(
                name: "snapshot", ok: isLive,
                reason: isLive
                    ? "ok"
                    : "revision \(self.revision) on \(self.workersLive)/\(self.workers) workers"
            ),
            ReadinessAnswer.Check(
                name: "drain", ok: self.stage != .draining,
                reason: self.stage == .draining ? "draining" : "ok"),
        ]
        if let registryFailure {
            checks.append(
                ReadinessAnswer.Check(
                    name: "registry", ok: false,
                    reason: "changes wait, traffic does not: \(registryFailure)"))
        }
        let status: String
        switch self.stage {
        case .starting: status = "starting"
        case .draining: status = "draining"
        case .serving: status = isBound && isLive ? "ready" : "not_ready"
        }
        return ReadinessAnswer(status: status, checks: checks)
    }
}
