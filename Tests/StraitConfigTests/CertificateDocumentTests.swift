// A certificate's row: what is written is read again, and nothing else is taken for one.

import Foundation
import StraitConfig
import TestSupport
import Testing

@Suite("CertificateDocument") struct CertificateDocumentTests {
    private static func document() throws -> CertificateDocument {
        CertificateDocument(
            chainPEM: Array("-----BEGIN CERTIFICATE-----\nAA==\n-----END\n".utf8),
            sealedKey: Array(0...200),
            names: try ["acme.example.com", "*.acme.example.com"].map {
                try #require(Configuration.HostPattern($0))
            }, notBefore: 1, notAfter: 4_000_000_000, keyType: "ec", fingerprint: "00ff",
            source: .installation)
    }

    @Test("is read as it was written; keys that a newer program wrote are skipped")
    func roundTrip() throws {
        let document = try Self.document()
        #expect(try CertificateDocument(json: document.json) == document)
        let newer = Array("{\"newer\":[1],".utf8) + document.json.dropFirst()
        #expect(try CertificateDocument(json: newer) == document)
    }

    @Test(
        "says which key is missing or wrong",
        arguments: [
            "chain", "key", "names", "not_before", "not_after", "key_type", "fingerprint", "source",
        ])
    func incomplete(key: String) throws {
        let text = String(decoding: try Self.document().json, as: UTF8.self)
        for other in ["was_\(key)", key] {
            let wrong = text.replacingOccurrences(
                of: "\"\(key)\":", with: other == key ? "\"\(key)\":null,\"x\":" : "\"\(other)\":")
            #expect(throws: JSONProblem.self) { try CertificateDocument(json: Array(wrong.utf8)) }
        }
    }

    @Test("an authority's row is read as it was written")
    func authority() throws {
        let document = AuthorityDocument(certificatePEM: Array("PEM\n".utf8), sealedKey: [1, 2, 3])
        #expect(try AuthorityDocument(json: document.json) == document)
        #expect(throws: JSONProblem.self) { try AuthorityDocument(json: Array("{}".utf8)) }
    }

    @Test("a request has chain and key, and nothing of it is in the reason of a refusal")
    func request() throws {
        let good = try CertificateRequest(json: Array(#"{"chain":"c","key":"k"}"#.utf8))
        #expect(good.chainPEM == Array("c".utf8) && good.keyPEM == Array("k".utf8))
        for bad in [
            #"{"chain":"c"}"#, #"{"chain":"c","key":7}"#, #"{"chain":"c","key":"secret","x":1}"#,
            #"["secret"]"#, #"{"chain":"c","key":"secret"#,
        ] {
            do throws(JSONProblem) {
                _ = try CertificateRequest(json: Array(bad.utf8))
                Issue.record("taken: \(bad)")
            } catch {
                #expect(!error.expected.contains("secret"))
            }
        }
    }

    @Test("any bytes are a document that is written as it is read, or none", arguments: 1...4)
    func fuzz(seed: UInt64) throws {
        let seeds = [
            try Self.document().json,
            AuthorityDocument(certificatePEM: [0x41, 0x0A], sealedKey: [0, 1]).json,
            Array(#"{"chain":"a","key":"b"}"#.utf8), Array(#"{"certificates":"a"}"#.utf8),
        ]
        let words = ["\"", "{", "}", "[", ",", ":", "\\u0000", "null", "-1", "9e9", "*."]
        var mutator = Mutator(seed: seed, seeds: seeds, dictionary: words.map { Array($0.utf8) })
        for _ in 0..<2000 {
            let input = mutator.next()
            // Why it is none does not matter here: that it does not trap does.
            let certificate = try? CertificateDocument(json: input)
            if let certificate {
                #expect(try CertificateDocument(json: certificate.json) == certificate)
            }
            let authority = try? AuthorityDocument(json: input)  // the same
            if let authority {
                #expect(try AuthorityDocument(json: authority.json) == authority)
            }
            _ = try? CertificateRequest(json: input)  // the same
            _ = try? AuthorityRequest(json: input)  // the same
        }
    }
}
