// What a process makes of the offer of the one that started it, however wrong it is.

import Foundation
import StraitControl
import StraitCore
import StraitPosix
import Testing

@Suite("Predecessor, as its successor hears it", .timeLimit(.minutes(3)))
struct PredecessorTests {
    private static let state =
        #"{"offer":{"_0":{"ticketRoot":[1,2],"epoch":3,"epochAgeNanoseconds":4,"revision":5,"#
        + #""admin":"/run/a.sock","program":"/usr/bin/strait","draining":"#
        + #"[{"pid":6,"admin":"/run/a.sock.6"}]}}}"#

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
            ([], "the offer of an upgrade"), ([version], "the offer of an upgrade"),
            ([version, listeners("127.0.0.1:443")], "an offer of listeners"),
            ([state], "the offer of an upgrade"),
            ([#"{"version":{"_0":2}}"#, state], "speaks version 2 of an upgrade's messages"),
            ([version, "{"], "upgrade message"), ([version, "[]"], "upgrade message"),
            (["\u{0}"], "upgrade message"), ([version, #"{"go":{}}"#], "the offer of an upgrade"),
            ([version, #"{"unknown":{}}"#], "upgrade message"),
        ])
    func refused(messages: [String], reason: String) throws {
        let (result, _) = try self.receive(messages.map { ($0, []) })
        let refusal = #expect(throws: UpgradeRefusal.self) { try result.get() }
        #expect(refusal?.description.contains(reason) == true, "\(String(describing: refusal))")
    }

    @Test("what came with an offer that is refused is closed", arguments: [true, false])
    func closed(isPaired: Bool) throws {
        let message = isPaired ? Self.listeners("127.0.0.1:443") : #"{"go":{}}"#
        func offered() throws -> (MessageSocket, Result<Predecessor, UpgradeRefusal>) {
            let (held, passed) = try MessageSocket.pair()
            return try withExtendedLifetime(passed) {
                let messages = [(Self.version, []), (message, [passed.number, passed.number])]
                return (held, try self.receive(messages).0)
            }
        }
        let (held, result) = try offered()
        #expect(throws: UpgradeRefusal.self) { try result.get() }
        #expect(try held.receive() == nil, "no copy of the other end is open")
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
            let refusal = #expect(throws: UpgradeRefusal.self) { try result.get() }
            #expect(refusal?.description.contains("an offer of listeners") == true)
        }
    }

    @Test("another version is answered with a sentence that the other process can read")
    func answered() throws {
        let (result, near) = try self.receive([(#"{"version":{"_0":2}}"#, [])])
        #expect(throws: UpgradeRefusal.self) { try result.get() }
        let answer = try #require(try near.receive())
        let text = String(decoding: answer.bytes, as: UTF8.self)
        #expect(text.contains("failed") && text.contains("this program 1; restart instead"))
    }
}
