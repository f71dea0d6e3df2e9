// What a tenant exposes, and how the router handles it.

/// The protocol of a service, as operators write it.
package enum ServiceProtocol: String, Hashable, Sendable, CaseIterable {
    case ssh, kubernetes, postgres, mysql, web, tcp
}

/// Whether TLS ends at the router.
package enum ServiceMode: String, Hashable, Sendable, CaseIterable {
    /// The bytes travel unopened; TLS ends at the upstream.
    case passthrough
    /// TLS ends here; the upstream gets what was inside.
    case terminate

    /// Whether TLS ends here.
    package var endsTLS: Bool {
        switch self {
        case .passthrough: false
        case .terminate: true
        }
    }
}

/// Whether a service asks the downstream for a certificate of the tenant's user authority.
package enum ClientCertificatePolicy: String, Hashable, Sendable, CaseIterable {
    /// No CertificateRequest is sent.
    case none
    /// A certificate is asked for; one that is sent must be good.
    case optional
    /// No certificate, no connection.
    case required

    /// Whether there is no connection without a certificate.
    package var isRequired: Bool {
        switch self {
        case .none, .optional: false
        case .required: true
        }
    }
}

/// Which PROXY header is written towards an upstream.
package enum ProxyHeaderVersion: String, Hashable, Sendable, CaseIterable {
    case none, v1, v2
}
