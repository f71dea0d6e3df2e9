// Bounds of authorities, certificates and whom they are issued to.

extension Limits {
    /// How long the installation's authority is good; also the most that any of its certificates
    /// may be.
    package static let authorityValidity = Duration.seconds(3652 * 86_400)
    /// How long a certificate of the installation's authority is good, where nobody says.
    package static let certificateValidity = Duration.seconds(90 * 86_400)
    /// How long a certificate of an operator or a tenant's administrator is good, where nobody
    /// says.
    package static let identityValidity = Duration.seconds(30 * 86_400)
    /// The most that may be said.
    ///
    /// Beyond: refused.
    package static let identityValidityMax = Duration.seconds(366 * 86_400)
    /// Operators with certificates that are good, and administrators of each tenant.
    ///
    /// Beyond: refused, until one is withdrawn.
    package static let identitiesMax = 200
    /// The least that may be said instead.
    package static let certificateValidityMin = Duration.seconds(60)
    /// How long before it was made a certificate is good already, for clocks that are behind.
    package static let certificateBackdatingSeconds: Int64 = 3600
    /// Names of a certificate, issued or uploaded; as many as Let's Encrypt takes.
    ///
    /// Beyond: refused.
    package static let certificateNamesMax = 100
    /// Certificates of an uploaded chain; real ones have 2 to 4.
    ///
    /// Beyond: refused.
    package static let uploadedCertificatesMax = 10
    /// An uploaded chain as PEM.
    ///
    /// Beyond: refused.
    package static let uploadedChainBytesMax = 64 * 1024
    /// An uploaded key as PEM; RSA with 16,384 bits has 12 KB.
    ///
    /// Beyond: refused.
    package static let uploadedKeyBytesMax = 16 * 1024
    /// Key-encryption keys that a process has at once: the one that seals, and older ones.
    ///
    /// Beyond: refused.
    package static let keyEncryptionKeysMax = 4
    /// A secret that is sealed; private keys have less than 4 KiB.
    ///
    /// Beyond: refused.
    package static let sealedBytesMax = 64 * 1024

    /// Ports that are moved from another registry in one commit.
    ///
    /// Beyond: refused.
    package static let movedPortsMax = 25

    // MARK: Operators with certificates

    /// Connections that one certificate has to the operators' listener.
    ///
    /// Beyond: closed.
    package static let adminConnectionsPerCertificateMax = 8
    /// Connections that the administrators of one tenant have to it.
    ///
    /// Beyond: closed.
    package static let adminConnectionsPerTenantMax = 16
    /// Connections that the administrators of all tenants have to it: operators find room in
    /// ``adminConnectionsMax`` whatever those do.
    ///
    /// Beyond: closed.
    package static let adminConnectionsOfTenantsMax = 48
    /// How long a connection stays that is nobody's, so that it is told why.
    package static let adminFarewell = Duration.seconds(1)
}
