// The names of upstreams, looked up on a thread of their own when their lifetimes end.

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

    /// Looks these names up from now on, and no others.
    package func watch(_ names: Set<HostName>) { _ = self.mailbox?.put(.watch(names)) }

    /// Ends the thread, when it has nothing to wait for any more.
    package func stop() {
        self.changes.continuation.finish()
        _ = self.mailbox?.put(.stop)
    }

    /// Waits until each of these names was answered for once, but no longer than
    /// ``Limits/nameFirstAnswers``.
    package func firstAnswers(of names: Set<HostName>) async {
        let end = monotonicNow().advanced(byNanoseconds: Limits.nameFirstAnswers.nanoseconds)
        while !self.known.withLock({ $0.answered.isSuperset(of: names) }), monotonicNow() < end {
            do { try await Task.sleep(for: .milliseconds(5)) } catch { return }
        }
    }

    // MARK: The thread

    private func live(_ mailbox: Mailbox<Command>) {
        var machines: [HostName: NameMachine] = [:]
        do throws(PosixError) {
            let poller = try Poller(eventsMax: 1)
            try poller.addLevel(mailbox.descriptor, token: 0)
            while true {
                _ = poller.wait(milliseconds: Self.wait(machines))
                for command in mailbox.takeAll() {
                    guard case .watch(let names) = command else { return }
                    self.adopt(names, &machines)
                }
                let due = machines.filter { $0.value.nextQuestion <= monotonicNow() }
                if let name = due.min(by: { $0.value.nextQuestion < $1.value.nextQuestion })?.key {
                    self.ask(name, &machines)
                }
            }
        } catch {
            self.logger.error("names of upstreams are not looked up: \(error)")
        }
    }

    private static func wait(_ machines: [HostName: NameMachine]) -> Int32 {
        guard let next = machines.values.map(\.nextQuestion).min() else { return -1 }
        let nanoseconds = next.nanoseconds(since: monotonicNow())
        return Int32(clamping: (nanoseconds + 999_999) / 1_000_000)
    }

    private func adopt(_ names: Set<HostName>, _ machines: inout [HostName: NameMachine]) {
        machines = machines.filter { names.contains($0.key) }
        for name in names where machines[name] == nil {
            machines[name] = NameMachine(at: monotonicNow())
        }
        self.known.withLock { known in
            known.addresses = known.addresses.filter { names.contains($0.key) }
            known.answered.formIntersection(names)
        }
    }

    private func ask(_ name: HostName, _ machines: inout [HostName: NameMachine]) {
        guard var machine = machines[name] else { return }
        let failuresBefore = machine.failures
        let answer = self.lookUp(name)
        let hasChanged = machine.answered(
            ipv4: answer.ipv4, ipv6: answer.ipv6, at: monotonicNow())
        machines[name] = machine
        self.known.withLock { known in
            known.answered.insert(name)
            if !machine.addresses.isEmpty { known.addresses[name] = machine.addresses }
        }
        self.tell(name, machine, failuresBefore: failuresBefore, hasChanged: hasChanged)
        if hasChanged { self.changes.continuation.yield() }
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
