// Why a connection through a router failed, in the words of whoever runs `strait connect`.

internal import Foundation
internal import StraitWire

/// What `strait connect` says about a connection that failed, and how it ends.
package struct ConnectFailure: Hashable, Sendable {
    /// The exit code.
    package let status: CommandStatus
    /// What, why, and what to do.
    package let message: String

    /// Reads the access record of a connection to the router.
    ///
    /// Nil where the record tells of no failure of the router or the way to it.
    ///
    /// - Parameters:
    ///   - record: One line of JSON.
    ///   - host: The name that was asked for.
    ///   - applicationProtocol: What was asked for by ALPN.
    package init?(record: [UInt8], host: String, applicationProtocol: String) {
        do {
            let fields = try JSONDecoder().decode(Fields.self, from: Data(record))
            guard let reason = fields.reason, reason != "drained", fields.side != "downstream"
            else { return nil }
            self = Self.failure(reason, fields, host, applicationProtocol)
        } catch {
            self.init(.refused, "the record of the connection cannot be read")
        }
    }

    private init(_ status: CommandStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    /// The router ended a connection in order, and nothing had come through it.
    package static func silence(host: String) -> ConnectFailure {
        ConnectFailure(
            .refused,
            "\(host): the router ended the connection before the service had sent a byte; "
                + "its upstream may be down")
    }

    private static func failure(
        _ reason: String, _ fields: Fields, _ host: String, _ applicationProtocol: String
    ) -> ConnectFailure {
        let detail = fields.detail ?? reason
        switch reason {
        case "connect_failed", "connect_timeout":
            return ConnectFailure(
                .unreachable,
                "cannot reach the router: \(detail); --router names the router's address")
        case "upstream_tls_failed", "tls_error":
            if let alert = fields.alert ?? Self.alert(in: detail) {
                return ConnectFailure(
                    .refused, Self.sentence(alert: alert, host, applicationProtocol))
            }
            let isUnknown = Self.authorityWords.contains { detail.contains($0) }
            let remedy = isUnknown ? "; --ca names the file of the authority that signed it" : ""
            return ConnectFailure(
                .refused, "\(host): TLS with the router failed: \(detail)\(remedy)")
        default:
            let rest = fields.detail.map { ": \($0)" } ?? ""
            return ConnectFailure(
                .refused, "\(host): the connection to the router broke (\(reason)\(rest))")
        }
    }

    /// OpenSSL's words for a chain that leads to no authority that is known.
    private static let authorityWords = ["issuer", "self-signed", "self signed", "untrusted"]

    private static func alert(in detail: String) -> UInt8? {
        guard let words = detail.range(of: "the peer sent alert ") else { return nil }
        return UInt8(detail[words.upperBound...])
    }

    private static func sentence(
        alert: UInt8, _ host: String, _ applicationProtocol: String
    ) -> String {
        switch TLSAlert(rawValue: alert) {
        case .unrecognizedName: "the router knows no host \(host) (alert \(alert))"
        case .noApplicationProtocol:
            "\(host): the router speaks no \(applicationProtocol) there (alert \(alert)); "
                + "--service-protocol or --alpn names another"
        case .certificateRequired:
            "\(host): the router wants a certificate (alert \(alert)); "
                + "give --certificate and --key"
        case .badCertificate, .unsupportedCertificate, .certificateRevoked, .certificateExpired,
            .certificateUnknown, .unknownCA, .accessDenied:
            "\(host): the router does not accept our certificate "
                + "(\(TLSAlert(rawValue: alert)?.name ?? ""), alert \(alert))"
        case .internalError:
            "\(host): the router cannot reach the service (alert \(alert))"
        case let other:
            "\(host): the router ended TLS (\(other?.name ?? "unknown"), alert \(alert))"
        }
    }

    private struct Fields: Decodable {
        var reason: String?
        var side: String?
        var detail: String?
        var alert: UInt8?

        enum CodingKeys: String, CodingKey {
            case reason = "error.type"
            case side = "strait.side"
            case detail = "strait.detail"
            case alert = "strait.tls.alert"
        }
    }
}
