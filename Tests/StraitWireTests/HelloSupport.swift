// Hellos as tests and fuzz targets see them: built from parts, cut into records, and read to a
// decision.

import StraitCore
import StraitWire

/// What a router would learn from a downstream's bytes, without where it lay.
enum HelloDecision: Equatable {
    struct Facts: Equatable {
        var serverName: [UInt8]?
        var problem: ClientHello.ServerNameProblem?
        var applicationProtocols: [UInt8]?
        var version: UInt16
        var offersPreSharedKey: Bool
        var hasEarlyData: Bool
        var hasEncryptedClientHello: Bool
        var hasSessionTicket: Bool
    }

    case incomplete
    case refused(HelloProblem)
    case hello(Facts)

    /// Reads `input`, fed in the pieces that end at `cuts` and at its end.
    init(_ input: [UInt8], cuts: some Sequence<Int> = []) {
        var reader = ClientHelloReader()
        var body: [UInt8] = []
        for cut in cuts {
            _ = reader.read(input.span.extracting(0..<min(cut, input.count)), assembledInto: &body)
        }
        self.init(reader.read(input.span, assembledInto: &body), reader.bodyLocation, input, body)
    }

    init(
        _ outcome: ClientHelloReader.Outcome, _ location: ClientHelloReader.BodyLocation,
        _ input: [UInt8], _ assembled: [UInt8]
    ) {
        switch outcome {
        case .needMore: self = .incomplete
        case .malformed(let problem): self = .refused(problem)
        case .done(let hello):
            let body: [UInt8]
            switch location {
            case .input(let range): body = Array(input[range])
            case .assembled: body = assembled
            }
            self = .hello(
                Facts(
                    serverName: hello.serverName.map { Array(body[$0]) },
                    problem: hello.serverNameProblem,
                    applicationProtocols: hello.applicationProtocols.map { Array(body[$0]) },
                    version: hello.highestVersion, offersPreSharedKey: hello.offersPreSharedKey,
                    hasEarlyData: hello.hasEarlyData,
                    hasEncryptedClientHello: hello.hasEncryptedClientHello,
                    hasSessionTicket: hello.hasSessionTicket))
        }
    }

    /// The facts, if it is a hello.
    var facts: Facts? {
        if case .hello(let facts) = self { facts } else { nil }
    }
}

/// Handshake messages and the records around them.
enum Records {
    /// What the records hold, without their headers; stops at what is no record.
    static func content(_ records: [UInt8]) -> [UInt8] {
        var content: [UInt8] = []
        var offset = 0
        while offset + 5 <= records.count {
            let end = offset + 5 + Int(records[offset + 3]) << 8 + Int(records[offset + 4])
            guard end <= records.count else { break }
            content += records[(offset + 5)..<end]
            offset = end
        }
        return content
    }

    /// `message` in records that end at `cuts` (ascending) and at its end; none longer than 2^14.
    static func wrap(
        _ message: [UInt8], cuts: [Int] = [], type: UInt8 = 22, version: UInt16 = 0x0301
    ) -> [UInt8] {
        var records: [UInt8] = []
        var start = 0
        for cut in cuts + [message.count] where cut > start {
            for piece in stride(from: start, to: cut, by: 16_384) {
                let end = min(cut, piece + 16_384)
                records += [type, UInt8(version >> 8), UInt8(version & 255)]
                records += [UInt8((end - piece) >> 8), UInt8((end - piece) & 255)]
                records += message[piece..<end]
            }
            start = cut
        }
        return records
    }
}

/// A ClientHello from its parts.
struct HelloBuilder {
    var version: UInt16 = 0x0303
    var sessionIDBytes = 32
    var cipherSuites: [UInt16] = [0x1301, 0xC02B]
    var compressionMethods: [UInt8] = [0]
    /// Type and data, in order; nil: no extensions at all.
    var extensions: [(UInt16, [UInt8])]? = []

    /// One with a name, protocols and TLS 1.3.
    static func usual(
        name: String? = "orders.acme.example.com", alpn: [String]? = ["h2", "http/1.1"]
    ) -> HelloBuilder {
        var hello = HelloBuilder()
        hello.extensions = [(43, [4, 3, 4, 3, 3])]
        if let name { hello.extensions?.append((0, Self.serverName(Array(name.utf8)))) }
        if let alpn { hello.extensions?.append((16, Self.protocols(alpn.map { Array($0.utf8) }))) }
        return hello
    }

    static func serverName(_ names: [UInt8]..., type: UInt8 = 0) -> [UInt8] {
        var data = ByteWriter()
        data.block(lengthBytes: 2) { list in
            for name in names {
                list.append(type)
                list.block(lengthBytes: 2) { $0.append(contentsOf: name) }
            }
        }
        return data.bytes
    }

    static func protocols(_ identifiers: [[UInt8]]) -> [UInt8] {
        var data = ByteWriter()
        data.block(lengthBytes: 2) { list in
            for identifier in identifiers {
                list.block(lengthBytes: 1) { $0.append(contentsOf: identifier) }
            }
        }
        return data.bytes
    }

    /// The same with one more extension at the end.
    func adding(_ type: UInt16, _ data: [UInt8]) -> HelloBuilder {
        var hello = self
        hello.extensions = (hello.extensions ?? []) + [(type, data)]
        return hello
    }

    /// The handshake body.
    var body: [UInt8] {
        var body = ByteWriter()
        body.append(self.version)
        body.append(contentsOf: (0..<32).map { UInt8($0) })
        body.block(lengthBytes: 1) {
            $0.append(contentsOf: Array(repeating: 7, count: sessionIDBytes))
        }
        body.block(lengthBytes: 2) { for suite in cipherSuites { $0.append(suite) } }
        body.block(lengthBytes: 1) { $0.append(contentsOf: compressionMethods) }
        if let extensions {
            body.block(lengthBytes: 2) { list in
                for (type, data) in extensions {
                    list.append(type)
                    list.block(lengthBytes: 2) { $0.append(contentsOf: data) }
                }
            }
        }
        return body.bytes
    }

    /// The handshake message: type, length, body.
    var message: [UInt8] {
        var message = ByteWriter()
        message.append(UInt8(1))
        message.block(lengthBytes: 3) { $0.append(contentsOf: body) }
        return message.bytes
    }

    /// The message in one record, or in as few as hold it.
    var records: [UInt8] { Records.wrap(self.message) }

    /// What a reader makes of it.
    var decision: HelloDecision { HelloDecision(self.records) }
}
