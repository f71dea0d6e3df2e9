// One certificate as a registry has it: its chain and sealed key, and beside them what they say, so
// that a router which starts with very many of them opens none.

private import Foundation
internal import StraitCore

/// A certificate's document.
package struct CertificateDocument: Sendable, Equatable {
    /// Where a certificate comes from.
    package enum Source: String, Sendable, CaseIterable {
        /// Somebody has uploaded it.
        case upload
        /// The installation's authority has issued it.
        case installation
    }

    /// The certificate and its intermediates as PEM, the leaf first.
    package var chainPEM: [UInt8]
    /// The private key of the leaf, sealed for the row that the document lies in.
    package var sealedKey: [UInt8]
    /// The host names that the leaf carries, 1 or more, in its order.
    package var names: [Configuration.HostPattern]
    /// The first and the last second of the leaf's validity, since 1970.
    package var notBefore, notAfter: Int64
    /// `ec`, `rsa` or `ed25519`.
    package var keyType: String
    /// SHA-256 of the leaf, 64 lower-case hexadecimal digits.
    package var fingerprint: String
    /// Where it comes from.
    package var source: Source

    /// See the properties.
    package init(
        chainPEM: [UInt8], sealedKey: [UInt8], names: [Configuration.HostPattern],
        notBefore: Int64, notAfter: Int64, keyType: String, fingerprint: String, source: Source
    ) {
        self.chainPEM = chainPEM
        self.sealedKey = sealedKey
        self.names = names
        self.notBefore = notBefore
        self.notAfter = notAfter
        self.keyType = keyType
        self.fingerprint = fingerprint
        self.source = source
    }

    /// Keys of the document that are not known are skipped: a newer program may have written them.
    ///
    /// - Parameter json: One mapping.
    /// - Throws: Why it is no such document.
    package init(json: [UInt8]) throws(JSONProblem) {
        var reader = JSONReader(json)
        let fields = try DocumentFields(try reader.read())
        self.chainPEM = Array(try fields.text("chain").utf8)
        self.sealedKey = try fields.base64("key")
        self.names = try fields.names("names")
        self.notBefore = try fields.number("not_before")
        self.notAfter = try fields.number("not_after")
        self.keyType = try fields.text("key_type")
        self.fingerprint = try fields.text("fingerprint")
        guard let source = Source(rawValue: try fields.text("source")) else {
            throw fields.problem("source", "upload or installation")
        }
        self.source = source
    }

    /// Compact, the keys in their order.
    package var json: [UInt8] {
        var text = "{" + Self.member("source", self.source.rawValue)
        text += ",\"names\":["
        text += self.names.map { JSONString.quoted($0.description) }.joined(separator: ",")
        text += "],\"not_before\":\(self.notBefore),\"not_after\":\(self.notAfter)"
        text += "," + Self.member("key_type", self.keyType)
        text += "," + Self.member("fingerprint", self.fingerprint)
        text += "," + Self.member("chain", String(decoding: self.chainPEM, as: UTF8.self))
        text += "," + Self.member("key", Data(self.sealedKey).base64EncodedString()) + "}"
        return Array(text.utf8)
    }

    private static func member(_ name: String, _ text: String) -> String {
        "\"\(name)\":\(JSONString.quoted(text))"
    }
}

/// The installation's authority as a registry has it.
package struct AuthorityDocument: Sendable, Equatable {
    /// Its certificate as PEM.
    package var certificatePEM: [UInt8]
    /// Its private key, sealed for the row that the document lies in.
    package var sealedKey: [UInt8]

    /// See the properties.
    package init(certificatePEM: [UInt8], sealedKey: [UInt8]) {
        self.certificatePEM = certificatePEM
        self.sealedKey = sealedKey
    }

    /// - Parameter json: One mapping.
    /// - Throws: Why it is no such document.
    package init(json: [UInt8]) throws(JSONProblem) {
        var reader = JSONReader(json)
        let fields = try DocumentFields(try reader.read())
        self.certificatePEM = Array(try fields.text("certificate").utf8)
        self.sealedKey = try fields.base64("key")
    }

    /// Compact.
    package var json: [UInt8] {
        let certificate = JSONString.quoted(String(decoding: self.certificatePEM, as: UTF8.self))
        let key = JSONString.quoted(Data(self.sealedKey).base64EncodedString())
        return Array("{\"certificate\":\(certificate),\"key\":\(key)}".utf8)
    }
}

