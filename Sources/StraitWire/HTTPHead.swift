// Enough of an HTTP/1 request head (RFC 9112) to answer a plain request ourselves, and nothing
// else: the answers are in HTTPAnswer.

package import StraitCore

/// The parts of a request head that an answer of ours needs.
///
/// Ranges are offsets into the input.
package struct HTTPHead: Hashable, Sendable {
    /// Where the method lies.
    package let method: Range<Int>
    /// Whether the method is HEAD: an answer has no body then (RFC 9110 §9.3.2).
    package let isHEAD: Bool
    /// Where the request target lies; visible ASCII and bytes above it, nothing below.
    package let target: Range<Int>
    /// Where the value of Host lies, without space around it; nil when there is none, or several.
    package let host: Range<Int>?
    /// How many bytes the head takes, its empty line included.
    package let length: Int

    /// The host name that the request is for, without its port; nil when it is none.
    ///
    /// A target in absolute-form says it, whatever Host says (RFC 9112 §3.2.2); but there is one
    /// Host in any case (§3.2).
    /// - Parameter input: What the head was read from.
    /// - Returns: The name in canonical form.
    package func hostName(in input: Span<UInt8>) -> HostName? {
        guard let field = self.host, max(field.upperBound, self.target.upperBound) <= input.count
        else { return nil }
        let host = self.targetAuthority(in: input) ?? field
        var end = host.upperBound
        while end > host.lowerBound, (0x30...0x39).contains(input[end - 1]) { end -= 1 }
        let hasPort = end > host.lowerBound && input[end - 1] == UInt8(ascii: ":")
        let name = host.lowerBound..<(hasPort ? end - 1 : host.upperBound)
        do throws(HostName.Problem) {
            return try HostName(canonicalizing: input.extracting(name))
        } catch {
            return nil  // an address, or none: there is nothing to redirect to
        }
    }

    /// Where `authority` lies in a target `scheme://authority/path`; nil in one of another form.
    private func targetAuthority(in input: Span<UInt8>) -> Range<Int>? {
        var start = self.target.lowerBound
        while start < self.target.upperBound, Self.isOfScheme(input[start]) { start += 1 }
        guard start > self.target.lowerBound else { return nil }
        for byte in Self.schemeEnd {
            guard start < self.target.upperBound, input[start] == byte else { return nil }
            start += 1
        }
        var end = start
        while end < self.target.upperBound, !Self.authorityEnds.contains(input[end]) { end += 1 }
        return start..<end
    }

    /// RFC 3986 §3.1.
    private static func isOfScheme(_ byte: UInt8) -> Bool {
        switch byte | 0x20 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: (0x30...0x39).contains(byte) || [0x2B, 0x2D, 0x2E].contains(byte)
        }
    }

    private static let schemeEnd = Array("://".utf8)
    private static let authorityEnds = Array("/?#".utf8)
}

/// Why bytes are no request head.
package enum HTTPProblem: Error, Hashable, Sendable {
    /// More than ``Limits/httpHeadBytesMax``.
    case tooLarge
    /// A request line that is not `METHOD target HTTP/1.x`.
    case requestLine
    /// A field line without a name, folded, or with a byte that must not be there.
    case field
}

