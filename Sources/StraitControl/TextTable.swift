// Columns for people: no borders, a header in capitals, nothing cut.

/// Rows of text in aligned columns.
package struct TextTable: Sendable {
    private var rows: [[String]]

    /// - Parameter header: The names of the columns.
    package init(_ header: String...) { self.rows = [header.map { $0.uppercased() }] }

    /// Adds a row; empty cells become `-`.
    package mutating func add(_ cells: String...) {
        self.rows.append(cells.map { $0.isEmpty ? "-" : $0 })
    }

    /// The whole table; the last column is not padded.
    package var text: String {
        let columns = self.rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in
            self.rows.map { column < $0.count ? $0[column].count : 0 }.max() ?? 0
        }
        return self.rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1
                    ? cell : cell + String(repeating: " ", count: widths[column] - cell.count)
            }.joined(separator: "  ") + "\n"
        }.joined()
    }
}
