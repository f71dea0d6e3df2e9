// Which ALPN identifiers belong to which service protocol. Wrapped protocols have names of our own,
// and the names by which programs written for Teleport ask for the same (its
// `lib/srv/alpnproxy/common`).

package import StraitCore

extension ServiceProtocol {
    /// What a service of this protocol accepts when it configures nothing, in our order of
    /// preference.
    ///
    /// Where TLS ends here, Kubernetes offers h2 only where it does no harm: the certificates
    /// decide, which this layer does not know.
    ///
    /// MySQL also accepts ``OfferedProtocols/isMySQLVersion(_:in:)``. The `-ping` variants, which
    /// wrap the bytes in frames, are not served.
    package var defaultApplicationProtocols: [ApplicationProtocol] {
        Self.defaults[self] ?? []
    }

    /// Made once: there may be very many services.
    private static let defaults = Dictionary(
        uniqueKeysWithValues: ServiceProtocol.allCases.map { service in
            let protocols: [ApplicationProtocol] =
                switch service {
                case .web: [.http11]
                case .kubernetes: [.http2, .http11]
                case .ssh, .postgres, .mysql, .tcp:
                    WrappedProtocol.all.filter { $0.serviceProtocol == service }.map(\.id)
                }
            return (service, protocols)
        })
}

/// An ALPN identifier that names a protocol by itself, so that a tenant's own name suffices with
/// it.
struct WrappedProtocol: Sendable {
    let id: ApplicationProtocol
    let serviceProtocol: ServiceProtocol
    /// `exact` for our own and registered names, `alias` for another's.
    let kind: NameKind

    private init(_ id: ApplicationProtocol, _ serviceProtocol: ServiceProtocol) {
        self.id = id
        self.serviceProtocol = serviceProtocol
        self.kind = .exact
    }

    /// An alias; the caller vouches for 1 to 255 bytes.
    private init?(alias text: String, _ serviceProtocol: ServiceProtocol) {
        guard let id = ApplicationProtocol(bytes: Array(text.utf8)) else { return nil }
        self.id = id
        self.serviceProtocol = serviceProtocol
        self.kind = .alias
    }

    /// All of them, those of one protocol in our order of preference.
    static let all: [WrappedProtocol] =
        [
            WrappedProtocol(.postgresql, .postgres), WrappedProtocol(.straitPostgres, .postgres),
            WrappedProtocol(.straitSSH, .ssh), WrappedProtocol(.straitMySQL, .mysql),
            WrappedProtocol(.straitTCP, .tcp),
        ]
        + [
            WrappedProtocol(alias: "teleport-postgres", .postgres),
            WrappedProtocol(alias: "teleport-proxy-ssh", .ssh),
            WrappedProtocol(alias: "teleport-mysql", .mysql),
            WrappedProtocol(alias: "teleport-tcp", .tcp),
        ].compactMap { $0 }
}

/// Walks the content of a ProtocolNameList (RFC 7301 §3.1): a length byte, then so many bytes,
/// repeated.
///
/// The list is passed with each call and not kept. Whatever does not add up ends the walk; nothing
/// traps.
package struct OfferedProtocols: Sendable {
    private var offset = 0

    /// At the start of a list.
    package init() {}

    /// Where the next identifier's bytes lie; nil at the end.
    package mutating func next(in list: Span<UInt8>) -> Range<Int>? {
        guard self.offset < list.count else { return nil }
        let start = self.offset + 1
        let end = start + Int(list[self.offset])
        guard end > start, end <= list.count else {
            self.offset = list.count
            return nil
        }
        self.offset = end
        return start..<end
    }

    /// Whether the bytes of `list` in `range` are exactly `id`.
    package static func isEqual(
        _ id: ApplicationProtocol, _ range: Range<Int>, in list: Span<UInt8>
    ) -> Bool {
        id.bytes.count == range.count && id.matches(list.extracting(range))
    }

    /// Whether an identifier is `teleport-mysql-` and the base 64 (RFC 4648 §4) of a server's
    /// version.
    ///
    /// `teleport-mysql-ping` is not, although `ping` could be base 64.
    package static func isMySQLVersion(_ range: Range<Int>, in list: Span<UInt8>) -> Bool {
        let prefix = Self.mySQLVersionPrefix
        let count = range.count - prefix.count
        guard count > 0, count % 4 == 0 else { return false }
        for index in prefix.indices where list[range.lowerBound + index] != prefix[index] {
            return false
        }
        let start = range.lowerBound + prefix.count
        var end = range.upperBound
        for _ in 0..<2 where list[end - 1] == UInt8(ascii: "=") { end -= 1 }
        for index in start..<end {
            switch list[index] {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "/"):
                continue
            default: return false
            }
        }
        guard count == Self.ping.count else { return true }
        for index in 0..<count where list[start + index] != Self.ping[index] { return true }
        return false
    }

    private static let mySQLVersionPrefix = Array("teleport-mysql-".utf8)
    private static let ping = Array("ping".utf8)
}
