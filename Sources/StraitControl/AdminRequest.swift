// One HTTP request over an operators' UNIX socket, and its answer. It waits: never in a worker, and
// on a thread of its own in the control plane.

internal import Foundation
internal import StraitCore
package import StraitPosix

/// A request to a router on this machine.
package struct AdminRequest: Sendable {
    /// Why there is no answer.
    package enum Failure: Error, Sendable {
        /// Nobody was there, or nothing came in time.
        case noAnswer(PosixError)
        /// So many bytes came that are no answer.
        case noRouter(bytes: Int)
    }

    private let method: String
    private let target: String
    private let body: [UInt8]

    /// - Parameters:
    ///   - method: GET, POST, DELETE.
    ///   - target: Path and query.
    ///   - body: JSON, or nothing.
    package init(_ method: String, _ target: String, body: [UInt8] = []) {
        self.method = method
        self.target = target
        self.body = body
    }

    /// Asks the router at `path`, waiting no longer than `milliseconds` for each step.
    ///
    /// - Throws: ``Failure``, also where the answer has more than `bytesMax` bytes.
    package func send(
        to path: String, milliseconds: Int32, bytesMax: Int = Limits.adminAnswerBytesMax
    ) throws(Failure) -> (status: Int, body: [UInt8]) {
        let head =
            "\(self.method) \(self.target) HTTP/1.1\r\nHost: strait\r\n"
            + "Accept: application/json\r\n"
            + "Content-Length: \(self.body.count)\r\nConnection: close\r\n\r\n"
        let answer: [UInt8]
        do throws(PosixError) {
            guard let address = SocketAddress("unix:" + URL(fileURLWithPath: path).path) else {
                throw PosixError.nameTooLong(path)
            }
            let stream = try BlockingStream(
                connectingTo: address, timeoutMilliseconds: milliseconds)
            try stream.send(Array(head.utf8) + self.body)
            answer = try Self.receiveAll(stream, bytesMax: bytesMax)
        } catch {
            throw .noAnswer(error)
        }
        guard let parsed = HTTPAnswerReader.read(answer) else {
            throw .noRouter(bytes: answer.count)
        }
        return parsed
    }

    private static func receiveAll(
        _ stream: borrowing BlockingStream, bytesMax: Int
    ) throws(PosixError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count <= bytesMax {
            let more = try stream.receive(bytesMax: 64 * 1024)
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
        throw .badMessage("the answer, which has more than \(bytesMax) bytes,")
    }
}

/// Reads a whole HTTP/1.1 answer that ended with its connection.
package enum HTTPAnswerReader {
    /// Status and body; nil where it is none.
    package static func read(_ bytes: [UInt8]) -> (status: Int, body: [UInt8])? {
        let separator = Array("\r\n\r\n".utf8)
        guard
            let end = bytes.indices.first(where: { bytes[$0...].starts(with: separator) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines.first?.split(separator: " ") ?? []
        guard words.count >= 2, words[0].hasPrefix("HTTP/1."), let status = Int(words[1]) else {
            return nil
        }
        return (status, Array(bytes[(end + separator.count)...]))
    }
}
