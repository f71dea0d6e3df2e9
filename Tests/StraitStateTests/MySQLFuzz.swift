// The target of MySQLMachine: a script of packets, mostly good ones, that both sides send. No test
// library in this file.

import StraitCore
import StraitState
import StraitWire

/// Plays a script, once in whole packets and once byte by byte.
enum MySQLFuzz {
    /// The promise that was broken, nil when all were kept.
    ///
    /// The first byte chooses the legs; each further group of three is a packet: who sends which,
    /// and a change to one of its bytes.
    static func violation(_ script: [UInt8]) -> String? {
        guard let first = script.first else { return nil }
        let legs = MySQLLegs(
            isWrapped: first & 1 != 0, securesUpstream: first & 2 != 0,
            isExposed: first & 4 != 0 && first & 2 == 0)
        var whole = MySQLRun(legs)
        var slow = MySQLRun(legs)
        var watch = Watch(legs)
        var events = 0
        for start in stride(from: 1, to: script.count - 2, by: 3) where whole.ending == nil {
            let isUpstream = script[start] & 0x80 != 0
            // Who is not listened to has to wait.
            guard isUpstream ? Self.reads(whole) : whole.machine.awaitsDownstream else { continue }
            events += 1
            let packet = Self.packet(
                Int(script[start] & 0x3F), next: whole.machine.errorSequence,
                upstreamNext: watch.upstreamNext, isUpstream: isUpstream, script[start + 1],
                script[start + 2], isChanged: script[start] & 0x40 != 0)
            let before = whole
            whole.show(packet, isUpstream: isUpstream)
            slow.show(packet, isUpstream: isUpstream, cuts: Array(1..<max(1, packet.count)))
            if let broken = watch.looked(before, whole, packet, isUpstream) { return broken }
            guard Self.isSame(whole, slow) else {
                return "event \(events): \(whole), but byte by byte \(slow)"
            }
            // What is left over is shown again with what follows; that is another test's matter.
            if !whole.left.isEmpty { break }
        }
        return nil
    }

    private static func reads(_ run: MySQLRun) -> Bool {
        // The run secures both sides at once, so that only an end keeps the upstream from being
        // read.
        run.ending == nil
    }

    private static func isSame(_ one: MySQLRun, _ other: MySQLRun) -> Bool {
        // What stands behind a greeting is seen with it, or after it was judged: it is refused.
        if Self.isUpstreamsFault(one.ending), Self.isUpstreamsFault(other.ending) {
            return one.toUpstream == other.toUpstream
                && other.toDownstream.starts(with: one.toDownstream)
        }
        // An end leaves bytes that are not shown any more.
        if one.ending != nil {
            return one.reason == other.reason && one.toUpstream == other.toUpstream
                && one.toDownstream == other.toDownstream
        }
        return one.toUpstream == other.toUpstream && one.toDownstream == other.toDownstream
            && one.machine == other.machine && one.secured == other.secured
    }

    private static func isUpstreamsFault(_ ending: MySQLAction?) -> Bool {
        switch ending {
        case .rejected?: true
        case .refuse(let reason)?: reason.side == .upstream
        case nil, .needMore?, .pass?, .passAndRelay?, .secureDownstream?, .secureUpstream?: false
        }
    }

    private static let greeting: [UInt8] =
        [10] + Array("8.0.35".utf8) + [0] + [UInt8](repeating: 7, count: 13)
        + [0xFF, 0xF7, 8, 2, 0, 0xFF, 0xDF, 21] + [UInt8](repeating: 0, count: 10)
        + [UInt8](repeating: 9, count: 13) + Array("caching_sha2_password".utf8) + [0]

    private static func response(_ plugin: String, _ authentication: [UInt8]) -> [UInt8] {
        [0x00, 0x8A, 0x08, 0] + [UInt8](repeating: 0, count: 28) + Array("me".utf8) + [0]
            + [UInt8(authentication.count)] + authentication + Array(plugin.utf8) + [0]
    }

    private static let payloads: [[UInt8]] = [
        greeting, Array(response("x", []).prefix(32)),
        response("caching_sha2_password", [1, 2, 3]),
        response("mysql_native_password", [1, 2, 3]), response("sha256_password", [1]),
        response("mysql_clear_password", Array("tide\0".utf8)), [0, 0, 0, 2, 0, 0, 0],
        [0xFF, 0x10, 4, 0x78], [0xFE] + Array("mysql_clear_password".utf8) + [0],
        [0xFE] + Array("client_ed25519".utf8) + [0, 1, 2],
        [0xFE] + Array("sha256_password".utf8) + [0], [1, 3], [1, 4], [1, 5, 6], [2],
        Array("tide\0".utf8), [], [2] + Array("dialog".utf8) + [0],
        [UInt8](repeating: 1, count: 300),
    ]

