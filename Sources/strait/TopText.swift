// How `strait top` looks. Pure.

internal import Foundation
package import StraitControl

/// Tables of tenants, and what draws them on a terminal (ECMA-48; xterm's other screen).
package enum TopText {
    /// The other screen, without a cursor.
    package static let begin = "\u{1B}[?1049h\u{1B}[?25l"
    /// Back to the screen as it was.
    package static let end = "\u{1B}[?25h\u{1B}[?1049l"

    /// A line on what is seen, and a table.
    package static func table(_ answer: TopAnswer) -> String {
        var table = TextTable("tenant", "open", "new/s", "in/s", "out/s", "refused/s")
        for tenant in answer.tenants {
            table.add(
                tenant.tenant, "\(tenant.connections)", Self.rate(tenant.newPerSecond),
                Self.bytes(tenant.bytesInPerSecond), Self.bytes(tenant.bytesOutPerSecond),
                Self.rate(tenant.refusalsPerSecond))
        }
        return "\(answer.time)  \(answer.tenants.count) of \(answer.tenantsTotal) tenants by "
            + "\(answer.sort), over \(Self.short(answer.seconds)) s\n\(table.text)"
    }

    /// What draws text on a terminal in place of what is there; what does not fit is left out.
    package static func frame(_ text: String, rows: Int, columns: Int) -> String {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
            .prefix(rows).map { String($0.prefix(columns)) + "\u{1B}[K" }
        return "\u{1B}[H" + lines.joined(separator: "\r\n") + "\u{1B}[J"
    }

    private static func rate(_ rate: Double?) -> String { rate.map(Self.short) ?? "-" }

    /// Of 1,000: `950 B`, `1.2 kB`, `34 MB`.
    private static func bytes(_ bytes: Double?) -> String {
        guard var left = bytes else { return "-" }
        var units = ["B", "kB", "MB", "GB", "TB"][...]
        while left >= 999.5, units.count > 1 {
            left /= 1000
            units.removeFirst()
        }
        return "\(Self.short(left)) \(units.first ?? "")"
    }

    /// One digit behind the point below 10.
    private static func short(_ number: Double) -> String {
        number == number.rounded() || number >= 9.95
            ? String(format: "%.0f", number) : String(format: "%.1f", number)
    }
}
