// Which program this is.

internal import StraitPosix
internal import StraitTLS

/// Version and what it was built with.
package enum BuildInformation {
    /// The release, semantic versioning.
    package static let version = "0.1.0"
    /// The day of the release.
    package static let date = "2026-11-22"
    /// The commit that it was built from; `unknown` outside a repository.
    package static var commit: String { buildCommit() }

    /// The libssl that is linked: its number, such as `3.0.20`.
    package static var openssl: String {
        let words = opensslVersionText().split(separator: " ")
        return words.count > 1 ? String(words[1]) : "unknown"
    }

    /// The compiler's version.
    package static var swift: String {
        #if compiler(>=6.4)
        "6.4"
        #elseif compiler(>=6.3.1)
        "6.3.1"
        #elseif compiler(>=6.3)
        "6.3"
        #else
        "6.2"
        #endif
    }

    /// `strait 0.1.0 (2026-11-22, a1b2c3d) OpenSSL 3.0.20, Swift 6.3.1`.
    package static var text: String {
        "strait \(Self.version) (\(Self.date), \(Self.commit)) "
            + "OpenSSL \(Self.openssl), Swift \(Self.swift)"
    }
}
