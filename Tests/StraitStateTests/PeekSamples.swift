// First bytes that downstreams send, good and bad, each with what a listener's rules make of them.

import StraitCore
import StraitState
import StraitWire
import Testing

/// What a downstream sent, and what must come of it.
struct PeekSample: CustomTestStringConvertible, Sendable {
    /// How a connection is decided, without the details of its bytes.
    enum Verdict: Equatable, Sendable {
        case undecided
        case hello(afterPostgresRequest: Bool)
        case ssh
        case cancel(processID: UInt32, keyBytes: Int)
        case http(isReadable: Bool)
        case raw
        case refuse(CloseReason.Kind, PeekReply)
    }

    var name: String
    var bytes: [UInt8]
    /// What is answered to Postgres before it is decided, when Postgres is allowed.
    var answers = ""
    /// What comes of it where rules are not raw.
    var verdict: @Sendable (PeekRules) -> Verdict

    var testDescription: String { self.name }

    init(
        _ name: String, _ bytes: [UInt8], answers: String = "",
        _ verdict: @escaping @Sendable (PeekRules) -> Verdict
    ) {
        self.name = name
        self.bytes = bytes
        self.answers = answers
        self.verdict = verdict
    }

    /// Bytes that only a listener with `allowed` takes.
    init(
        _ name: String, _ bytes: [UInt8], answers: String = "",
        if allowed: @escaping @Sendable (PeekRules) -> Bool, _ verdict: Verdict
    ) {
        self.init(name, bytes, answers: answers) {
            allowed($0) ? verdict : .refuse(.protocolNotAllowed, .nothing)
        }
    }

    /// The whole of what must come under `rules`.
    func expected(_ rules: PeekRules) -> Verdict {
        rules.isRaw ? .raw : self.verdict(rules)
    }
}

extension PeekRun {
    /// Where it ended.
    var verdict: PeekSample.Verdict {
        guard self.decidedAfter != nil, let last else { return .undecided }
        switch last {
        case .needMore, .proxied, .answerPostgres: return .undecided
        case .hello(_, _, let after): return .hello(afterPostgresRequest: after)
        case .ssh: return .ssh
        case .cancel(let processID, let key):
            return .cancel(processID: processID, keyBytes: key.count)
        case .http(let head): return .http(isReadable: head != nil)
        case .raw: return .raw
        case .refuse(let kind, let reply): return .refuse(kind, reply)
        }
    }
}

extension PeekSample {
    static let sslRequest = PostgresPrelude.sslRequest
    static let gssencRequest = PostgresPrelude.gssencRequest
    static let startup: [UInt8] =
        [0, 0, 0, 34, 0, 3, 0, 0] + Array("user\0alice\0database\0x\0\0\0".utf8)
    static let http = Array("GET /a HTTP/1.1\r\nHost: a.example\r\n\r\n".utf8)

    private static let tls: @Sendable (PeekRules) -> Bool = { $0.allowsTLS }
    private static let postgres: @Sendable (PeekRules) -> Bool = { $0.allowsPostgres }
    private static let web: @Sendable (PeekRules) -> Bool = { $0.allowsHTTP || $0.allowsTLS }

    /// Whatever the rules say of what a GSSENCRequest is followed by.
    private static func afterGSSENC(
        _ next: @escaping @Sendable (PeekRules) -> Verdict
    ) -> @Sendable (PeekRules) -> Verdict {
        { $0.allowsPostgres ? next($0) : .refuse(.protocolNotAllowed, .nothing) }
    }

    static let all: [PeekSample] =
        tlsSamples + brokenTLS + plain + preludes + preludesInSteps + nothingKnown

    // MARK: TLS

    static let tlsSamples: [PeekSample] = [
        PeekSample("a hello", Hello().records(), if: tls, .hello(afterPostgresRequest: false)),
        PeekSample(
            "a hello in three records", Hello().records(cuts: [60, 75]), if: tls,
            .hello(afterPostgresRequest: false)),
        PeekSample(
            "a hello whose handshake header is split", Hello().records(cuts: [1, 3]), if: tls,
            .hello(afterPostgresRequest: false)),
        PeekSample(
            "a hello without a name", Hello(name: nil).records(), if: tls,
            .hello(afterPostgresRequest: false)),
        PeekSample(
            "a hello with early data behind it", Hello().records() + [23, 3, 3, 0, 2, 9, 9],
            if: tls,
            .hello(afterPostgresRequest: false)),
    ]

