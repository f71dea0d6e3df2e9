// What strangers wrote, before it stands in a message.

internal import X509

/// In quotes, at most 80 characters of it, and without those that a terminal or a log obeys.
func quoted(_ text: String) -> String {
    let start = text.unicodeScalars.prefix(foreignTextMax)
    let isCut = text.unicodeScalars.dropFirst(foreignTextMax).first != nil
    var shown = String.UnicodeScalarView()
    for scalar in start { shown.append(isShowable(scalar) ? scalar : "\u{FFFD}") }
    return "\"\(String(shown))\(isCut ? "…" : "")\""
}

/// The same for a subject or an issuer.
func quoted(_ name: DistinguishedName) -> String {
    name.isEmpty ? "a certificate without a subject" : quoted(name.description)
}

/// Whether a character can be shown as it is: no control character, no invisible one that changes
/// how others are read.
func isShowable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse,
        .unassigned:
        false
    default: true
    }
}

/// Characters of foreign text in a message.
private let foreignTextMax = 80
