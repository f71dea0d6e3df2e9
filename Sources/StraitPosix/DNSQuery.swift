// One question to the resolvers of resolv.conf, with the whole answer, as getaddrinfo(3) tells no
// lifetimes. Blocks: for a thread of its own.

internal import CStrait
internal import Glibc

/// Questions to DNS.
package enum DNSQuery {
    /// The type of record that is asked for, RFC 1035 §3.2.2 and RFC 3596 §2.1.
    package enum RecordType: Int32, Sendable {
        case ipv4 = 1
        case ipv6 = 28
    }

    /// What a question came to.
    package enum Outcome: Equatable, Sendable {
        /// The whole message.
        case answer([UInt8])
        /// There is no such name.
        case noSuchName
        /// The name has no record of that type.
        case noRecord
        /// No server answered, or none that knows.
        case failed
    }

    /// What an answer has room for; UDP and TCP carry no more.
    private static let answerBytesMax = 65_535

    /// Asks for the records of `name`, which is not completed by a search list.
    package static func ask(_ name: String, _ type: RecordType) -> Outcome {
        var room = [UInt8](repeating: 0, count: Self.answerBytesMax)
        let result = unsafe name.withCString { name in
            unsafe cstrait_dns_query(name, type.rawValue, &room, Int32(Self.answerBytesMax))
        }
        switch result {
        case 0...: return .answer(Array(room.prefix(Int(result))))
        case -HOST_NOT_FOUND: return .noSuchName
        case -NO_DATA: return .noRecord
        default: return .failed
        }
    }
}
