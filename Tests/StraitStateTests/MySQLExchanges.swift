// Exchanges with a real server, which Corpus/record_mysql.py wrote, and the same as they look with
// TLS on one leg or the other.

import Foundation
import StraitCore
import StraitState
import TestSupport
import Testing

/// One recorded exchange, in plain text.
struct MySQLExchange: Sendable, CustomTestStringConvertible {
    /// A packet and who sent it.
    struct Packet: Sendable {
        let isUpstream: Bool
        var bytes: [UInt8]
    }

    let name: String
    let packets: [Packet]
    var testDescription: String { self.name }

    static let all: [MySQLExchange] = {
        let file = Bundle.module.bundleURL.appendingPathComponent("Corpus/mysql.txt")
        // A file that is not there gives no exchange, and the test that counts them says so.
        let text = (try? String(contentsOf: file, encoding: .utf8)) ?? ""
        return text.components(separatedBy: "\n\n").compactMap { paragraph in
            var lines = paragraph.split(separator: "\n").map(String.init)
            guard !lines.isEmpty else { return nil }
            let name = lines.removeFirst()
            return MySQLExchange(
                name: name,
                packets: lines.map {
                    Packet(isUpstream: $0.hasPrefix("<"), bytes: bytesOf(hexadecimal: $0))
                })
        }
    }()

    static func named(_ name: String) -> [Packet] {
        self.all.first { $0.name == name }?.packets ?? []
    }
}

/// The bytes of one leg with TLS switched in greeting and response, and counted as that leg counts.
struct MySQLLeg {
    /// Whether TLS is asked for in the protocol, which takes a packet.
    let asks: Bool

    /// The packets after the greeting count one more where TLS is asked for.
    func packets(_ exchange: [MySQLExchange.Packet], offers: Bool) -> [MySQLExchange.Packet] {
        exchange.enumerated().map { index, packet in
            var packet = packet
            if index == 0, packet.bytes[4] != 0xFF {
                // Behind the header, the version, its NUL, and 13 bytes more: the second byte.
                let place = packet.bytes[5...].prefix { $0 != 0 }.endIndex + 1 + 13 + 1
                packet.bytes[place] = packet.bytes[place] & ~8 | (offers ? 8 : 0)
            } else if index > 0 {
                packet.bytes[3] += self.asks ? 1 : 0
                if index == 1 { packet.bytes[5] = packet.bytes[5] & ~8 | (self.asks ? 8 : 0) }
            }
            return packet
        }
    }

    /// The SSLRequest that belongs to a response of this leg.
    static func request(_ response: [UInt8]) -> [UInt8] { [32, 0, 0, 1] + response[4..<36] }
}

extension MySQLLegs {
    static let all: [MySQLLegs] = (0..<8).map {
        MySQLLegs(
            isWrapped: $0 & 1 != 0, securesUpstream: $0 & 2 != 0,
            isExposed: $0 & 4 != 0 && $0 & 2 == 0)
    }
}
