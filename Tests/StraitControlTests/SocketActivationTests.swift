// Which descriptor that was passed is which listener's, without any descriptor.

import StraitControl
import StraitCore
import StraitPosix
import Testing

@Suite("SocketActivation") struct SocketActivationTests {
    private static let dual = SocketAddress.ip(.init(high: 0, low: 0), port: 443)
    private static let plain = SocketAddress.ip(.init(v4: 0), port: 80)
    private static let addresses: Set = [dual, plain]

    private static func refusal(_ act: () throws -> Void) -> [String] {
        do {
            try act()
        } catch let refused as SocketActivationRefused {
            return refused.problems
        } catch {
            return ["\(error)"]
        }
        return []
    }

    @Test(
        "variables for another process, or none, pass nothing",
        arguments: [
            [:], ["LISTEN_FDS": "2"], ["LISTEN_PID": "8", "LISTEN_FDS": "2"],
            ["LISTEN_PID": "7"], ["LISTEN_PID": "7", "LISTEN_FDS": "0"],
            ["LISTEN_PID": " 7", "LISTEN_FDS": "2"],
        ] as [[String: String]])
    func nothing(environment: [String: String]) throws {
        #expect(try SocketActivation.passed(environment, process: 7).isEmpty)
    }

    @Test("descriptors are numbered from 3, with the names that there are")
    func numbers() throws {
        let passed = try SocketActivation.passed(
            ["LISTEN_PID": "7", "LISTEN_FDS": "3", "LISTEN_FDNAMES": "public::more:beyond"],
            process: 7)
        #expect(
            passed == [
                PassedSocket(descriptor: 3, name: "public"), PassedSocket(descriptor: 4, name: nil),
                PassedSocket(descriptor: 5, name: "more"),
            ])
        let unnamed = try SocketActivation.passed(
            ["LISTEN_PID": "7", "LISTEN_FDS": "1"], process: 7)
        #expect(unnamed == [PassedSocket(descriptor: 3, name: nil)])
    }

    @Test(
        "a number of descriptors that is none is refused",
        arguments: ["", "-1", "two", "65536", "99999999999999999999", "1 "])
    func badNumber(text: String) {
        let problems = Self.refusal {
            _ = try SocketActivation.passed(
                ["LISTEN_PID": "7", "LISTEN_FDS": text], process: 7)
        }
        #expect(problems.count == 1)
    }

    @Test("a socket goes to the listener whose address it is bound to, whatever its name")
    func match() throws {
        let address = Self.plain
        let found = try SocketActivation.match(
            [
                (
                    PassedSocket(descriptor: 3, name: "public"),
                    .listener(address, leavesIPv4Out: false)
                )
            ], to: Self.addresses)
        #expect(found == [InheritedListener(name: nil, address: address, descriptor: 3)])
        #expect(try SocketActivation.match([], to: Self.addresses).isEmpty)
    }

    @Test("whatever is no listener's is named, all of it at once")
    func refused() {
        let stranger = SocketAddress.ip(.init(v4: 127, 0, 0, 1), port: 443)
        let passed: [(PassedSocket, PassedDescriptor)] = [
            (.init(descriptor: 3, name: "admin"), .other("a UNIX socket")),
            (.init(descriptor: 4, name: nil), .listener(stranger, leavesIPv4Out: false)),
            (.init(descriptor: 5, name: nil), .listener(Self.dual, leavesIPv4Out: true)),
            (.init(descriptor: 6, name: nil), .listener(Self.plain, leavesIPv4Out: false)),
            (.init(descriptor: 7, name: nil), .listener(Self.plain, leavesIPv4Out: false)),
        ]
        let problems = Self.refusal {
            _ = try SocketActivation.match(passed, to: Self.addresses)
        }
        #expect(problems.count == 4, "\(problems)")
        #expect(problems[0].contains("descriptor 3 (admin)"))
        #expect(problems[0].contains("a UNIX socket"))
        #expect(problems[1].contains("127.0.0.1:443") && problems[1].contains("[::]:443"))
        #expect(problems[2].contains("BindIPv6Only=both"))
        #expect(problems[3].contains("descriptor 6"))
    }
}
