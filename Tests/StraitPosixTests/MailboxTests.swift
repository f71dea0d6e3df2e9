// The door into a worker: order, bound, wake-ups, threads.

import StraitPosix
import Testing

/// Whether a descriptor becomes readable within a second of its own wait.
private func becomesReadable(_ descriptor: Int32, milliseconds: Int32 = 0) throws -> Bool {
    let poller = try Poller(eventsMax: 1)
    try poller.addLevel(descriptor, token: 1)
    return poller.wait(milliseconds: milliseconds) == 1
}

@Suite("Mailbox", .timeLimit(.minutes(3))) struct MailboxTests {
    @Test("what was put is taken once, in order")
    func order() throws {
        let mailbox = try Mailbox<Int>()
        #expect(mailbox.takeAll() == [])
        for number in 0..<100 { #expect(mailbox.put(number)) }
        #expect(mailbox.takeAll() == Array(0..<100))
        #expect(mailbox.takeAll() == [])
    }

    @Test("at the bound a message is refused, and taken again once there is room")
    func bound() throws {
        let mailbox = try Mailbox<Int>()
        #expect(mailbox.put(1, countMax: 0) == false)
        #expect(mailbox.put(1, countMax: 2))
        #expect(mailbox.put(2, countMax: 2))
        #expect(mailbox.put(3, countMax: 2) == false)
        #expect(mailbox.takeAll() == [1, 2])
        #expect(mailbox.put(3, countMax: 2))
        #expect(mailbox.takeAll() == [3])
        #expect(mailbox.refused == 2)
    }

    @Test("the descriptor is readable exactly while a message waits")
    func wakes() throws {
        let mailbox = try Mailbox<Int>()
        #expect(try !becomesReadable(mailbox.descriptor))
        _ = mailbox.put(1)
        _ = mailbox.put(2)
        #expect(try becomesReadable(mailbox.descriptor))
        _ = mailbox.takeAll()
        #expect(try !becomesReadable(mailbox.descriptor))
        _ = mailbox.put(3)
        #expect(try becomesReadable(mailbox.descriptor))
    }

    @Test("a refused message wakes nobody")
    func refusedWakesNobody() throws {
        let mailbox = try Mailbox<Int>()
        _ = mailbox.put(1, countMax: 0)
        #expect(try !becomesReadable(mailbox.descriptor))
    }

    @Test("threads that put and one that sleeps in its poller lose nothing")
    func threads() throws {
        let mailbox = try Mailbox<(thread: Int, number: Int)>()
        let threadCount = 4
        let each = 5000
        var threads: [Thread] = []
        for thread in 0..<threadCount {
            threads.append(
                try Thread.spawn(name: "put-\(thread)") {
                    for number in 0..<each { _ = mailbox.put((thread, number)) }
                })
        }
        let poller = try Poller(eventsMax: 4)
        try poller.addLevel(mailbox.descriptor, token: 9)
        var next = Array(repeating: 0, count: threadCount)
        while next.reduce(0, +) < threadCount * each {
            try #require(poller.wait(milliseconds: 10_000) == 1, "a wake-up was lost")
            #expect(poller.event(0).token == 9)
            for (thread, number) in mailbox.takeAll() {
                #expect(next[thread] == number)
                next[thread] = number + 1
            }
        }
        for thread in threads { thread.join() }
        #expect(mailbox.takeAll().isEmpty)
    }
}
