// What is asked of `/webapi`: the paths that there are, and the pin of `whoami`.

package import StraitCore

/// A question that has an answer.
package enum WebAPIQuestion: String, Hashable, Sendable, CaseIterable {
    case ping, find, ips, whoami

    /// The question of a path, `/webapi/…` or `/v1/webapi/…`, without what follows `?`; nil where
    /// nothing is.
    package init?(path: Substring) {
        let rest = path.hasPrefix("/v1/") ? path.dropFirst(3) : path
        guard rest.hasPrefix("/webapi/") else { return nil }
        self.init(rawValue: String(rest.dropFirst("/webapi/".count)))
    }

    /// The blocks of the first `pin=` of a query: one, or several behind commas.
    ///
    /// - Parameter query: What follows `?`.
    /// - Returns: Empty without a `pin`; nil where it is none.
    package static func pin(in query: Substring) -> [CIDRBlock]? {
        let prefix = "pin="
        guard let field = query.split(separator: "&").first(where: { $0.hasPrefix(prefix) }) else {
            return []
        }
        guard let text = Self.percentDecoded(field.dropFirst(prefix.count)) else { return nil }
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= Limits.webAPIPinBlocksMax else { return nil }
        let blocks = parts.compactMap { CIDRBlock(String($0)) }
        return blocks.count == parts.count ? blocks : nil
    }

    /// Nil where an escape is none, or what comes out is no ASCII: no block has such bytes.
    private static func percentDecoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst()?.hexDigit, let low = rest.popFirst()?.hexDigit else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        guard bytes.allSatisfy({ $0 < 0x80 }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}

extension UInt8 {
    fileprivate var hexDigit: UInt8? {
        switch self {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): self - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): self - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): self - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
