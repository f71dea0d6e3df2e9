// Which protocol a downstream began with, and how early that is known.

import StraitWire
import Testing

@Suite("FirstBytes") struct FirstBytesTests {
    static let known: [(String, [UInt8], FirstBytes)] = [
        ("TLS", [0x16, 0x03], .tls),
        ("SSL 2.0", [0x80, 0x2E, 0x01, 0x00, 0x02], .sslv2),
        ("SSL 2.0 form of TLS", [0xFF, 0xFF, 0x01, 0x03], .sslv2),
        ("SSH 2.0", Array("SSH-2.0-".utf8), .ssh),
        ("SSH 1.99", Array("SSH-1.99-".utf8), .ssh),
        ("GET", Array("GET ".utf8), .http), ("POST", Array("POST ".utf8), .http),
        ("PUT", Array("PUT ".utf8), .http), ("DELETE", Array("DELETE ".utf8), .http),
        ("HEAD", Array("HEAD ".utf8), .http), ("CONNECT", Array("CONNECT ".utf8), .http),
        ("OPTIONS", Array("OPTIONS ".utf8), .http), ("TRACE", Array("TRACE ".utf8), .http),
        ("PATCH", Array("PATCH ".utf8), .http),
        ("HTTP/2", Array("PRI * HTTP/2.0".utf8), .http2),
        ("SSLRequest", PostgresPrelude.sslRequest, .postgresSSLRequest),
        ("GSSENCRequest", PostgresPrelude.gssencRequest, .postgresGSSENCRequest),
        ("CancelRequest, 3.0", [0, 0, 0, 16, 0x04, 0xD2, 0x16, 0x2E], .postgresCancel),
        ("CancelRequest, 3.2", [0, 0, 0, 44, 0x04, 0xD2, 0x16, 0x2E], .postgresCancel),
        ("CancelRequest, longest", [0, 0, 1, 12, 0x04, 0xD2, 0x16, 0x2E], .postgresCancel),
        ("startup", [0, 0, 0, 9, 0, 3], .postgresStartup),
        ("startup, longest", [0, 0, 0x27, 0x10, 0, 3], .postgresStartup),
    ]

    @Test("each is known with its last distinguishing byte, and not before", arguments: Self.known)
    func early(_ what: String, _ bytes: [UInt8], _ found: FirstBytes) {
        for count in 0..<bytes.count {
            #expect(FirstBytes(bytes.span.extracting(0..<count)) == .needMore, "\(what), \(count)")
        }
        #expect(FirstBytes(bytes.span) == found, "\(what)")
        #expect(FirstBytes((bytes + [0, 0xFF, 0x20]).span) == found, "\(what), and more")
    }

    @Test("a wrong byte in any place is another protocol or none, at once", arguments: Self.known)
    func wrong(_ what: String, _ bytes: [UInt8], _ found: FirstBytes) {
        for index in bytes.indices {
            for value in UInt8.min...UInt8.max where value != bytes[index] {
                let input = Array(bytes[..<index]) + [value]
                let expected = FirstBytesReference.read(input)
                guard FirstBytes(input.span) != expected else { continue }
                Issue.record("\(what): \(input) is \(FirstBytes(input.span)), not \(expected)")
            }
        }
    }

    @Test(
        "these are nothing that we know",
        arguments: [
            "GETX", "get /", "SSH-1.5-", "SSH-2.1", "PRIX", "POSTX", "PROXY TCP4 ", "\r\nSSH-2.0-",
            "welcome\n",
            " GET /", "HELO", "EHLO", "*1\r\n",
        ])
    func unknown(text: String) {
        #expect(FirstBytes(Array(text.utf8).span) == .unknown)
    }

    @Test(
        "Postgres packets of impossible length or version are nothing that we know",
        arguments: [
            [0, 0, 0, 7], [0, 0, 0x27, 0x11], [1], [0, 1], [0, 0, 0x28],
            [0, 0, 0, 9, 0, 2], [0, 0, 0, 8, 0, 3], [0, 0, 0, 9, 0x04, 0xD2, 0x16, 0x2F],
            [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x2E], [0, 0, 0, 15, 0x04], [0, 0, 1, 13, 0x04],
            [0, 0, 0, 16, 0x04, 0xD2, 0x16, 0x2F], [0, 0, 0, 8, 0x04, 0xD2, 0x16, 0x31],
        ] as [[UInt8]])
    func postgres(bytes: [UInt8]) {
        #expect(FirstBytes(bytes.span) == .unknown)
    }
}