/// What is uploaded: two texts.
package struct CertificateRequest: Sendable {
    /// PEM.
    package var chainPEM: [UInt8]
    /// PEM; a secret.
    package var keyPEM: [UInt8]

    /// - Parameter json: `chain` and `key`, and nothing else.
    /// - Throws: Why it is no such request; never with a part of the key.
    package init(json: [UInt8]) throws(JSONProblem) {
        var reader = JSONReader(json)
        let fields = try DocumentFields(try reader.read(), only: ["chain", "key"])
        self.chainPEM = Array(try fields.text("chain").utf8)
        self.keyPEM = Array(try fields.text("key").utf8)
    }
}

/// Authorities that are uploaded.
package struct AuthorityRequest: Sendable {
    /// PEM.
    package var certificatesPEM: [UInt8]

    /// - Parameter json: `certificates`, and nothing else.
    /// - Throws: Why it is no such request.
    package init(json: [UInt8]) throws(JSONProblem) {
        var reader = JSONReader(json)
        let fields = try DocumentFields(try reader.read(), only: ["certificates"])
        self.certificatesPEM = Array(try fields.text("certificates").utf8)
    }
}

/// The members of one mapping.
private struct DocumentFields {
    private let node: YAMLNode
    private let pairs: [YAMLPair]

    init(_ node: YAMLNode, only known: [String]? = nil) throws(JSONProblem) {
        guard case .mapping(let pairs) = node.content else {
            throw JSONProblem(line: node.line, column: node.column, expected: "a mapping")
        }
        self.node = node
        self.pairs = pairs
        guard let known, let stranger = pairs.first(where: { !known.contains($0.key) }) else {
            return
        }
        throw JSONProblem(
            line: stranger.line, column: stranger.column,
            expected: "no other key than \(known.joined(separator: " and "))")
    }

    func problem(_ name: String, _ expected: String) -> JSONProblem {
        let place = self.pairs.first { $0.key == name }?.value ?? self.node
        return JSONProblem(
            line: place.line, column: place.column, expected: "\(name): \(expected)")
    }

    func text(_ name: String) throws(JSONProblem) -> String {
        guard case .text(let text, isPlain: false)? = self.content(name) else {
            throw self.problem(name, "text")
        }
        return text
    }

    func base64(_ name: String) throws(JSONProblem) -> [UInt8] {
        guard let data = Data(base64Encoded: try self.text(name)) else {
            throw self.problem(name, "base64")
        }
        return Array(data)
    }

    func number(_ name: String) throws(JSONProblem) -> Int64 {
        guard case .text(let text, isPlain: true)? = self.content(name), let number = Int64(text)
        else { throw self.problem(name, "a whole number") }
        return number
    }

    func names(_ name: String) throws(JSONProblem) -> [Configuration.HostPattern] {
        guard case .list(let items)? = self.content(name),
            (1...Limits.certificateNamesMax).contains(items.count)
        else { throw self.problem(name, "1 to \(Limits.certificateNamesMax) host names") }
        var names: [Configuration.HostPattern] = []
        for item in items {
            guard case .text(let text, _) = item.content,
                let pattern = Configuration.HostPattern(text)
            else { throw self.problem(name, "host names") }
            names.append(pattern)
        }
        return names
    }

    private func content(_ name: String) -> YAMLNode.Content? {
        self.pairs.first { $0.key == name }?.value.content
    }
}

extension Configuration.HostPattern {
    /// Reads `orders.example.com` or `*.example.com`; nil where it is neither.
    package init?(_ text: String) {
        let isWildcard = text.hasPrefix("*.")
        guard let name = HostName(isWildcard ? String(text.dropFirst(2)) : text) else {
            return nil
        }
        self.init(name: name, isWildcard: isWildcard)
    }
}
