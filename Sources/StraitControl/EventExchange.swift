// One request to a router whose answer lasts: events are taken as they come. It waits: on a thread
// of its own.

internal import Foundation
internal import StraitCore

/// A stream of events that a router answers with.
package struct EventExchange: ~Copyable {
    /// Why there is no stream, or it has ended.
    package enum Failure: Error, Sendable {
        /// Nobody was there.
        case noAnswer(AdminRequest.Failure)
        /// The router does not do it.
        case refused(status: Int, body: [UInt8])
        /// It was there and has ended, or was silent for too long.
        case ended
    }

    private var stream: AdminStream
    private var chunks: ChunkedReader?
    private var events: EventStreamReader
    /// What came behind the head.
    private var early: [UInt8]

    /// The id to go on from; nil: none came.
    package var lastID: String? { self.events.lastID }

    /// Asks a router, and waits for the head of its answer.
    ///
    /// - Parameters:
    ///   - target: Path and query.
    ///   - endpoint: Where it is asked, and as whom.
    ///   - lastID: Where to go on from.
    ///   - milliseconds: How long it may be silent.
    /// - Returns: The stream.
    /// - Throws: ``Failure``
    package static func open(
        _ target: String, at endpoint: AdminEndpoint, after lastID: String?, milliseconds: Int32
    ) throws(Failure) -> EventExchange {
        var stream = try Self.asked(target, endpoint, lastID, milliseconds)
        let head = try Self.head(&stream)
        var exchange = EventExchange(stream, head, after: lastID)
        guard head.status == 200 else {
            throw .refused(status: head.status, body: try exchange.body(head.length))
        }
        return exchange
    }

    private init(_ stream: consuming AdminStream, _ head: Head, after lastID: String?) {
        self.stream = stream
        self.chunks = head.isChunked ? ChunkedReader() : nil
        self.events = EventStreamReader(after: lastID)
        self.early = head.rest
    }

    private static func asked(
        _ target: String, _ endpoint: AdminEndpoint, _ lastID: String?, _ milliseconds: Int32
    ) throws(Failure) -> AdminStream {
        let head =
            "GET \(target) HTTP/1.1\r\nHost: strait\r\nAccept: text/event-stream\r\n"
            + (lastID.map { "Last-Event-ID: \($0)\r\n" } ?? "") + "\r\n"
        do throws(AdminRequest.Failure) {
            var stream = try AdminStream(endpoint, timeoutMilliseconds: milliseconds)
            try stream.send(Array(head.utf8))
            return stream
        } catch {
            throw .noAnswer(error)
        }
    }

    /// The next events, at least one.
    ///
    /// - Throws: ``Failure/ended``
    package mutating func next() throws(Failure) -> [EventStreamReader.Event] {
        while true {
            let payload = try self.payload()
            do throws(EventStreamProblem) {
                let events = try self.events.receive(payload)
                if !events.isEmpty { return events }
            } catch {
                throw .ended
            }
        }
    }

    /// Some bytes inside the answer's body.
    private mutating func payload() throws(Failure) -> [UInt8] {
        var bytes = self.early
        self.early = []
        if bytes.isEmpty { bytes = try Self.receive(&self.stream) }
        do throws(EventStreamProblem) {
            guard var chunks = self.chunks else { return bytes }
            guard !chunks.isAtEnd else { throw .malformed }
            let payload = try chunks.receive(bytes)
            self.chunks = chunks
            return payload
        } catch {
            throw .ended
        }
    }

    /// A refusal's words; they are short.
    private mutating func body(_ length: Int) throws(Failure) -> [UInt8] {
        var body: [UInt8] = []
        while body.count < min(length, Limits.watchLineBytesMax) { body += try self.payload() }
        return body
    }

    private struct Head {
        var status: Int
        var isChunked: Bool
        var length: Int
        var rest: [UInt8]
    }

    private static func head(_ stream: inout AdminStream) throws(Failure) -> Head {
        var bytes: [UInt8] = []
        while bytes.count <= Limits.adminHeadBytesMax {
            bytes += try Self.receive(&stream)
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { continue }
            let lines = text[..<end.lowerBound].lowercased().components(separatedBy: "\r\n")
            let words = lines[0].split(separator: " ")
            guard words.count >= 2, words[0].hasPrefix("http/1."), let status = Int(words[1]) else {
                break
            }
            func field(_ name: String) -> String? {
                lines.first { $0.hasPrefix(name + ":") }
                    .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
            }
            return Head(
                status: status, isChunked: field("transfer-encoding") == "chunked",
                length: field("content-length").flatMap { Int($0) } ?? 0,
                rest: Array(bytes.dropFirst(text[..<end.upperBound].utf8.count)))
        }
        throw .noAnswer(.noRouter(bytes: bytes.count))
    }

    private static func receive(_ stream: inout AdminStream) throws(Failure) -> [UInt8] {
        let bytes: [UInt8]
        do throws(AdminRequest.Failure) { bytes = try stream.receive(bytesMax: 16 * 1024) } catch {
            throw .ended
        }
        guard !bytes.isEmpty else { throw .ended }
        return bytes
    }
}
