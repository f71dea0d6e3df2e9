// The fuzz targets of what upstreams and resolvers answer. No test library in this file.

import StraitCore
import StraitWire

enum UpstreamAnswersFuzz {
    /// For every beginning: undecided, or decided as the whole is; written again, it is the same.
    static func httpStatus(_ input: [UInt8]) -> String? {
        let whole = HTTPStatusLine.read(input.span)
        for count in 0..<min(input.count, 20) {
            let part = HTTPStatusLine.read(input.span.extracting(0..<count))
            guard part == .needMore || part == whole else { return "\(count): \(part), \(whole)" }
        }
        guard case .done(let status) = whole else { return nil }
        guard (100...999).contains(status) else { return "status \(status)" }
        let again = Array("HTTP/1.\(input[7] - 48) \(status)".utf8)
        return input.starts(with: again) ? nil : "\(status) is not what was sent"
    }

    /// A message that is cut anywhere gives no more than the whole, and what it gives is in it.
    static func dnsAnswer(_ input: [UInt8]) -> String? {
        let whole = Self.read(input[...])
        guard let whole else {
            for count in 0..<min(input.count, 300) where Self.read(input[..<count]) != nil {
                return "good when cut at \(count)"
            }
            return nil
        }
        guard whole.addresses.count <= Limits.upstreamAddressesMax,
            Set(whole.addresses).count == whole.addresses.count
        else { return "\(whole.addresses.count) addresses" }
        guard whole.lifetimeSeconds >> 31 == 0 else { return "lives \(whole.lifetimeSeconds) s" }
        guard !whole.addresses.isEmpty || whole.lifetimeSeconds == 0 else { return "lives" }
        for address in whole.addresses where !Self.contains(input, address) {
            return "\(address) is not in it"
        }
        let longer = input + [0xFF, 0x00]
        guard Self.read(longer[...]) == whole else { return "what follows changes it" }
        return nil
    }

    private static func read(_ input: ArraySlice<UInt8>) -> DNSAnswer? {
        do throws(DNSProblem) {
            return try DNSAnswer(message: Array(input).span)
        } catch {
            return nil
        }
    }

    private static func contains(_ input: [UInt8], _ address: IPAddress) -> Bool {
        let words = [address.high, address.low].flatMap { word in
            (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
        }
        let bytes = address.isIPv4 ? Array(words.suffix(4)) : words
        guard input.count >= bytes.count else { return false }
        return (0...(input.count - bytes.count)).contains {
            input[$0..<($0 + bytes.count)].elementsEqual(bytes)
        }
    }
}
