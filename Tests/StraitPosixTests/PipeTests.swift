// Bytes through a pipe of the kernel, and the pool of such pipes.

import Glibc
import StraitCore
import StraitPosix
import Testing

@Suite("SplicePipe", .timeLimit(.minutes(3))) struct SplicePipeTests {
    @Test("bytes go from socket to socket, and the pipe counts what is in it")
    func moves() throws {
        let source = try SocketPair()
        let target = try SocketPair()
        var pipe = try SplicePipe(bytes: 65_536)
        #expect(pipe.capacity >= 65_536)
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(pipe.fill(from: source.far.number, bytesMax: 65_536) == .wouldBlock)
        #expect(pipe.drain(into: target.near.number, more: false) == .wouldBlock, "nothing in it")
        #expect(sent(source.near.number, bytes) == .bytes(5000))
        try waitUntilReadable(source.far.number)
        #expect(pipe.fill(from: source.far.number, bytesMax: 3000) == .bytes(3000))
        #expect(pipe.count == 3000)
        #expect(pipe.fill(from: source.far.number, bytesMax: 65_536) == .bytes(2000))
        #expect(pipe.count == 5000)
        #expect(pipe.drain(into: target.near.number, more: false) == .bytes(5000))
        #expect(pipe.count == 0)
        var buffer = TransferBuffer(count: 8192)
        #expect(try receiveWaiting(target.far.number, &buffer) == .bytes(5000))
        #expect(buffer.copy(0..<5000) == bytes)
    }

    @Test("a source that ends, breaks or is none is told apart")
    func ends() throws {
        var pipe = try SplicePipe(bytes: 65_536)
        var pair = try SocketPair()
        Sockets.shutdownWrite(pair.near.number)
        try waitUntilReadable(pair.far.number)
        #expect(pipe.fill(from: pair.far.number, bytesMax: 100) == .end)
        Sockets.setAbortiveClose(pair.near.number)
        pair.near.close()
        var other = try SocketPair()
        Sockets.setAbortiveClose(other.near.number)
        other.near.close()
        try waitUntilReadable(other.far.number)
        #expect(pipe.fill(from: other.far.number, bytesMax: 100) == .broken(ECONNRESET))
        #expect(pipe.fill(from: -1, bytesMax: 100) == .broken(EBADF))
        #expect(pipe.count == 0)
    }

    @Test("a target that is full keeps the rest in the pipe, and a full pipe takes no more")
    func full() throws {
        let source = try SocketPair()
        let target = try SocketPair()
        var pipe = try SplicePipe(bytes: 65_536)
        let bytes = Array(repeating: UInt8(3), count: 65_536)
        var drained = TransferOutcome.bytes(0)
        while case .bytes = drained {
            _ = sent(source.near.number, bytes)
            try waitUntilReadable(source.far.number)
            _ = pipe.fill(from: source.far.number, bytesMax: 40_000)
            drained = pipe.drain(into: target.near.number, more: true)
        }
        #expect(drained == .wouldBlock)
        #expect(pipe.count > 0)
        var filled = TransferOutcome.bytes(0)
        while case .bytes = filled {
            _ = sent(source.near.number, bytes)
            filled = pipe.fill(from: source.far.number, bytesMax: pipe.capacity)
        }
        #expect(filled == .wouldBlock)
        #expect(pipe.count >= pipe.capacity, "what is taken at least")
    }

    @Test("a target that has gone is broken, and the thread that finds out goes on")
    func brokenPipe() async {
        await #expect(processExitsWith: .success) {
            let thread = try Thread.spawn(name: "splicing") {
                do {
                    let source = try SocketPair()
                    var target = try SocketPair()
                    var pipe = try SplicePipe(bytes: 65_536)
                    Sockets.setAbortiveClose(target.far.number)
                    target.far.close()
                    try waitUntilReadable(target.near.number)
                    for _ in 0..<3 {
                        _ = sent(source.near.number, [1, 2, 3])
                        try waitUntilReadable(source.far.number)
                        _ = pipe.fill(from: source.far.number, bytesMax: 100)
                        guard case .broken = pipe.drain(into: target.near.number, more: false)
                        else {
                            preconditionFailure("a reset peer took bytes")
                        }
                    }
                } catch {
                    preconditionFailure("\(error)")
                }
            }
            thread.join()
        }
    }
}

extension PipePool {
    /// A pipe that must be there.
    fileprivate mutating func taken() throws -> Box {
        let box = self.take()
        return try #require(box)
    }
}

@Suite("PipePool") struct PipePoolTests {
    private func pool(idleMax: Int = 2, usedMax: Int = 3) -> PipePool {
        PipePool(idleMax: idleMax, usedMax: usedMax, bytes: 65_536)
    }

    @Test("no more pipes are out than the bound allows")
    func bound() throws {
        var pool = self.pool()
        var out: [PipePool.Box] = []
        for count in 1...3 {
            out.append(try pool.taken())
            #expect(pool.used == count)
        }
        #expect(pool.take() == nil)
        #expect(pool.used == 3)
        pool.give(out.removeLast())
        #expect(pool.used == 2)
        #expect(pool.take() != nil)
        #expect(pool.take() == nil)
    }

    @Test(
        "a pipe that came back empty is given again; those beyond the bound are not"
    )
    func reuse() throws {
        var pool = self.pool()
        let boxes = [try pool.taken(), try pool.taken(), try pool.taken()]
        let identities = boxes.map { ObjectIdentifier($0) }
        for box in boxes { pool.give(box) }
        #expect(pool.used == 0)
        let again = [try pool.taken(), try pool.taken(), try pool.taken()].map {
            ObjectIdentifier($0)
        }
        #expect(Array(again.prefix(2)) == [identities[1], identities[0]])
        #expect(again[2] != identities[0] && again[2] != identities[1])
    }

    @Test("a pipe that still holds bytes is never given to another")
    func leftovers() throws {
        var pool = self.pool()
        let pair = try SocketPair()
        let box = try pool.taken()
        _ = sent(pair.near.number, [1])
        try waitUntilReadable(pair.far.number)
        #expect(box.pipe.fill(from: pair.far.number, bytesMax: 1) == .bytes(1))
        pool.give(box)
        #expect(pool.used == 0)
        let next = try pool.taken()
        #expect(next !== box)
        #expect(next.pipe.count == 0)
    }

    @Test("without descriptors there is no pipe, and the pool has lost nothing")
    func noDescriptors() async {
        await #expect(processExitsWith: .success) {
            var pool = PipePool(idleMax: 1, usedMax: 4, bytes: 65_536)
            var limit = rlimit(rlim_cur: 0, rlim_max: 0)
            getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            var none = limit
            none.rlim_cur = 3
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
            precondition(pool.take() == nil && pool.used == 0)
            setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
            precondition(pool.take() != nil && pool.used == 1)
        }
    }
}
