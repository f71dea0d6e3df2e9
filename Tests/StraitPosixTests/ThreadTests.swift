// Threads, clocks and names that are resolved.

import Glibc
import StraitCore
import StraitPosix
import Synchronization
import Testing

@Suite("Thread") struct ThreadTests {
    @Test("runs its body under its name, and join waits for the end")
    func runs() throws {
        let name = Mutex("")
        let thread = try Thread.spawn(name: "strait-worker-7") {
            let file = OwnedDescriptor(owning: open("/proc/thread-self/comm", O_RDONLY))
            let text = String(decoding: readAll(file.number), as: UTF8.self)
            name.withLock { $0 = text }
        }
        thread.join()
        #expect(name.withLock { $0 } == "strait-worker-7\n")
    }

    @Test("writing to a pipe that nobody reads is an error for it, not its end")
    func brokenPipe() async {
        await #expect(processExitsWith: .success) {
            var ends: [Int32] = [-1, -1]
            pipe(&ends)
            close(ends[0])
            let writing = ends[1]
            let thread = try Thread.spawn(name: "writing") {
                let count = write(writing, [1] as [UInt8], 1)
                precondition(count == -1 && errno == EPIPE)
            }
            thread.join()
        }
    }

    @Test("a thread can be bound to each core that there is")
    func cores() throws {
        let cores = Thread.availableCores()
        #expect(!cores.isEmpty)
        #expect(Set(cores).count == cores.count)
        let seen = Mutex<[Int]>([])
        for core in cores {
            let thread = try Thread.spawn(name: "bound") {
                Thread.pinCurrent(core: core)
                let now = Thread.availableCores()
                seen.withLock { $0 += now }
            }
            thread.join()
        }
        #expect(seen.withLock { $0 } == cores)
    }
}

@Suite("Clock") struct ClockTests {
    @Test("the monotonic clock does not step back")
    func monotonic() {
        var last = monotonicNow()
        for _ in 0..<1000 {
            let now = monotonicNow()
            #expect(last <= now)
            last = now
        }
        #expect(wallClockNanoseconds() > 1_700_000_000_000_000_000)
    }
}

@Suite("Names to addresses") struct HostResolutionTests {
    @Test("an address is its own, without asking anybody", arguments: ["192.0.2.7", "2001:db8::1"])
    func literal(text: String) throws {
        #expect(try resolveAddresses(host: text) == [try #require(IPAddress(text))])
    }

    @Test("localhost is the loopback, each address once")
    func localhost() throws {
        let found = try resolveAddresses(host: "localhost")
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.isLoopback })
        #expect(Set(found).count == found.count)
    }

    @Test("what can be no name is an error in the resolver's words, with the name")
    func impossible() {
        let host = String(repeating: "x", count: 300)
        do throws(ResolutionError) {
            let found = try resolveAddresses(host: host)
            Issue.record("\(found)")
        } catch {
            #expect(error.host == host)
            #expect(!error.description.isEmpty)
        }
    }
}
