// What is wrong with a certificate that somebody wants to use, in words to act on.

/// One thing that is wrong: where, what was found, what was expected, and what to do.
package struct CertificateProblem: Hashable, Sendable {
    /// Which kind it is; the words are for programs and stay.
    package enum Code: String, Hashable, Sendable, CaseIterable {
        // What was given.
        case tooLarge = "too_large"
        case notPEM = "not_pem"
        case strayText = "stray_text"
        case strayBlock = "stray_block"
        case certificateMissing = "certificate_missing"
        case tooManyCertificates = "too_many_certificates"
        case certificateUnreadable = "certificate_unreadable"
        case keyInChain = "key_in_chain"
        case keyMissing = "key_missing"
        case tooManyKeys = "too_many_keys"
        case keyEncrypted = "key_encrypted"
        case keyUnreadable = "key_unreadable"
        // How it belongs together.
        case keyMismatch = "key_mismatch"
        case leafNotFirst = "leaf_not_first"
        case chainOutOfOrder = "chain_out_of_order"
        case stranger = "stranger_in_chain"
        case repeated = "certificate_repeated"
        case signatureWrong = "signature_wrong"
        case issuerIsNoAuthority = "issuer_is_no_authority"
        // What it says.
        case leafIsAuthority = "leaf_is_authority"
        case wrongPurpose = "wrong_purpose"
        case namesMissing = "names_missing"
        case tooManyNames = "too_many_names"
        case nameUnusable = "name_unusable"
        case nameNotOwned = "name_not_owned"
        case expired
        case notYetValid = "not_yet_valid"
        case weakKey = "weak_key"
        case keyTooLarge = "key_too_large"
        case weakSignature = "weak_signature"
        case algorithmUnsupported = "algorithm_unsupported"
        // What loads it.
        case notLoadable = "not_loadable"
    }

    /// Which of the things that were given.
    package enum Part: Hashable, Sendable, CustomStringConvertible {
        /// All certificates together.
        case chain
        /// One of them, counted from 1.
        case certificate(Int)
        /// The private key.
        case key

        /// `certificate 2`.
        package var description: String {
            switch self {
            case .chain: "chain"
            case .certificate(let position): "certificate \(position)"
            case .key: "key"
            }
        }
    }

    /// Which kind it is.
    package let code: Code
    /// Where.
    package let part: Part
    /// What is there.
    package let found: String
    /// What could be there.
    package let expected: String
    /// What to do.
    package let remedy: String

    init(_ code: Code, _ part: Part, found: String, expected: String, remedy: String) {
        self.code = code
        self.part = part
        self.found = found
        self.expected = expected
        self.remedy = remedy
    }
}

/// A certificate that is not taken; says everything that is wrong with it.
package struct CertificateRefusal: Error, Hashable, Sendable, CustomStringConvertible {
    /// One or more: first what was given, then how it belongs together, then what it says.
    package let problems: [CertificateProblem]

    /// A line for each.
    package var description: String {
        self.problems.map {
            "\($0.part): found \($0.found); expected \($0.expected); \($0.remedy)"
        }.joined(separator: "\n")
    }
}
