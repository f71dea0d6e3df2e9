// First bytes by a table of patterns, slowly, to compare with.

import StraitWire

enum FirstBytesReference {
    /// The same by a table of patterns, slowly.
    static func read(_ input: [UInt8]) -> FirstBytes {
        var isPrefix = false
        for (pattern, found) in Self.patterns {
            var isLike = true
            for index in 0..<min(pattern.count, input.count) where isLike {
                isLike = pattern[index].contains(Int(input[index]))
            }
            guard isLike else { continue }
            if input.count >= pattern.count { return found }
            isPrefix = true
        }
        return isPrefix ? .needMore : .unknown
    }

    private static let patterns: [([ClosedRange<Int>], FirstBytes)] = {
        func exactly(_ bytes: [UInt8]) -> [ClosedRange<Int>] { bytes.map { Int($0)...Int($0) } }
        let any = 0...255
        var patterns: [([ClosedRange<Int>], FirstBytes)] = [
            (exactly([0x16, 3]), .tls), (exactly(Array("SSH-2.0-".utf8)), .ssh),
            (exactly(Array("SSH-1.99-".utf8)), .ssh),
            (exactly(Array("PRI * HTTP/2.0".utf8)), .http2),
            ([128...255, any, 1...1, 3...3], .sslv2),
            ([128...255, any, 1...1, 0...0, 2...2], .sslv2),
            (exactly(PostgresPrelude.sslRequest), .postgresSSLRequest),
            (exactly(PostgresPrelude.gssencRequest), .postgresGSSENCRequest),
        ]
        for method in "GET POST PUT DELETE HEAD CONNECT OPTIONS TRACE PATCH".split(separator: " ") {
            patterns.append((exactly(Array("\(method) ".utf8)), .http))
        }
        // Lengths 16...268 as ranges of their two bytes, and below 9...10000.
        for (high, low) in [(0...0, 16...255), (1...1, 0...12)] {
            patterns.append(
                ([0...0, 0...0, high, low] + exactly([4, 0xD2, 0x16, 0x2E]), .postgresCancel))
        }
        for (high, low) in [(0...0, 9...255), (1...38, 0...255), (39...39, 0...16)] {
            patterns.append(([0...0, 0...0, high, low, 0...0, 3...3], .postgresStartup))
        }
        return patterns
    }()
}
