// The HTTP/1.1 answers that the router gives itself, to plain requests. Never a byte of the request
// is repeated unescaped.

package import StraitCore

/// An answer of ours to a plain HTTP request; the connection ends with it.
package enum HTTPAnswer {
    /// 400: this port speaks TLS.
    ///
    /// - Parameters:
    ///   - connection: Named in the page, so that an operator can find the record.
    ///   - isHEAD: Whether the request was HEAD: the body is left out, its length stands.
    /// - Returns: The whole answer.
    package static func tlsRequired(connection: ConnectionID, isHEAD: Bool) -> [UInt8] {
        Self.answer(
            status: "400 Bad Request", title: "This port speaks TLS",
            text: "A plain HTTP request was sent to a port that expects TLS. "
                + "Use https:// in the address.",
            fields: [], connection: connection, isHEAD: isHEAD)
    }

    /// 400: the request could not be read, or names no host to redirect to.
    package static func badRequest(connection: ConnectionID, isHEAD: Bool) -> [UInt8] {
        Self.answer(
            status: "400 Bad Request", title: "Bad request",
            text: "The request could not be read, or its Host field names no host.",
            fields: [], connection: connection, isHEAD: isHEAD)
    }

    /// 308 (RFC 9110 §15.4.9): the same target over TLS.
    ///
    /// - Parameters:
    ///   - host: Where to, in canonical form.
    ///   - port: Written where it is not 443.
    ///   - target: The request target as it came. Its path and query are kept, with every byte that
    ///     RFC 3986 does not allow escaped; a target without a path leads to `/`.
    ///   - connection: Named in the page.
    ///   - isHEAD: Whether the request was HEAD.
    /// - Returns: The whole answer.
    package static func redirect(
        host: HostName, port: UInt16 = 443, target: Span<UInt8>, connection: ConnectionID,
        isHEAD: Bool
    ) -> [UInt8] {
        let authority = port == 443 ? "\(host)" : "\(host):\(port)"
        let location = "https://\(authority)\(Self.pathAndQuery(target))"
        return Self.answer(
            status: "308 Permanent Redirect", title: "Use https",
            text: "This address is served over TLS only.",
            fields: ["Location: \(location)"], connection: connection, isHEAD: isHEAD)
    }

    /// 503: the service behind this name cannot be reached, or takes no more.
    ///
    /// Written before the request is read, so a HEAD gets the body too; the connection ends with
    /// it.
    package static func unavailable(connection: ConnectionID) -> [UInt8] {
        Self.answer(
            status: "503 Service Unavailable", title: "Service unavailable",
            text: "The service behind this name cannot be reached at the moment.",
            fields: ["Retry-After: 5"], connection: connection, isHEAD: false)
    }

    /// 503 as programs for Kubernetes read it: an object of kind Status, whose message they show.
    ///
    /// Without Retry-After, which kubectl would obey ten times before it says anything.
    package static func kubernetesUnavailable(connection: ConnectionID) -> [UInt8] {
        let body = Self.kubernetesStatus(connection: connection)
        let lines = [
            "HTTP/1.1 503 Service Unavailable", "Content-Type: application/json",
            "Content-Length: \(body.utf8.count)", "Cache-Control: no-store", "Connection: close",
        ]
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + body).utf8)
    }

    /// Nothing in it needs to be escaped.
    static func kubernetesStatus(connection: ConnectionID) -> String {
        let message = "the cluster cannot be reached at the moment (connection \(connection))"
        return #"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","#
            + #""message":"\#(message)","reason":"ServiceUnavailable","code":503}"# + "\n"
    }

    /// The path and query of a request target in origin-form or absolute-form (RFC 9112 §3.2).
    private static func pathAndQuery(_ target: Span<UInt8>) -> String {
        var start = 0
        if !target.isEmpty, target[0] != UInt8(ascii: "/") {
            start = Self.endOfAuthority(target)
        }
        var text = start < target.count && target[start] == UInt8(ascii: "/") ? "" : "/"
        for index in start..<target.count {
            let byte = target[index]
            if Self.isAllowed(byte) {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                text += "%"
                text.unicodeScalars.append(Self.hexDigits[Int(byte >> 4)])
                text.unicodeScalars.append(Self.hexDigits[Int(byte & 15)])
            }
        }
        return text
    }

    /// Where the path of `scheme://authority/path` begins; the end where there is none.
    private static func endOfAuthority(_ target: Span<UInt8>) -> Int {
        var slashes = 0
        for index in target.indices {
            switch target[index] {
            case UInt8(ascii: "/"):
                slashes += 1
                if slashes == 3 { return index }
            case UInt8(ascii: "?") where slashes == 2: return index
            case UInt8(ascii: "?"): return target.count
            default: break
            }
        }
        return target.count
    }

    /// RFC 3986: unreserved, sub-delims, `:@/?%`; the fragment's `#` and the brackets are not.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: Self.allowedPunctuation.contains(byte)
        }
    }

    private static let allowedPunctuation = Array("-._~!$&'()*+,;=:@/?%".utf8)
    private static let hexDigits = Array("0123456789ABCDEF".unicodeScalars)

    private static func answer(
        status: String, title: String, text: String, fields: [String], connection: ConnectionID,
        isHEAD: Bool
    ) -> [UInt8] {
        let body = """
            <!doctype html>
            <html lang="en"><meta charset="utf-8"><title>\(title)</title>
            <h1>\(title)</h1>
            <p>\(text)</p>
            <p>Connection: <code>\(connection)</code></p>
            </html>

            """
        var lines = [
            "HTTP/1.1 \(status)", "Content-Type: text/html; charset=utf-8",
            "Content-Length: \(body.utf8.count)", "Cache-Control: no-store", "Connection: close",
        ]
        lines += fields
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n" + (isHEAD ? "" : body)).utf8)
    }
}