    private static func packet(
        _ kind: Int, next: UInt8, upstreamNext: UInt8, isUpstream: Bool, _ place: UInt8,
        _ value: UInt8, isChanged: Bool
    ) -> [UInt8] {
        let payload = Self.payloads[kind % Self.payloads.count]
        let header = MySQLPacketHeader(
            payloadBytes: payload.count, sequence: isUpstream ? upstreamNext : next)
        var packet = header.encoded + payload
        if isChanged { packet[Int(place) % packet.count] ^= value }
        return packet
    }
}

/// What must be true of what passes, reckoned from the bytes alone.
private struct Watch {
    private let legs: MySQLLegs
    private var downstreamNext = 0
    private(set) var upstreamNext: UInt8 = 0
    private var isGuarded = false
    /// The upstream has asked, and was not answered.
    private var isAsked = false

    init(_ legs: MySQLLegs) { self.legs = legs }

    mutating func looked(
        _ before: MySQLRun, _ after: MySQLRun, _ packet: [UInt8], _ isUpstream: Bool
    ) -> String? {
        let down = Array(after.toDownstream.dropFirst(before.toDownstream.count))
        let up = Array(after.toUpstream.dropFirst(before.toUpstream.count))
        guard isUpstream ? up.isEmpty : down.isEmpty else { return "an echo" }
        if after.secured.count > before.secured.count, !isUpstream,
            after.secured.last == "downstream", !up.isEmpty
        {
            return "plain text was passed on"
        }
        if !up.isEmpty, !self.legs.isWrapped, !before.secured.contains("downstream") {
            return "passed on before TLS"
        }
        if isUpstream {
            return self.passedDown(down, isFirst: before.toDownstream.isEmpty)
        }
        if after.secured.last == "downstream", before.secured.isEmpty { self.downstreamNext += 1 }
        return self.passedUp(up, isFirst: before.toUpstream.isEmpty)
    }

    private mutating func passedDown(_ bytes: [UInt8], isFirst: Bool) -> String? {
        guard !bytes.isEmpty else { return nil }
        guard let header = MySQLPacketHeader(bytes.span), header.payloadBytes + 4 == bytes.count
        else { return "no packet goes down" }
        guard header.sequence == UInt8(truncatingIfNeeded: self.downstreamNext) else {
            return "down under \(header.sequence), not \(self.downstreamNext)"
        }
        self.downstreamNext += 1
        self.upstreamNext &+= 1
        if isFirst {
            // What goes down first and is no greeting has no TLS to offer, whatever it is.
            let greeting = try? MySQLGreeting(bytes.span, in: 4..<bytes.count)
            guard greeting?.capabilities.contains(.tls) == !self.legs.isWrapped else {
                return "greets with the wrong CLIENT_SSL"
            }
        } else if bytes.count > 5, bytes[4] == 0xFE, self.legs.isExposed {
            let asks = bytes.dropFirst(5).starts(with: "mysql_clear_password\0".utf8)
            self.isGuarded = asks || self.isGuarded && self.isAsked
            self.isAsked = true
        }
        return nil
    }

    private mutating func passedUp(_ bytes: [UInt8], isFirst: Bool) -> String? {
        guard !bytes.isEmpty else { return nil }
        var rest = bytes[...]
        if isFirst, self.legs.securesUpstream {
            guard rest.count > 36, rest.starts(with: [32, 0, 0, 1]), rest[5] & 8 != 0 else {
                return "no SSLRequest"
            }
            self.upstreamNext &+= 1
            rest = rest.dropFirst(36)
            guard rest.dropFirst(4).starts(with: bytes[4..<36]) else { return "other capabilities" }
        }
        let packet = Array(rest)
        guard let header = MySQLPacketHeader(packet.span), header.payloadBytes + 4 == packet.count
        else { return "no packet goes up" }
        guard header.sequence == self.upstreamNext else {
            return "up under \(header.sequence), not \(self.upstreamNext)"
        }
        self.upstreamNext &+= 1
        self.downstreamNext += 1
        if isFirst {
            guard (packet[5] & 8 != 0) == self.legs.securesUpstream else {
                return "responds with the wrong CLIENT_SSL"
            }
        } else if self.isGuarded, packet.count > 5 {
            return "a password"
        }
        self.isAsked = false
        return nil
    }
}