/// Finds a request head at the start of a connection, resuming where it stopped.
package struct HTTPHeadReader: Hashable, Sendable {
    /// What the bytes so far amount to.
    package enum Outcome: Hashable, Sendable {
        case needMore
        case malformed(HTTPProblem)
        case done(HTTPHead)
    }

    /// The offset of the next byte to look at, and of the line that it belongs to.
    private var position = 0
    private var lineStart = 0
    private var request: RequestLine?
    private var host: Range<Int>?
    private var hostCount = 0
    private var ended: Outcome?

    private struct RequestLine: Hashable {
        let method: Range<Int>
        let target: Range<Int>
    }

    /// A reader at the start of a request.
    package init() {}

    /// Reads on.
    ///
    /// Lines end with CR LF or LF (RFC 9112 §2.2): as we answer and close, nobody else reads the
    /// same bytes in another way.
    /// - Parameter input: Everything received so far, from the request's first byte.
    /// - Returns: What the bytes so far amount to.
    /// - Complexity: O(bytes that are new) and those of the line that they end.
    package mutating func read(_ input: Span<UInt8>) -> Outcome {
        if let ended { return ended }
        while self.position < input.count {
            guard self.position < Limits.httpHeadBytesMax else {
                return self.end(.malformed(.tooLarge))
            }
            let byte = input[self.position]
            self.position += 1
            guard byte == UInt8(ascii: "\n") else { continue }
            do throws(HTTPProblem) {
                if let head = try self.readLine(input) { return self.end(.done(head)) }
            } catch {
                return self.end(.malformed(error))
            }
            self.lineStart = self.position
        }
        return .needMore
    }

    private mutating func end(_ outcome: Outcome) -> Outcome {
        self.ended = outcome
        return outcome
    }

    /// Reads the line that ends before ``position``; the head, when it is the empty one.
    private mutating func readLine(_ input: Span<UInt8>) throws(HTTPProblem) -> HTTPHead? {
        var end = self.position - 1
        if end > self.lineStart, input[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        let line = self.lineStart..<end
        guard let request else {
            self.request = try Self.requestLine(input, line)
            return nil
        }
        guard line.isEmpty else {
            try self.readField(input, line)
            return nil
        }
        return HTTPHead(
            method: request.method, isHEAD: Self.equals(input, request.method, Self.head),
            target: request.target, host: self.hostCount == 1 ? self.host : nil,
            length: self.position)
    }

    /// RFC 9112 §3: method SP request-target SP HTTP-version.
    private static func requestLine(
        _ input: Span<UInt8>, _ line: Range<Int>
    ) throws(HTTPProblem) -> RequestLine {
        var spaces: (Int?, Int?) = (nil, nil)
        for index in line {
            let byte = input[index]
            guard byte > 0x20, byte != 0x7F else {
                guard byte == 0x20, spaces.1 == nil else { throw .requestLine }
                if spaces.0 == nil { spaces.0 = index } else { spaces.1 = index }
                continue
            }
        }
        guard let first = spaces.0, let second = spaces.1 else { throw .requestLine }
        let method = line.lowerBound..<first
        let target = (first + 1)..<second
        let version = (second + 1)..<line.upperBound
        guard !method.isEmpty, !target.isEmpty, version.count == Self.version.count + 1,
            Self.equals(input, version.lowerBound..<(version.upperBound - 1), Self.version)
        else { throw .requestLine }
        return RequestLine(method: method, target: target)
    }

    /// RFC 9112 §5: field-name ":" OWS field-value OWS.
    ///
    /// Only Host is looked at.
    private mutating func readField(
        _ input: Span<UInt8>, _ line: Range<Int>
    ) throws(HTTPProblem) {
        var colon: Int?
        for index in line {
            let byte = input[index]
            if colon == nil, byte == UInt8(ascii: ":") { colon = index }
            guard byte >= 0x20 || byte == 0x09, byte != 0x7F else { throw .field }
            guard colon != nil || byte > 0x20 else { throw .field }  // folded, or a space in a name
        }
        guard let colon, colon > line.lowerBound else { throw .field }
        guard Self.equals(input, line.lowerBound..<colon, Self.hostField, ignoringCase: true) else {
            return
        }
        var value = (colon + 1)..<line.upperBound
        while let first = value.first, Self.isSpace(input[first]) { value = value.dropFirst() }
        while let last = value.last, Self.isSpace(input[last]) { value = value.dropLast() }
        self.hostCount += 1
        self.host = value
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    private static func equals(
        _ input: Span<UInt8>, _ range: Range<Int>, _ known: [UInt8], ignoringCase: Bool = false
    ) -> Bool {
        guard range.count == known.count else { return false }
        for index in 0..<known.count {
            var byte = input[range.lowerBound + index]
            if ignoringCase, (0x41...0x5A).contains(byte) { byte |= 0x20 }
            guard byte == known[index] else { return false }
        }
        return true
    }

    private static let head = Array("HEAD".utf8)
    private static let version = Array("HTTP/1.".utf8)
    private static let hostField = Array("host".utf8)
}