    private static let brokenTLS: [PeekSample] = [
        PeekSample(
            "a hello of SSL 3.0", Hello(version: 0x0300).records(), if: tls,
            .refuse(.tlsVersionUnsupported, .alert(.protocolVersion))),
        PeekSample(
            "a hello in the form of SSL 2.0", [0x80, 0x2E, 0x01, 0x03, 0x01, 0, 0], if: tls,
            .refuse(.tlsVersionUnsupported, .alert(.protocolVersion))),
        PeekSample(
            "a handshake record that holds no hello", [22, 3, 1, 0, 4, 2, 0, 0, 0], if: tls,
            .refuse(.helloMalformed, .alert(.unexpectedMessage))),
        PeekSample(
            "an empty handshake record", [22, 3, 1, 0, 0], if: tls,
            .refuse(.helloMalformed, .alert(.unexpectedMessage))),
        PeekSample(
            "a record that is too long", [22, 3, 1, 0x40, 1], if: tls,
            .refuse(.helloMalformed, .alert(.recordOverflow))),
        PeekSample(
            "a hello that announces more than is taken", [22, 3, 1, 0, 4, 1, 1, 0, 1], if: tls,
            .refuse(.helloTooLarge, .alert(.decodeError))),
        PeekSample(
            "a hello whose lengths do not add up", Hello().damaged(), if: tls,
            .refuse(.helloMalformed, .alert(.decodeError))),
        PeekSample(
            "another record amid a hello", Hello().records(cuts: [60])[..<65] + [23, 3, 3, 0, 1],
            if: tls, .refuse(.helloMalformed, .alert(.unexpectedMessage))),
        PeekSample(
            "a hello that is cut off", Array(Hello().records().dropLast()), if: tls, .undecided),
    ]

    // MARK: Plain protocols

    private static let plain: [PeekSample] = [
        PeekSample(
            "SSH 2.0", Array("SSH-2.0-OpenSSH_9.2\r\n".utf8), if: { $0.allowsSSH }, .ssh),
        PeekSample(
            "SSH 1.99", Array("SSH-1.99-x\n".utf8), if: { $0.allowsSSH }, .ssh),
        PeekSample("SSH 1.5", Array("SSH-1.5-x\n".utf8)) { _ in
            .refuse(.protocolUnknown, .nothing)
        },
        PeekSample("HTTP", http, if: web, .http(isReadable: true)),
        PeekSample(
            "HTTP with a body", http + [1, 2, 3], if: web, .http(isReadable: true)),
        PeekSample(
            "HTTP that is none", Array("GET / nonsense\r\n\r\n".utf8), if: web,
            .http(isReadable: false)),
        PeekSample(
            "HTTP whose head has no end", Array("POST / HTTP/1.1\r\nHost: a".utf8), if: web,
            .undecided),
        PeekSample(
            "HTTP/2 in plain text", Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8), if: web,
            .refuse(.plaintextRefused, .nothing)),
    ]

    // MARK: Postgres

    private static let preludes: [PeekSample] = [
        PeekSample("SSLRequest", sslRequest, answers: "S", if: postgres, .undecided),
        PeekSample("GSSENCRequest", gssencRequest, answers: "N", if: postgres, .undecided),
        PeekSample(
            "a cancel", PostgresPrelude.cancelRequest(processID: 77, key: [1, 2, 3, 4]),
            if: postgres, .cancel(processID: 77, keyBytes: 4)),
        PeekSample(
            "a cancel with a long key",
            PostgresPrelude.cancelRequest(processID: .max, key: Array(repeating: 9, count: 256)),
            if: postgres, .cancel(processID: .max, keyBytes: 256)),
        PeekSample(
            "a startup in plain text", startup, if: postgres,
            .refuse(.plaintextRefused, .postgresTLSRequired)),
        PeekSample(
            "a cancel that is cut off",
            Array(PostgresPrelude.cancelRequest(processID: 77, key: [1, 2, 3, 4]).dropLast()),
            if: postgres, .undecided),
        PeekSample("SSLRequest that is cut off", Array(sslRequest.dropLast())) { _ in .undecided },
        PeekSample("SSLRequest of another length", [0, 0, 0, 9, 4, 0xD2, 0x16, 0x2F]) { _ in
            .refuse(.protocolUnknown, .nothing)
        },
    ]

    /// Where one request follows another's answer; in one piece they are refused: see
    /// ``isPipelined``.
    static let preludesInSteps: [PeekSample] = [
        PeekSample(
            "a hello behind SSLRequest", sslRequest + Hello().records(), answers: "S", if: postgres,
            .hello(afterPostgresRequest: true)),
        PeekSample(
            "a hello in two records behind SSLRequest", sslRequest + Hello().records(cuts: [50]),
            answers: "S", if: postgres, .hello(afterPostgresRequest: true)),
        PeekSample(
            "SSLRequest twice", sslRequest + sslRequest, answers: "S", if: postgres,
            .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "a startup behind SSLRequest", sslRequest + startup, answers: "S", if: postgres,
            .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "a cancel behind SSLRequest",
            sslRequest + PostgresPrelude.cancelRequest(processID: 1, key: [1, 2, 3, 4]),
            answers: "S", if: postgres, .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "SSH behind SSLRequest", sslRequest + Array("SSH-2.0-x\n".utf8), answers: "S",
            if: postgres, .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "GSSENCRequest, then SSLRequest", gssencRequest + sslRequest, answers: "NS",
            if: postgres, .undecided),
        PeekSample(
            "GSSENCRequest, SSLRequest, hello", gssencRequest + sslRequest + Hello().records(),
            answers: "NS", if: postgres, .hello(afterPostgresRequest: true)),
        PeekSample(
            "SSLRequest, then GSSENCRequest", sslRequest + gssencRequest, answers: "S",
            if: postgres, .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "GSSENCRequest twice", gssencRequest + gssencRequest, answers: "N", if: postgres,
            .refuse(.preludeMalformed, .nothing)),
        PeekSample(
            "GSSENCRequest, then a startup", gssencRequest + startup, answers: "N", if: postgres,
            .refuse(.plaintextRefused, .postgresTLSRequired)),
        PeekSample(
            "GSSENCRequest, then a cancel",
            gssencRequest + PostgresPrelude.cancelRequest(processID: 5, key: [1, 2, 3, 4]),
            answers: "N", if: postgres, .cancel(processID: 5, keyBytes: 4)),
        PeekSample(
            "GSSENCRequest, then a hello", gssencRequest + Hello().records(), answers: "N",
            afterGSSENC {
                $0.allowsTLS
                    ? .hello(afterPostgresRequest: false) : .refuse(.protocolNotAllowed, .nothing)
            }),
    ]

    // MARK: Neither

    private static let nothingKnown: [PeekSample] =
        [
            ("MySQL's handshake response", [0x20, 0, 0, 1, 0x85]),
            ("a TLS alert", [21, 3, 3, 0, 2, 2, 40]),
            ("a NUL and a letter", [0, 0x41]), ("a line end", [10]),
            ("SMB", [0, 0, 0, 0x45, 0xFF]),
            ("a PROXY header, version 1", ProxyHeader(command: .local).encodedV1()),
            ("a PROXY header, version 2", ProxyHeader(command: .local).encodedV2()),
            ("lower case", Array("get / HTTP/1.1\r\n".utf8)),
        ].map { name, bytes in
            PeekSample(name, bytes) { _ in .refuse(.protocolUnknown, .nothing) }
        } + [PeekSample("nothing", []) { _ in .undecided }]

    /// Whether bytes stand behind a request that must be answered first.
    var isPipelined: Bool { Self.preludesInSteps.contains { $0.name == self.name } }
}

