// Names of upstreams over resolvers that answer as the test has it.

import Dispatch
import Logging
import StraitControl
import StraitCore
import StraitState
import Synchronization
import Testing

/// What a resolver says, name by name.
private final class Resolver: Sendable {
    private let answers = Mutex<[String: NameMachine.Answer]>([:])

    func say(_ name: String, _ answer: NameMachine.Answer) {
        self.answers.withLock { $0[name] = answer }
    }

    func answer(_ name: HostName) -> NameMachine.Answer {
        self.answers.withLock { $0[name.description] ?? .failed }
    }
}

@Suite("Names of upstreams", .timeLimit(.minutes(3))) struct NameWatcherTests {
    private let one = IPAddress(v4: 0x0A00_0001)
    private let two = IPAddress(v4: 0x0A00_0002)

    @Test("first answers are waited for, good and bad ones; a change is announced")
    func changes() async throws {
        let resolver = Resolver()
        let watcher = NameWatcher(logger: Logger(label: "test")) { (resolver.answer($0), .none) }
        defer { watcher.stop() }
        let good = try #require(HostName("db.internal"))
        let bad = try #require(HostName("nowhere.internal"))
        resolver.say("db.internal", .addresses([self.one], lifetimeSeconds: 0))
        watcher.watch([good, bad])
        await watcher.firstAnswers(of: [good, bad])
        #expect(watcher.addresses == [good: [self.one]])

        var changes = watcher.changes.stream.makeAsyncIterator()
        await changes.next()
        resolver.say("db.internal", .addresses([self.two, self.one], lifetimeSeconds: 0))
        await changes.next()
        #expect(watcher.addresses == [good: [self.one, self.two]])

        watcher.watch([bad])
        await watcher.firstAnswers(of: [bad])
        watcher.watch([good])
        await watcher.firstAnswers(of: [good])
        #expect(watcher.addresses == [good: [self.one, self.two]])
    }
}

@Suite("Names of many owners", .timeLimit(.minutes(3))) struct NameOwnerTests {
    @Test("names of one owner that are never answered keep no other's waiting")
    func owners() async throws {
        let hold = DispatchSemaphore(value: 0)
        let address = IPAddress(v4: 0x0A00_0001)
        let watcher = NameWatcher(logger: Logger(label: "test")) { name in
            if name.description.hasPrefix("slow") { hold.wait() }
            return (.addresses([address], lifetimeSeconds: 60), .none)
        }
        defer { hold.signal() }
        defer { watcher.stop() }
        let slow = Set((0..<64).compactMap { HostName("slow-\($0).internal") })
        watcher.watchToo(slow, of: "acme")
        let good = try #require(HostName("db.internal"))
        watcher.watchToo([good], of: "beta")
        while watcher.addresses[good] == nil { await Task.yield() }
        #expect(watcher.addresses == [good: [address]])
    }
}
