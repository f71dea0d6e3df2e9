// Who asks `/webapi`: what the PROXY header says that the engine sends before all else.

package import StraitCore
package import StraitWire

/// A downstream as the engine tells of it.
package struct WebAPISource: Hashable, Sendable {
    /// Where it comes from; nil where a proxy in front did not say.
    package var address: IPAddress?
    /// Its port.
    package var port: UInt16
    /// The port that it dialled; nil where that is not known.
    package var dialledPort: UInt16?
    /// Whose certificate it was shown.
    package var tenant: String
    /// Which of those that had that name.
    package var incarnation: UInt64
    /// The connection's id.
    package var connection: String
    /// Whether HTTP/2 was agreed on.
    package var isHTTP2: Bool

    /// See the properties.
    package init(
        address: IPAddress?, port: UInt16, dialledPort: UInt16?, tenant: String,
        incarnation: UInt64, connection: String, isHTTP2: Bool
    ) {
        self.address = address
        self.port = port
        self.dialledPort = dialledPort
        self.tenant = tenant
        self.incarnation = incarnation
        self.connection = connection
        self.isHTTP2 = isHTTP2
    }

    /// Nil without a tenant: that is not from the engine.
    ///
    /// - Parameter header: What the engine has sent.
    package init?(_ header: ProxyHeader) {
        func text(_ type: UInt8) -> String? {
            header.tlvs.value(type).map { String(decoding: $0, as: UTF8.self) }
        }
        guard let tenant = text(ProxyTLVType.tenant), !tenant.isEmpty else { return nil }
        self.init(
            address: header.source?.address, port: header.source?.port ?? 0,
            dialledPort: header.destination?.port, tenant: tenant,
            incarnation: text(ProxyTLVType.incarnation).flatMap { UInt64($0) } ?? 0,
            connection: text(ProxyTLVType.uniqueID) ?? "",
            isHTTP2: text(ProxyTLVType.applicationProtocol) == ApplicationProtocol.http2.text)
    }

    /// What is counted as one: an IPv4 address, or a /64, of which one person has very many
    /// addresses.
    var prefix: IPAddress? {
        guard let address, !address.isIPv4 else { return self.address }
        return IPAddress(high: address.high, low: 0)
    }
}
