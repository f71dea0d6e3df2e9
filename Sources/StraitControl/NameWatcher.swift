// The names of upstreams, looked up when their lifetimes end: a thread keeps the times, and each
// look-up, which blocks, has a thread for itself. One owner's names wait for each other alone.

package import Logging
package import StraitCore
internal import StraitPosix
package import StraitState
internal import StraitWire
internal import Synchronization

/// What names lead to, now.
package final class NameWatcher: Sendable {
    /// Looks up one name: addresses of IPv4, and of IPv6.
    package typealias LookUp =
        @Sendable (HostName) -> (ipv4: NameMachine.Answer, ipv6: NameMachine.Answer)

    private enum Command: Sendable {
        case watch(Set<HostName>)
        case watchToo(Set<HostName>, owner: String)
        case answered(HostName, ipv4: NameMachine.Answer, ipv6: NameMachine.Answer)
        case stop
    }

    private struct Known: Sendable {
        var addresses: [HostName: [IPAddress]] = [:]
        /// Names that an answer has come for, good or bad.
        var answered: Set<HostName> = []
    }

    private let known = Mutex(Known())
    private let mailbox: Mailbox<Command>?
    private let logger: Logger
    private let lookUp: LookUp
    /// One element each time that a name leads elsewhere.
    package let changes = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// Starts the thread; without one, and a line of the log, names lead nowhere.
    package init(logger: Logger, lookUp: @escaping LookUp = { NameWatcher.ask($0) }) {
        self.logger = logger
        self.lookUp = lookUp
        var made: Mailbox<Command>?
        do throws(PosixError) {
            made = try Mailbox()
        } catch {
            logger.error("names of upstreams are not looked up: \(error)")
        }
        self.mailbox = made
        guard let mailbox = made else { return }
        do throws(PosixError) {
            _ = try StraitPosix.Thread.spawn(name: "names") { [self] in self.live(mailbox) }
        } catch {
            logger.error("names of upstreams are not looked up: \(error)")
        }
    }

    /// What is known now; a name that was not found has no entry, or its last good one.
    package var addresses: [HostName: [IPAddress]] { self.known.withLock { $0.addresses } }

    /// Looks these names up from now on, and no others but those that are tried.
    package func watch(_ names: Set<HostName>) { _ = self.mailbox?.put(.watch(names)) }

    /// Looks these names up, too, until ``Limits/nameTrial`` has passed, or their owner tries
    /// others; longer where they are watched meanwhile.
    ///
    /// - Parameters:
    ///   - names: Perhaps none.
    ///   - owner: The tenant that wants them.
    package func watchToo(_ names: Set<HostName>, of owner: String) {
        if !names.isEmpty { _ = self.mailbox?.put(.watchToo(names, owner: owner)) }
    }

    /// Ends the thread, when it has nothing to wait for any more.
    package func stop() {
        self.changes.continuation.finish()
        _ = self.mailbox?.put(.stop)
    }

    /// Waits until each of these names was answered for once, but no longer than
    /// ``Limits/nameFirstAnswers``, nor beyond `end`.
    package func firstAnswers(of names: Set<HostName>, until end: Instant? = nil) async {
        let longest = monotonicNow().advanced(byNanoseconds: Limits.nameFirstAnswers.nanoseconds)
        let end = min(end ?? longest, longest)
        while !self.known.withLock({ $0.answered.isSuperset(of: names) }), monotonicNow() < end {
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }

    // MARK: The thread

    private func live(_ mailbox: Mailbox<Command>) {
        var schedule = NameSchedule()
        do throws(PosixError) {
            let poller = try Poller(eventsMax: 1)
            try poller.addLevel(mailbox.descriptor, token: 0)
            while true {
                _ = poller.wait(milliseconds: Self.wait(schedule))
                for command in mailbox.takeAll() {
                    switch command {
                    case .watch(let names):
                        self.forget(schedule.watch(names, at: monotonicNow()))
                    case .watchToo(let names, let owner):
                        self.forget(schedule.watchToo(names, of: owner, at: monotonicNow()))
                    case .answered(let name, let ipv4, let ipv6):
                        self.answered(name, ipv4, ipv6, &schedule)
                    case .stop: return
                    }
                }
                self.forget(schedule.dropEnded(at: monotonicNow()))
                while let name = schedule.next(at: monotonicNow()) {
                    self.ask(name, mailbox)
                }
            }
        } catch {
            self.logger.error("names of upstreams are not looked up: \(error)")
        }
    }

    private static func wait(_ schedule: NameSchedule) -> Int32 {
        guard let next = schedule.nextTime else { return -1 }
        let nanoseconds = next.nanoseconds(since: monotonicNow())
        return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    private func forget(_ names: Set<HostName>) {
        guard !names.isEmpty else { return }
        self.known.withLock { known in
            for name in names { known.addresses[name] = nil }
            known.answered.subtract(names)
        }
    }

    /// Looks a name up on a thread of its own.
    private func ask(_ name: HostName, _ mailbox: Mailbox<Command>) {
        let lookUp = self.lookUp
        do throws(PosixError) {
            try StraitPosix.Thread.spawn(name: "name") {
                let answer = lookUp(name)
                _ = mailbox.put(.answered(name, ipv4: answer.ipv4, ipv6: answer.ipv6))
            }.detach()
        } catch {
            _ = mailbox.put(.answered(name, ipv4: .failed, ipv6: .failed))
        }
    }

    private func answered(
        _ name: HostName, _ ipv4: NameMachine.Answer, _ ipv6: NameMachine.Answer,
        _ schedule: inout NameSchedule
    ) {
        let outcome = schedule.answered(name, ipv4: ipv4, ipv6: ipv6, at: monotonicNow())
        guard let outcome else { return }  // nobody wants it any more
        let machine = outcome.machine
        self.known.withLock { known in
            known.answered.insert(name)
            if !machine.addresses.isEmpty { known.addresses[name] = machine.addresses }
        }
        self.tell(
            name, machine, failuresBefore: outcome.failuresBefore, hasChanged: outcome.hasChanged)
        if outcome.hasChanged { self.changes.continuation.yield() }
    }

    private func tell(
        _ name: HostName, _ machine: NameMachine, failuresBefore: Int, hasChanged: Bool
    ) {
        let list = machine.addresses.map(\.description).joined(separator: " ")
        if machine.failures == 1 {
            let rest = list.isEmpty ? "it leads nowhere" : "\(list) stay"
            self.logger.warning("upstream name \(name) is not found; \(rest)")
        } else if hasChanged || failuresBefore > 0, machine.failures == 0 {
            self.logger.notice("upstream name \(name) leads to \(list)")
        }
    }

    // MARK: The system's resolvers

    /// How long what `/etc/hosts` says is used.
    private static let hostsLifetimeSeconds: UInt32 = 30

    /// DNS; where it has no such name, what the system makes of it (`/etc/hosts`, search lists).
    static func ask(_ name: HostName) -> (ipv4: NameMachine.Answer, ipv6: NameMachine.Answer) {
        let text = name.description
        let (ipv4, ipv6) = (DNSQuery.ask(text, .ipv4), DNSQuery.ask(text, .ipv6))
        guard ipv4 == .noSuchName, ipv6 == .noSuchName else {
            return (Self.answer(ipv4), Self.answer(ipv6))
        }
        do throws(ResolutionError) {
            let found = try resolveAddresses(host: text)
            return (
                .addresses(
                    found.filter(\.isIPv4), lifetimeSeconds: Self.hostsLifetimeSeconds),
                .addresses(
                    found.filter { !$0.isIPv4 }, lifetimeSeconds: Self.hostsLifetimeSeconds)
            )
        } catch {
            return (.none, .none)
        }
    }

    private static func answer(_ outcome: DNSQuery.Outcome) -> NameMachine.Answer {
        switch outcome {
        case .noSuchName, .noRecord: return .none
        case .failed: return .failed
        case .answer(let message):
            do throws(DNSProblem) {
                let answer = try DNSAnswer(message: message.span)
                guard !answer.addresses.isEmpty else { return .none }
                return .addresses(answer.addresses, lifetimeSeconds: answer.lifetimeSeconds)
            } catch {
                return .failed
            }
        }
    }
}
