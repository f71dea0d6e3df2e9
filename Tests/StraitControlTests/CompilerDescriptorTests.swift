// How many connections a snapshot allows with the descriptors that the process has.

import StraitConfig
import StraitControl
import StraitCore
import StraitSnapshot
import Testing

@Suite("SnapshotCompiler, with a limit of descriptors") struct CompilerDescriptorTests {
    /// A configuration with that many listeners on ports from `port`.
    private static func text(listeners: Int, port: Int = 20_000, more: String = "") -> String {
        var text = ConfigurationText()
        text.listeners = (0..<listeners).map {
            "  - { name: l\($0), address: \"127.0.0.1:\(port + $0)\", protocols: [tls] }"
        }.joined(separator: "\n")
        text.more = more
        return text.text
    }

    private static func compiling(descriptors: Int) -> Compiling {
        var compiling = Compiling()
        compiling.compiler.descriptors = DescriptorLimit(descriptors: descriptors, workers: 2)
        return compiling
    }

    @Test(
        "listeners take from the connections that fit", arguments: [1, 2, 40, 300])
    func fits(listeners: Int) throws {
        var compiling = Self.compiling(descriptors: 1024)
        let limits = try compiling.compile(Self.text(listeners: listeners)).snapshot.limits
        let pipes = DescriptorShares(descriptors: 1024, workers: 2).pipesPerWorker
        let used =
            2 * limits.connections + listeners + 2 * 2 * pipes + 2 * 2 + Limits.descriptorsReserved
        #expect((1023...1024).contains(used), "all is given away, and no more")
    }

    @Test("a configured limit holds where it is lower, and nothing is judged where nothing starts")
    func configured() throws {
        let text = Self.text(listeners: 2, more: "limits: { connections: 7 }\n")
        var compiling = Self.compiling(descriptors: 1024)
        #expect(try compiling.compile(text).snapshot.limits.connections == 7)
        var dry = Compiling()
        #expect(try dry.compile(Self.text(listeners: 2)).snapshot.limits.connections == 0)
        #expect(try dry.compile(Self.text(listeners: 1000)).snapshot.listeners.count == 1000)
    }

    @Test("ten thousand listeners are within what a file may say")
    func many() throws {
        var compiling = Self.compiling(descriptors: 20_000)
        let snapshot = try compiling.compile(Self.text(listeners: 10_000)).snapshot
        #expect(Set(snapshot.listeners.map(\.id)).count == 10_000)
        #expect(snapshot.limits.connections > 4_000)
    }

    @Test("listeners that leave no room for a connection are refused, with what is needed")
    func tooMany() throws {
        var compiling = Self.compiling(descriptors: 256)
        do {
            _ = try compiling.compile(Self.text(listeners: 200))
            Issue.record("200 listeners do not fit")
        } catch let refused as ConfigurationRefused {
            #expect(refused.problems.map(\.code) == [.tooFewDescriptors])
            #expect(refused.problems.first?.expected.contains("at least 554,") == true)
            #expect(refused.problems.first?.line == 4)
        }
        var enough = Self.compiling(descriptors: 554)
        #expect(try enough.compile(Self.text(listeners: 200)).snapshot.limits.connections == 1)
    }

    @Test("while a snapshot goes live the sockets of the one before are open, too")
    func exchange() throws {
        var compiling = Self.compiling(descriptors: 1024)
        let first = try compiling.compile(Self.text(listeners: 100))
        let second = try compiling.compile(
            Self.text(listeners: 100, port: 30_000), revision: 2)
        let third = try compiling.compile(
            Self.text(listeners: 100, port: 30_000), revision: 3)
        #expect(
            second.snapshot.limits.connections == first.snapshot.limits.connections - 50)
        #expect(third.snapshot.limits.connections == first.snapshot.limits.connections)
    }
}
