// A name that a certificate carries, as a name of ours.

package import StraitCore

/// A host name, or all names one label below one (RFC 6125 §6.4.3).
package enum CertificateName: Hashable, Sendable, CustomStringConvertible {
    /// This name alone.
    case exact(HostName)
    /// `*.` and this name, which has at most 251 bytes.
    case wildcard(HostName)

    /// Reads `orders.example.com` or `*.example.com`; nil where it is neither.
    package init?(_ text: String) {
        guard text.hasPrefix("*.") else {
            guard let name = HostName(text) else { return nil }
            self = .exact(name)
            return
        }
        guard let name = HostName(String(text.dropFirst(2))),
            name.bytes.count + 2 <= HostName.bytesMax
        else { return nil }
        self = .wildcard(name)
    }

    /// As it stands in a certificate.
    package var description: String {
        switch self {
        case .exact(let name): name.description
        case .wildcard(let name): "*.\(name)"
        }
    }
}
