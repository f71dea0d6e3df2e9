// The answer of `/webapi/ping` as its model has it: gravitational/teleport,
// api/client/webclient/webclient.go. Every member may be absent but `tls_routing_enabled`.

import Foundation

/// Members by their path, with the kind of their value.
enum WebAPIModel {
    enum Kind { case text, flag, number, object }

    static let members: [String: Kind] = {
        var members: [String: Kind] = [:]
        for (path, kinds) in groups {
            for (kind, names) in kinds {
                for name in names.split(separator: " ") {
                    members[path.isEmpty ? "\(name)" : "\(path).\(name)"] = kind
                }
            }
        }
        return members
    }()

    private static let groups: [String: [(Kind, String)]] = [
        "": [
            (.object, "auth proxy auto_update"),
            (.text, "server_version min_client_version cluster_name edition"),
            (.flag, "automatic_upgrades fips"),
        ],
        "auth": [
            (
                .text,
                "type second_factor preferred_local_mfa private_key_policy piv_slot "
                    + "signature_algorithm_suite"
            ),
            (.flag, "allow_passwordless allow_headless has_motd load_all_cas"),
            (.number, "default_session_ttl piv_pin_cache_duration"),
            (.object, "local webauthn u2f oidc saml github device_trust"),
        ],
        "proxy": [(.object, "kube ssh db"), (.flag, "tls_routing_enabled")],
        "proxy.kube": [(.flag, "enabled"), (.text, "public_addr listen_addr")],
        "proxy.ssh": [
            (
                .text,
                "listen_addr tunnel_listen_addr web_listen_addr public_addr ssh_public_addr "
                    + "ssh_tunnel_public_addr"
            ), (.number, "dial_timeout"),
        ],
        "proxy.db": [
            (
                .text,
                "postgres_listen_addr postgres_public_addr mysql_listen_addr mysql_public_addr "
                    + "mongo_listen_addr mongo_public_addr"
            )
        ],
        "auto_update": [
            (.text, "tools_version agent_version"),
            (.flag, "tools_auto_update agent_auto_update"),
            (.number, "agent_update_jitter_seconds"),
        ],
    ]

    /// Every member of an answer by its path, but for what stands under `strait`.
    static func members(of json: [UInt8]) throws -> [String: Any] {
        var found: [String: Any] = [:]
        func walk(_ object: [String: Any], _ path: String) {
            for (name, value) in object where path + name != "strait" {
                found[path + name] = value
                if let inner = value as? [String: Any] { walk(inner, path + name + ".") }
            }
        }
        let object = try JSONSerialization.jsonObject(with: Data(json))
        walk(object as? [String: Any] ?? [:], "")
        return found
    }

    static func isOf(_ kind: Kind, _ value: Any) -> Bool {
        switch kind {
        case .text: value is String
        case .object: value is [String: Any]
        case .flag: (value as? NSNumber).map { "\($0)" == "1" || "\($0)" == "0" } ?? false
        case .number: value is NSNumber
        }
    }
}
