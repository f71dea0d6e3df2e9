// One HTTP request to an operator API, and its answer. It waits: never in a worker, and
// on a thread of its own in the control plane.

internal import Foundation
internal import StraitCore
package import StraitPosix

/// A request to a router.
package struct AdminRequest: Sendable {
    /// Why there is no answer.
    package enum Failure: Error, Sendable {
        /// Nobody was there, or nothing came in time.
        case noAnswer(PosixError)
        /// The way there is not a secure one; a sentence.
        case notSecured(String)
        /// So many bytes came that are no answer.
        case noRouter(bytes: Int)
    }

    private let method: String
    private let target: String
    private let headers: [String: String]
    private let body: [UInt8]

    /// - Parameters:
    ///   - method: GET, POST, DELETE.
    ///   - target: Path and query.
    ///   - headers: Further fields.
    ///   - body: JSON, or nothing.
    package init(
        _ method: String, _ target: String, headers: [String: String] = [:], body: [UInt8] = []
    ) {
        self.method = method
        self.target = target
        self.headers = headers
        self.body = body
    }

    /// Asks the router at `path`, waiting no longer than `milliseconds` for each step.
    ///
    /// - Throws: ``Failure``, also where the answer has more than `bytesMax` bytes.
    package func send(
        to path: String, milliseconds: Int32, bytesMax: Int = Limits.adminAnswerBytesMax
    ) throws(Failure) -> (status: Int, body: [UInt8]) {
        let answer = try self.exchange(
            with: .unix(path: URL(fileURLWithPath: path).path), milliseconds: milliseconds,
            bytesMax: bytesMax)
        return (answer.status, answer.body)
    }

    /// Asks, and takes the answer with its entity tag, where it has one.
    package func exchange(
        with endpoint: AdminEndpoint, milliseconds: Int32,
        bytesMax: Int = Limits.adminAnswerBytesMax
    ) throws(Failure) -> HTTPAnswerReader.Answer {
        let head =
            "\(self.method) \(self.target) HTTP/1.1\r\nHost: strait\r\n"
            + "Accept: application/json\r\n"
            + self.headers.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\r\n" }.joined()
            + "Content-Length: \(self.body.count)\r\nConnection: close\r\n\r\n"
        var stream = try AdminStream(endpoint, timeoutMilliseconds: milliseconds)
        try stream.send(Array(head.utf8) + self.body)
        var answer: [UInt8] = []
        while true {
            let more = try stream.receive(bytesMax: 64 * 1024)
            guard !more.isEmpty else { break }
            answer += more
            guard answer.count <= bytesMax else {
                throw .noAnswer(.badMessage("the answer, which has more than \(bytesMax) bytes,"))
            }
        }
        stream.end()
        guard let parsed = HTTPAnswerReader.read(answer) else {
            throw .noRouter(bytes: answer.count)
        }
        return parsed
    }
}

/// Reads a whole HTTP/1.1 answer that ended with its connection.
package enum HTTPAnswerReader {
    /// A whole answer.
    package struct Answer: Hashable, Sendable {
        /// Its status.
        package var status: Int
        /// Its entity tag, RFC 9110 §8.8.3.
        package var entityTag: String?
        /// Its body.
        package var body: [UInt8]
    }

    /// The answer; nil where it is none.
    package static func read(_ bytes: [UInt8]) -> Answer? {
        let separator = Array("\r\n\r\n".utf8)
        guard
            let end = bytes.indices.first(where: { bytes[$0...].starts(with: separator) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            return nil
        }
        let tag = lines.dropFirst().first { $0.lowercased().hasPrefix("etag:") }
        return Answer(
            status: status,
            entityTag: tag.map { $0.dropFirst(5).trimmingCharacters(in: .whitespaces) },
            body: Array(bytes[(end + separator.count)...]))
    }
}
