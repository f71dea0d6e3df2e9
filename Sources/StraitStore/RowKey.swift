// The name of a row.

internal import StraitCore

/// The name of a row: a path of words, `tenant/acme`.
///
/// Ordered by its bytes, as databases do.
package struct RowKey: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The path: 1 to ``Limits/storeKeyBytesMax`` bytes of UTF-8 without control characters.
    package let description: String

    /// - Throws: ``StoreError/refused(_:)`` where `text` is no path.
    package init(_ text: String) throws(StoreError) {
        guard (1...Limits.storeKeyBytesMax).contains(text.utf8.count) else {
            throw .refused(
                "a key of \(text.utf8.count) bytes; expected 1 to \(Limits.storeKeyBytesMax)")
        }
        // The last of all characters ends the range of a prefix.
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x10_FFFF }) else {
            throw .refused("a key with a control character")
        }
        self.description = text
    }

    /// By bytes.
    package static func < (left: RowKey, right: RowKey) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }

    /// By bytes: another spelling of the same character is another key.
    package static func == (left: RowKey, right: RowKey) -> Bool {
        left.description.utf8.elementsEqual(right.description.utf8)
    }

    /// By bytes, as ``==(_:_:)``.
    package func hash(into hasher: inout Hasher) {
        for byte in self.description.utf8 { hasher.combine(byte) }
    }
}