/// A ClientHello of TLS 1.2 with a name, as bytes.
struct Hello {
    var version: UInt16 = 0x0303
    var name: String? = "orders.acme.example.com"
    /// Bytes of an extension that nobody knows.
    var paddingBytes = 0

    /// The handshake message.
    var message: [UInt8] {
        var message = ByteWriter()
        message.append(UInt8(1))
        message.block(lengthBytes: 3) { body in
            body.append(self.version)
            body.append(contentsOf: Array(repeating: 0xA5, count: 32))
            body.append(UInt8(0))
            body.block(lengthBytes: 2) { $0.append(UInt16(0xC02B)) }
            body.block(lengthBytes: 1) { $0.append(UInt8(0)) }
            body.block(lengthBytes: 2) { list in
                if let name = self.name { Self.appendName(name, &list) }
                list.append(UInt16(21))
                list.block(lengthBytes: 2) {
                    $0.append(contentsOf: Array(repeating: 0, count: self.paddingBytes))
                }
            }
        }
        return message.bytes
    }

    /// The message in records that end at `cuts` and at its end, none longer than 2^14.
    func records(cuts: [Int] = []) -> [UInt8] {
        let message = self.message
        var records = ByteWriter()
        var start = 0
        for cut in cuts + [message.count] {
            for piece in stride(from: start, to: cut, by: 16_384) {
                records.append(contentsOf: [22, 3, 1])
                records.block(lengthBytes: 2) {
                    $0.append(contentsOf: message[piece..<min(cut, piece + 16_384)])
                }
            }
            start = cut
        }
        return records.bytes
    }

    /// The records with an extension list that is longer than the hello.
    func damaged() -> [UInt8] {
        var records = self.records()
        records[5 + 4 + 2 + 32 + 1 + 4 + 2] = 0x7F
        return records
    }

    private static func appendName(_ name: String, _ list: inout ByteWriter) {
        list.append(UInt16(0))
        list.block(lengthBytes: 2) { data in
            data.block(lengthBytes: 2) { names in
                names.append(UInt8(0))
                names.block(lengthBytes: 2) { $0.append(contentsOf: Array(name.utf8)) }
            }
        }
    }
}
