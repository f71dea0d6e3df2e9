// What the operators' listener shows and asks for: a part of what the compiler goes on with, so
// that a change that is refused leaves it as it was.

internal import Foundation
package import StraitCore
internal import StraitIdentity
internal import StraitPosix
internal import StraitSnapshot

/// The operators' API over TLS, as it is now.
package struct OperatorsAccess: Sendable {
    /// What there is to show and to verify with.
    struct Material: Sendable {
        /// Whose operators are let in.
        var installation: HostName
        /// The authority that both sides' certificates are verified with.
        var authorityPEM: [UInt8]
        var chainPEM: [UInt8]
        var keyPEM: SecretBytes
        /// What the certificate carries.
        var names: OperatorsNames
        /// When another one is due, seconds since 1970.
        var renewal: Int64
    }

    /// Nil while there is no authority.
    var material: Material?
    /// Connections that are open, over all revisions.
    let usage = TenantUsage()
    /// Where this process answers them; the engine alone reaches it.
    package let address: SocketAddress

    /// - Parameter address: Where this process answers what the operators' listener lets in.
    package init(address: SocketAddress) { self.address = address }
}

/// The names by which the operators' API is reached over TLS.
struct OperatorsNames: Hashable, Sendable {
    var names: [HostName]
    var addresses: [IPAddress]
}
