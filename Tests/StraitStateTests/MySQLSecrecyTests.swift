// Passwords that would go on in clear where somebody could read them, and those that may.

import StraitCore
import StraitState
import StraitWire
import Testing

@Suite("A password on its way to a MySQL upstream") struct MySQLSecrecyTests {
    private static let exposed = MySQLLegs(
        isWrapped: false, securesUpstream: false, isExposed: true)
    private static let near = MySQLLegs(
        isWrapped: false, securesUpstream: false, isExposed: false)

    /// A response inside TLS, of a plugin and with what it answers.
    private static func response(_ plugin: String, _ authentication: [UInt8]) -> [UInt8] {
        let flags: UInt32 = 0x8_8A00
        var payload = (0..<4).map { UInt8(truncatingIfNeeded: flags >> (8 * $0)) }
        payload += [UInt8](repeating: 0, count: 28) + Array("me".utf8) + [0]
        payload += [UInt8(authentication.count)] + authentication + Array(plugin.utf8) + [0]
        return Self.packet(payload, 2)
    }

    private static func packet(_ payload: [UInt8], _ sequence: UInt8) -> [UInt8] {
        MySQLPacketHeader(payloadBytes: payload.count, sequence: sequence).encoded + payload
    }

    private func begun(_ legs: MySQLLegs, _ response: [UInt8]) -> MySQLRun {
        var run = MySQLRun(legs)
        run.show(MySQLExchange.named("native password")[0].bytes, isUpstream: true)
        run.show(MySQLLeg.request(response), isUpstream: false)
        run.show(response, isUpstream: false)
        return run
    }

    @Test("is not sent with the response by plugins that send it, or that are not known")
    func response() {
        for plugin in ["sha256_password", "mysql_clear_password", "dialog", "unheard_of"] {
            let run = self.begun(Self.exposed, Self.response(plugin, Array("tide\0".utf8)))
            #expect(run.reason == CloseReason(.local, .passwordInClear), "\(plugin)")
            #expect(run.toUpstream.isEmpty)
            #expect(run.machine.errorSequence == 3)
            let near = self.begun(Self.near, Self.response(plugin, Array("tide\0".utf8)))
            #expect(near.ending == nil)
            #expect(self.begun(Self.exposed, Self.response(plugin, [1])).ending == nil)
        }
        for plugin in ["mysql_native_password", "caching_sha2_password", "client_ed25519"] {
            let run = self.begun(Self.exposed, Self.response(plugin, Array("hash hash".utf8)))
            #expect(run.ending == nil, "\(plugin)")
        }
    }

    @Test(
        "is not sent when caching_sha2_password asks for it",
        arguments: [[1, 4], [4], [1, 4, 0]] as [[UInt8]])
    func asked(question: [UInt8]) {
        let hash = Self.response("caching_sha2_password", Array("hash hash".utf8))
        for legs in [Self.exposed, Self.near] {
            var run = self.begun(legs, hash)
            run.show(Self.packet(question, 2), isUpstream: true)
            #expect(run.machine.awaitsDownstream)
            let before = run.toUpstream
            run.show(Self.packet(Array("tide\0".utf8), 4), isUpstream: false)
            guard legs.isExposed else {
                #expect(run.toUpstream == before + Self.packet(Array("tide\0".utf8), 3))
                continue
            }
            #expect(run.reason == CloseReason(.local, .passwordInClear))
            #expect(run.toUpstream == before)
            #expect(run.machine.errorSequence == 5)
        }
    }

    @Test("goes encrypted with the upstream's key, where the downstream asks for that")
    func encrypted() {
        var run = self.begun(
            Self.exposed, Self.response("caching_sha2_password", Array("hash hash".utf8)))
        run.show(Self.packet([1, 4], 2), isUpstream: true)
        run.show(Self.packet([2], 4), isUpstream: false)
        run.show(Self.packet([1] + Array("-----BEGIN".utf8), 4), isUpstream: true)
        let sealed = [UInt8](repeating: 7, count: 256)
        run.show(Self.packet(sealed, 6), isUpstream: false)
        #expect(run.ending == nil)
        #expect(run.toUpstream.suffix(260) == Self.packet(sealed, 5))
        run.show(Self.packet([0, 0, 0, 2, 0, 0, 0], 6), isUpstream: true)
        #expect(run.toDownstream.suffix(11) == Self.packet([0, 0, 0, 2, 0, 0, 0], 7))
        guard case .passAndRelay? = run.ending else {
            Issue.record("\(run.ending as Any)")
            return
        }
    }

    @Test("is not sent after a switch to a plugin that sends it, but after one that does not")
    func switched() {
        let hash = Self.response("mysql_native_password", Array("hash hash".utf8))
        for (plugin, isKept) in [
            ("mysql_clear_password", false), ("dialog", false), ("sha256_password", false),
            ("client_ed25519", true), ("caching_sha2_password", true), ("parsec", true),
        ] {
            for first in [0xFE, 2] as [UInt8] {
                var run = self.begun(Self.exposed, hash)
                run.show(
                    Self.packet([first] + Array(plugin.utf8) + [0, 9, 9, 9], 2), isUpstream: true)
                run.show(Self.packet(Array("tide\0".utf8), 4), isUpstream: false)
                let reason = isKept ? nil : CloseReason(.local, .passwordInClear)
                #expect(run.reason == reason, "\(plugin)")
            }
        }
    }

    @Test(
        "is not sent because another question follows the one that asks for it",
        arguments: [[2], [0xFE], [1, 3], [1, 9], [0xFE] + Array("client_ed25519".utf8)]
            as [[UInt8]])
    func twoQuestions(second: [UInt8]) {
        let hash = Self.response("mysql_native_password", Array("hash hash".utf8))
        for plugin in ["mysql_clear_password", "sha256_password"] {
            var run = self.begun(Self.exposed, hash)
            let ask = [0xFE] + Array(plugin.utf8) + [0]
            run.show(Self.packet(ask, 2) + Self.packet(second, 3), isUpstream: true)
            let before = run.toUpstream
            run.show(Self.packet(Array("tide\0".utf8), 5), isUpstream: false)
            #expect(run.reason == CloseReason(.local, .passwordInClear), "\(plugin)")
            #expect(run.toUpstream == before)
        }
    }

    @Test("fast success is followed by OK, without a word of the downstream")
    func fast() {
        var run = self.begun(
            Self.near, Self.response("caching_sha2_password", Array("hash hash".utf8)))
        run.show(Self.packet([1, 3], 2), isUpstream: true)
        #expect(!run.machine.awaitsDownstream)
        run.show(Self.packet([0, 0, 0, 2, 0, 0, 0], 3), isUpstream: true)
        #expect(run.toDownstream.suffix(11) == Self.packet([0, 0, 0, 2, 0, 0, 0], 4))
    }

    @Test("an answer out of order is the upstream's fault, an error never is")
    func order() {
        let hash = Self.response("mysql_native_password", Array("hash hash".utf8))
        var run = self.begun(Self.near, hash)
        run.show(Self.packet([0, 0, 0, 2, 0, 0, 0], 5), isUpstream: true)
        #expect(run.reason == CloseReason(.upstream, .preludeMalformed))
        var error = self.begun(Self.near, hash)
        error.show(Self.packet([0xFF, 0x10, 4, 0x78], 0), isUpstream: true)
        #expect(error.toDownstream.suffix(8) == Self.packet([0xFF, 0x10, 4, 0x78], 3))
    }
}
