// What a process makes of the offer of the one that started it, however wrong it is.

import Foundation
import StraitControl
import StraitCore
import StraitPosix
import Testing

@Suite("Predecessor, as its successor hears it", .timeLimit(.minutes(1)))
struct PredecessorTests {
    private static let state =
        #"{"offer":{"_0":{"ticketRoot":[1,2],"epoch":3,"epochAgeNanoseconds":4,"revision":5,"#
        + #""admin":"/run/a.sock","draining":[{"pid":6,"admin":"/run/a.sock.6"}]}}}"#

    private static func listeners(_ address: String) -> String {
        #"{"listeners":{"_0":[{"name":"public","address":"\#(address)"}]}}"#
    }

    private static let version = #"{"version":{"_0":1}}"#

    private func open() throws -> Int32 {
        try Sockets.listen(
            on: .ip(IPAddress(v4: 127, 0, 0, 1), port: 0), options: ListenerOptions(backlog: 4))
    }

    /// Sends messages and lets them be received.
    private func receive(
        _ messages: [(String, [Int32])]
    ) throws -> (Result<Predecessor, UpgradeRefusal>, MessageSocket) {
        let (near, far) = try MessageSocket.pair()
        for (text, descriptors) in messages {
            try near.send(Array(text.utf8), descriptors: descriptors)
        }
        _ = Foundation.shutdown(near.number, Int32(SHUT_WR))
        do throws(UpgradeRefusal) {
            return (.success(try Predecessor.receive(from: far)), near)
        } catch {
            return (.failure(error), near)
        }
    }

    @Test("an offer in its order is taken")
    func whole() throws {
        let listener = try self.open()
        defer { Sockets.close(listener) }
        let (result, _) = try self.receive([
            (Self.version, []), (Self.listeners("127.0.0.1:443"), [listener]), (Self.state, []),
        ])
        #expect(try result.get().adminPath == "/run/a.sock")
    }

    @Test(
        "an offer that is cut, out of order, of another version or no offer is refused",
        arguments: [
            [], [version], [version, listeners("127.0.0.1:443")], [state],
            [#"{"version":{"_0":2}}"#, state], [version, "{"], [version, "[]"], ["\u{0}"],
            [version, #"{"go":{}}"#], [version, #"{"unknown":{}}"#],
        ])
    func refused(messages: [String]) throws {
        let (result, _) = try self.receive(messages.map { ($0, []) })
        #expect(throws: UpgradeRefusal.self) { try result.get() }
    }

    @Test("listeners without descriptors, or descriptors that do not listen, are refused")
    func descriptors() throws {
        let listener = try self.open()
        let (near, _) = try MessageSocket.pair()
        defer { Sockets.close(listener) }
        for (address, numbers) in [
            ("127.0.0.1:443", []), ("127.0.0.1:443", [listener, listener]),
            ("127.0.0.1:443", [near.number]), ("nowhere", [listener]),
        ] {
            let (result, _) = try self.receive([
                (Self.version, []), (Self.listeners(address), numbers), (Self.state, []),
            ])
            #expect(throws: UpgradeRefusal.self) { try result.get() }
        }
    }

    @Test("another version is answered with a sentence that the other process can read")
    func answered() throws {
        let (result, near) = try self.receive([(#"{"version":{"_0":2}}"#, [])])
        #expect(throws: UpgradeRefusal.self) { try result.get() }
        let answer = try #require(try near.receive())
        #expect(String(decoding: answer.bytes, as: UTF8.self).contains("failed"))
    }
}
