// What one process knows of the others of its router: the one before it, the one after it, and
// those that finish what is open in them.

internal import StraitCore
internal import StraitPosix
internal import StraitState

/// One process' place among those of its router.
struct HandOver {
    /// Who accepts while a newer process takes over.
    var machine = UpgradeMachine()
    /// Upgrades that came to nothing or were taken back, by reason.
    private(set) var failures: [String: UInt64] = [:]
    /// The process that this one has taken over from, while it may be gone back to.
    var predecessor: Predecessor?
    /// The process that is being started, or that accepts while this one drains.
    private(set) var successor: Successor?
    /// Processes that have taken over from this one, whatever became of them.
    private(set) var newer: [SiblingProcess] = []
    /// Addresses of the one before that this one does not listen on, as far as it was told.
    var told: Set<SocketAddress> = []
    /// The program of a process that was gone back from, or has died: not taken again unasked.
    private(set) var unwanted: FileMark?
    /// Others that finish what is open in them, the one before this one first.
    var draining: [DrainingProcess]
    /// Addresses of this process that the successor does not listen on, and whose sockets are to be
    /// closed.
    private(set) var dropped: Set<String> = []

    init(from predecessor: Predecessor?) {
        self.predecessor = predecessor
        self.draining = predecessor?.state.draining ?? []
    }

    func isCurrent(_ successor: Successor) -> Bool {
        self.successor?.process === successor.process
    }

    mutating func started(_ successor: Successor) {
        self.successor = successor
        self.dropped = []
    }

    mutating func takenOver(by successor: Successor) {
        self.newer.removeAll { $0.waitForEnd(milliseconds: 0) }
        self.newer.append(successor.process)
    }

    /// The successor does not listen on `addresses`; those that are not of `own` are ignored.
    mutating func drop(_ addresses: [String], of own: Set<String>) {
        self.dropped.formUnion(own.intersection(addresses))
    }

    mutating func closedDropped() { self.dropped = [] }

    /// An upgrade came to nothing, or is taken back.
    ///
    /// - Returns: What is to be done, and with whom.
    mutating func failed(_ failure: UpgradeFailure) -> (action: UpgradeAction, of: Successor?) {
        self.failures[failure.name, default: 0] += 1
        if self.machine.mayReturn { self.unwanted = self.successor?.program }
        defer {
            self.successor = nil
            self.dropped = []
        }
        return (self.machine.failed(failure), self.successor)
    }
}
