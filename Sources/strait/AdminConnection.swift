// One HTTP request over the operators' UNIX socket.

internal import ArgumentParser
internal import Foundation
internal import StraitControl
internal import StraitCore
internal import StraitPosix

/// `--admin`: which router is asked.
struct AdminOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The router's operator socket. Else STRAIT_ADMIN, else /run/strait/admin.sock.",
            valueName: "path"))
    var admin: String?

    /// The socket's path.
    var path: String {
        self.admin ?? ProcessInfo.processInfo.environment["STRAIT_ADMIN"]
            ?? "/run/strait/admin.sock"
    }

    /// How long an answer may take: a reload waits for every worker.
    private static let timeoutMilliseconds: Int32 = 30_000

    /// Asks and returns status and body.
    ///
    /// - Throws: ``CommandFailure`` with status 4 where the router cannot be reached.
    func request(
        _ method: String, _ target: String, body: [UInt8] = []
    ) throws -> (status: Int, body: [UInt8]) {
        let head =
            "\(method) \(target) HTTP/1.1\r\nHost: strait\r\nAccept: application/json\r\n"
            + "Content-Length: \(body.count)\r\nConnection: close\r\n\r\n"
        let answer: [UInt8]
        do throws(PosixError) {
            guard let address = SocketAddress("unix:" + self.absolutePath) else {
                throw PosixError(call: "\(self.path) is no path of a socket", number: 36)
            }
            let stream = try BlockingStream(
                connectingTo: address, timeoutMilliseconds: Self.timeoutMilliseconds)
            try stream.send(Array(head.utf8) + body)
            answer = try Self.receiveAll(stream)
        } catch {
            throw CommandFailure(.unreachable, self.explain(error))
        }
        guard let parsed = HTTPAnswerReader.read(answer) else {
            throw CommandFailure(
                .unreachable, "what answers at \(self.path) is no router (\(answer.count) bytes)")
        }
        return parsed
    }

    /// Asks, decodes, and makes a failure of an answer that is not 2xx.
    func ask<Answer: Decodable>(
        _: Answer.Type, _ method: String, _ target: String, body: [UInt8] = []
    ) throws -> Answer {
        let (status, bytes) = try self.request(method, target, body: body)
        guard CommandStatus(httpStatus: status) == .done else {
            throw CommandFailure(.refused, Self.sentence(status, bytes))
        }
        do {
            return try AnswerJSON.decode(Answer.self, from: bytes)
        } catch {
            throw CommandFailure(
                .refused, "the router's answer cannot be read; is it of another version?")
        }
    }

    /// What a refusal says.
    static func sentence(_ status: Int, _ body: [UInt8]) -> String {
        do {
            return try AnswerJSON.decode(SentenceAnswer.self, from: body).text
        } catch {
            let text = String(decoding: body, as: UTF8.self)
            return text.isEmpty ? "the router answered \(status)" : text
        }
    }

    private var absolutePath: String { URL(fileURLWithPath: self.path).path }

    private static func receiveAll(_ stream: borrowing BlockingStream) throws(PosixError) -> [UInt8]
    {
        var bytes: [UInt8] = []
        while true {
            let more = try stream.receive(bytesMax: 64 * 1024)
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
    }

    private func explain(_ error: PosixError) -> String {
        let what = "cannot reach the router at \(self.path): \(error)"
        if error.isForbidden { return what + "; run as the user that runs the router, or as root" }
        if error.isAbsent || error.isRefused {
            return what + "; is `strait serve` running? --admin names another socket"
        }
        return what
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
