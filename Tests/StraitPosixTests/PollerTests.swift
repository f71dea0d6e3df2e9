// The events of epoll as the loop relies on them.

import Glibc
import StraitCore
import StraitPosix
import Testing

extension Poller {
    /// The events that are there now, by token.
    fileprivate func events(milliseconds: Int32 = 0) -> [UInt64: Readiness] {
        var found: [UInt64: Readiness] = [:]
        for index in 0..<self.wait(milliseconds: milliseconds) {
            let event = self.event(index)
            found[event.token] = event.readiness
        }
        return found
    }
}

@Suite("Poller", .timeLimit(.minutes(3))) struct PollerTests {
    @Test("a descriptor is announced once for what has come, and again for more")
    func edge() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.far.number, token: 7, writable: false)
        #expect(poller.events() == [:])
        _ = sent(pair.near.number, [1])
        #expect(poller.events(milliseconds: 10_000) == [7: .readable])
        #expect(poller.events() == [:], "edge-triggered")
        _ = sent(pair.near.number, [2])
        #expect(poller.events(milliseconds: 10_000) == [7: .readable])
    }

    @Test("urgent bytes are announced as such, and stay in their place in the stream")
    func urgent() throws {
        let listener = try Sockets.listen(
            on: .ip(IPAddress(v4: 127, 0, 0, 1), port: 0), options: ListenerOptions(backlog: 1))
        defer { Sockets.close(listener) }
        let address = try #require(Sockets.localAddress(listener))
        let near = OwnedDescriptor(owning: try Sockets.connect(to: address).descriptor)
        var waiting = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        #expect(poll(&waiting, 1, 10_000) == 1)
        guard case .accepted(let number, _) = Sockets.accept(listener) else {
            Issue.record("nobody came")
            return
        }
        let far = OwnedDescriptor(owning: number)
        let poller = try Poller(eventsMax: 8)
        try poller.add(far.number, token: 1, writable: false)
        #expect(sent(near.number, [1, 2]) == .bytes(2))
        let byte: [UInt8] = [3]
        #expect(send(near.number, byte, 1, Int32(MSG_OOB)) == 1)
        var seen: Readiness = []
        while !seen.mayStopReads {
            let found = poller.events(milliseconds: 10_000)
            guard let readiness = found[1] else { break }
            seen.formUnion(readiness)
        }
        #expect(seen == [.readable, .urgent])
        var buffer = TransferBuffer(count: 8)
        #expect(buffer.receive(far.number) == .bytes(2))
        #expect(buffer.receive(far.number, offset: 2) == .bytes(1))
        #expect(buffer.copy(0..<3) == [1, 2, 3])
        // What the upstream sends is treated alike.
        #expect(send(far.number, byte, 1, Int32(MSG_OOB)) == 1)
        var answer = pollfd(fd: near.number, events: Int16(POLLIN), revents: 0)
        #expect(poll(&answer, 1, 10_000) == 1)
        #expect(buffer.receive(near.number) == .bytes(1))
    }

    @Test("writability is announced where it was asked for")
    func writable() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.near.number, token: UInt64.max - 1, writable: true)
        try poller.add(pair.far.number, token: 2, writable: false)
        #expect(poller.events(milliseconds: 10_000) == [UInt64.max - 1: .writable])
    }

    @Test("rearming announces again what holds now")
    func rearm() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.far.number, token: 1, writable: false)
        _ = sent(pair.near.number, [1])
        #expect(poller.events(milliseconds: 10_000) == [1: .readable])
        #expect(poller.events() == [:])
        try poller.rearm(pair.far.number, token: 5, readable: true, writable: true)
        #expect(poller.events(milliseconds: 10_000) == [5: [.readable, .writable]])
    }

    @Test("bytes that are not asked for are announced when they are, an end in any case")
    func rearmWithoutReading() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.far.number, token: 1, writable: false)
        try poller.rearm(pair.far.number, token: 1, readable: false, writable: false)
        _ = sent(pair.near.number, [1])
        #expect(poller.events(milliseconds: 20) == [:])
        try poller.rearm(pair.far.number, token: 1, readable: true, writable: false)
        #expect(poller.events(milliseconds: 10_000) == [1: .readable])
        try poller.rearm(pair.far.number, token: 1, readable: false, writable: false)
        Sockets.shutdownWrite(pair.near.number)
        #expect(poller.events(milliseconds: 10_000) == [1: .readHangup])
    }

    @Test("a removed descriptor is silent, and removing twice is no error")
    func remove() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.far.number, token: 1, writable: true)
        poller.remove(pair.far.number)
        poller.remove(pair.far.number)
        poller.remove(-1)
        _ = sent(pair.near.number, [1])
        #expect(poller.events(milliseconds: 20) == [:])
        #expect(throws: PosixError(call: "epoll_ctl", number: ENOENT)) {
            try poller.rearm(pair.far.number, token: 1, readable: true, writable: true)
        }
        try poller.add(pair.far.number, token: 2, writable: false)
        #expect(poller.events(milliseconds: 10_000) == [2: .readable])
    }

    @Test("adding twice, or what is not open, is an error")
    func cannotAdd() throws {
        let pair = try SocketPair()
        let poller = try Poller(eventsMax: 8)
        try poller.add(pair.far.number, token: 1, writable: false)
        #expect(throws: PosixError(call: "epoll_ctl", number: EEXIST)) {
            try poller.add(pair.far.number, token: 1, writable: false)
        }
        #expect(throws: PosixError(call: "epoll_ctl", number: EBADF)) {
            try poller.addLevel(-1, token: 1)
        }
    }

    @Test("the peer's FIN, the end of both directions and a reset are told apart")
    func endings() throws {
        let poller = try Poller(eventsMax: 8)
        let half = try SocketPair()
        try poller.add(half.far.number, token: 1, writable: false)
        Sockets.shutdownWrite(half.near.number)
        #expect(poller.events(milliseconds: 10_000) == [1: [.readable, .readHangup]])
        Sockets.shutdownWrite(half.far.number)
        #expect(poller.events(milliseconds: 10_000) == [1: [.readable, .readHangup, .hangup]])
        var broken = try SocketPair()
        try poller.add(broken.far.number, token: 2, writable: false)
        Sockets.setAbortiveClose(broken.near.number)
        broken.near.close()
        let events = poller.events(milliseconds: 10_000)
        #expect(events[2]?.isSuperset(of: [.error, .hangup]) == true)
    }

    @Test("a level-triggered descriptor is announced as long as it is ready")
    func level() throws {
        let mailbox = try Mailbox<Int>()
        let poller = try Poller(eventsMax: 8)
        try poller.addLevel(mailbox.descriptor, token: 3)
        _ = mailbox.put(1)
        for _ in 0..<3 { #expect(poller.events() == [3: .readable]) }
        _ = mailbox.takeAll()
        #expect(poller.events() == [:])
    }

    @Test("a listener that several share is announced to one at least, until nobody waits")
    func shared() throws {
        let listener = OwnedDescriptor(owning: try listen(on: loopback4))
        let bound = try #require(Sockets.localAddress(listener.number))
        let one = try Poller(eventsMax: 8)
        let other = try Poller(eventsMax: 8)
        try one.addShared(listener.number, token: 1)
        try other.addShared(listener.number, token: 2)
        let near = OwnedDescriptor(owning: try Sockets.connect(to: bound).descriptor)
        try waitUntilReadable(listener.number)
        let told = one.events().count + other.events().count
        #expect(told >= 1)
        let far = OwnedDescriptor(owning: try accepted(listener.number).0)
        #expect(one.events() == [:])
        #expect(other.events() == [:])
        #expect(near.isOpen == true && far.isOpen == true)
    }

    @Test("no more events come at once than there is room for, and the others come next")
    func room() throws {
        let poller = try Poller(eventsMax: 2)
        let mailboxes = try (0..<5).map { _ in try Mailbox<Int>() }
        for (token, mailbox) in mailboxes.enumerated() {
            try poller.addLevel(mailbox.descriptor, token: UInt64(token))
            _ = mailbox.put(1)
        }
        var seen: Set<UInt64> = []
        for _ in 0..<10 {
            let events = poller.events()
            #expect(events.count == 2)
            seen.formUnion(events.keys)
        }
        #expect(seen == [0, 1, 2, 3, 4])
    }

    @Test("asking for an event beyond the room stops the process", arguments: [-1, 2])
    func beyond(index: Int) async {
        await #expect(processExitsWith: .failure) { [index] in
            _ = try Poller(eventsMax: 2).event(index)
        }
    }
}
