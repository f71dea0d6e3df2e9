// Descriptors are closed exactly once, none is left open, and errors say what failed.

import Glibc
import StraitCore
import StraitPosix
import Testing

/// A descriptor of our own, which the caller owns; its number is one that nobody else is given.
private func anyDescriptor() -> Int32 { fcntl(STDERR_FILENO, F_DUPFD, 500) }

/// How many descriptors this process has open.
private func openCount() -> Int { (0..<4096).count { isOpen($0) } }

@Suite("OwnedDescriptor") struct OwnedDescriptorTests {
    @Test("what is owned is closed when its owner ends")
    func end() async {
        await #expect(processExitsWith: .success) {
            let number = anyDescriptor()
            do {
                let owned = OwnedDescriptor(owning: number)
                precondition(owned.isOpen && isOpen(owned.number))
            }
            precondition(!isOpen(number))
        }
    }

    @Test("closing closes once: a number that was given anew is left alone")
    func once() async {
        await #expect(processExitsWith: .success) {
            let number = anyDescriptor()
            var stranger: Int32 = -1
            do {
                var owned = OwnedDescriptor(owning: number)
                owned.close()
                precondition(!owned.isOpen && owned.number == -1 && !isOpen(number))
                stranger = dup2(STDERR_FILENO, number)
                owned.close()
            }
            precondition(isOpen(stranger))
        }
    }

    @Test("what was given away is not closed")
    func release() async {
        await #expect(processExitsWith: .success) {
            let number = anyDescriptor()
            do {
                var owned = OwnedDescriptor(owning: number)
                precondition(owned.release() == number)
                precondition(!owned.isOpen)
                precondition(owned.release() == -1)
            }
            precondition(isOpen(number))
        }
    }

    @Test("assigning another closes what was owned before")
    func assign() async {
        await #expect(processExitsWith: .success) {
            let first = anyDescriptor()
            let second = anyDescriptor()
            var owned = OwnedDescriptor(owning: first)
            owned = OwnedDescriptor(owning: second)
            precondition(!isOpen(first) && isOpen(second) && owned.number == second)
        }
    }

    @Test("owning nothing closes nothing")
    func nothing() {
        var owned = OwnedDescriptor()
        #expect(owned.number == -1)
        #expect(owned.isOpen == false)
        owned.close()
        #expect(owned.number == -1)
    }
}

/// Does `body` many times and stops the process when it leaves a descriptor open each time.
///
/// The process that a test of its own runs in has threads that open a few at any time; those do not
/// count.
private func requireNoLeak(_ body: (Int) throws -> Void) throws {
    let rounds = 100
    let before = openCount()
    for round in 0..<rounds { try body(round) }
    let left = openCount() - before
    precondition(left < rounds / 2, "\(left) are left of \(rounds) rounds")
}

@Suite("Descriptors") struct DescriptorCountTests {
    @Test("none is left open by what ends")
    func noLeak() async {
        await #expect(processExitsWith: .success) {
            try requireNoLeak { round in
                let pair = try SocketPair(over: round & 1 == 0 ? loopback4 : loopback6)
                let poller = try Poller(eventsMax: 4)
                try poller.add(pair.far.number, token: 1, writable: true)
                let mailbox = try Mailbox<Int>()
                _ = mailbox.put(1)
                var pool = PipePool(idleMax: 1, usedMax: 3, bytes: 65_536)
                let boxes = [pool.take(), pool.take(), pool.take()]
                for box in boxes.compactMap({ $0 }) { pool.give(box) }
            }
        }
    }

    @Test("none is left open by calls that fail")
    func failures() async {
        await #expect(processExitsWith: .success) {
            let listener = OwnedDescriptor(owning: try listen(on: loopback4))
            let bound = try #require(Sockets.localAddress(listener.number))
            let nowhere = SocketAddress.unix(path: "/nonexistent/a.sock")
            try requireNoLeak { _ in
                do throws(PosixError) {
                    let number = try Sockets.connect(to: nowhere).descriptor
                    preconditionFailure("connected as \(number)")
                } catch {
                    precondition(error.number == ENOENT)
                }
                for address in [bound, nowhere, .unix(path: "")] {
                    do throws(PosixError) {
                        let number = try Sockets.listen(
                            on: address, options: ListenerOptions(backlog: 1))
                        preconditionFailure("listens on \(address) as \(number)")
                    } catch {
                        precondition([EADDRINUSE, ENOENT, EINVAL].contains(error.number))
                    }
                }
            }
        }
    }

    @Test("the count above sees a leak")
    func seesLeak() async {
        await #expect(processExitsWith: .failure) {
            try requireNoLeak { _ in _ = anyDescriptor() }
        }
    }
}

@Suite("PosixError") struct PosixErrorTests {
    @Test(
        "says which call failed and why",
        arguments: [
            ("connect", ECONNREFUSED, "connect: Connection refused"),
            ("bind", EADDRINUSE, "bind: Address already in use"),
            ("socket", EMFILE, "socket: Too many open files"),
            ("x", 99_999, "x: error 99999"),
        ])
    func text(call: String, number: Int32, expected: String) {
        #expect("\(PosixError(call: call, number: number))" == expected)
    }

    @Test("tells whether descriptors ran out")
    func descriptors() {
        for number in 0..<200 as Range<Int32> {
            let expected = number == EMFILE || number == ENFILE
            #expect(PosixError(call: "accept", number: number).isOutOfDescriptors == expected)
        }
    }
}
