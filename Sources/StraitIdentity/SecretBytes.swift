// Bytes that no log line, no test's report and no debugger's summary shows.

/// A secret: a private key, or the key that seals others.
///
/// Its text says how long it is and no more. The bytes themselves are an array's: copies of them
/// may stay in freed memory, as with every key that OpenSSL is given as PEM.
package struct SecretBytes: Sendable, Equatable, CustomStringConvertible,
    CustomDebugStringConvertible, CustomReflectable
{
    /// The secret itself, for whoever needs it.
    package let revealed: [UInt8]

    /// Keeps `bytes`.
    package init(_ bytes: [UInt8]) { self.revealed = bytes }

    /// How long it is.
    package var description: String { "secret of \(self.revealed.count) bytes" }

    /// The same.
    package var debugDescription: String { self.description }

    /// Without children: reflection, as `dump` does it, finds nothing.
    package var customMirror: Mirror { Mirror(self, unlabeledChildren: EmptyCollection<Never>()) }
}
