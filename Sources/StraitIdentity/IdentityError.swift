// Why an authority, a certificate or an identity is not what was asked for.

/// What went wrong; every text is for people and free of secrets.
package enum IdentityError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was asked for cannot be; whoever asked can ask better.
    case refused(String)
    /// A certificate or a key is not what it should be.
    case unusable(String)
    /// The authority is not valid at this time.
    case notInForce(String)

    /// The reason.
    package var description: String {
        switch self {
        case .refused(let text), .unusable(let text), .notInForce(let text): text
        }
    }
}
