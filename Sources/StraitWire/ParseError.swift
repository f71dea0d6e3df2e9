// What a parser says of bytes that do not add up: which part was being read, and no more.

/// A part of a message whose length does not add up, or whose bytes are not allowed there.
package enum WireField: UInt8, Hashable, Sendable, CaseIterable {
    // ClientHello, RFC 8446 §4.1.2.
    case legacyVersion, random, sessionID, cipherSuites, compressionMethods, extensions
    case extensionData, serverName, applicationProtocols, supportedVersions
    // PROXY, Postgres, SSH, HTTP, MySQL.
    case length, address, value, processID, key, parameters, line, capabilities

    /// The word that logs use.
    package var name: String {
        switch self {
        case .legacyVersion: "legacy_version"
        case .random: "random"
        case .sessionID: "session_id"
        case .cipherSuites: "cipher_suites"
        case .compressionMethods: "compression_methods"
        case .extensions: "extensions"
        case .extensionData: "extension_data"
        case .serverName: "server_name"
        case .applicationProtocols: "application_layer_protocol_negotiation"
        case .supportedVersions: "supported_versions"
        case .length: "length"
        case .address: "address"
        case .value: "value"
        case .processID: "process_id"
        case .key: "key"
        case .parameters: "parameters"
        case .line: "line"
        case .capabilities: "capabilities"
        }
    }
}

/// Bytes ended too early, or a length lies outside its bounds.
package enum ParseError: Error, Hashable, Sendable {
    /// The named part does not add up.
    case malformed(WireField)
}
