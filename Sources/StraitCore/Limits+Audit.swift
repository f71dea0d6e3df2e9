// Bounds of what is kept of changes that were made.

extension Limits {
    /// What an audit row quotes of a document before a change, and as much of it after; escaped it
    /// may be twice as long, and both fit a row of ``storeValueBytesMax``.
    ///
    /// Beyond: the row has its beginning, and says so.
    package static let auditQuoteBytesMax = 32 * 1024
    /// How long audit rows are kept.
    ///
    /// Beyond: forgotten.
    package static let auditAge = Duration.seconds(400 * 86_400)
    /// Audit rows that are kept.
    ///
    /// Beyond: the oldest are forgotten, and the log says so.
    package static let auditEntriesMax = 100_000
    /// Audit rows that are forgotten in one commit; two writes each.
    package static let auditForgottenAtOnce = 25
}
