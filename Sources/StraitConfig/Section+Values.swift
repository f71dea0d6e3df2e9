// Values with a form of their own: names, hosts, files, references, blocks.

private import Foundation
internal import StraitCore

extension Section {
    /// A name; empty when absent or reported.
    func name(_ key: String) -> String {
        guard let text = self.text(key) else { return "" }
        guard !Self.isName(text) else { return text }
        let lowered = text.lowercased().map {
            Self.isName(String($0)) || $0 == "-" || $0 == "_" ? $0 : "-"
        }
        let suggestion = String(lowered).trimmingCharacters(in: CharacterSet(charactersIn: "-_"))
        self.report(
            .malformedName, key, found: ReadingContext.quoted(text),
            expected: KeyType.name.expectation,
            remedy: Self.isName(suggestion)
                ? "write \"\(suggestion)\""
                : "begin and end with a letter or digit, 63 characters at most")
        return ""
    }

    /// Whether `text` is a DNS label in lower case, underscores allowed inside.
    static func isName(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard (1...63).contains(bytes.count), let first = bytes.first, let last = bytes.last else {
            return false
        }
        func isLetterOrDigit(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        return isLetterOrDigit(first) && isLetterOrDigit(last)
            && bytes.allSatisfy {
                isLetterOrDigit($0) || $0 == UInt8(ascii: "-") || $0 == UInt8(ascii: "_")
            }
    }

    /// Reads a host name; reported when it is none.
    func hostName(_ text: Configuration.Located<String>) -> HostName? {
        do throws(HostName.Problem) {
            return try HostName(canonicalizing: Array(text.value.utf8).span)
        } catch {
            self.context.report(
                .malformedHostName, at: text.place, found: ReadingContext.quoted(text.value),
                expected: "a host name", remedy: Self.remedy(for: error, in: text.value))
            return nil
        }
    }

    /// Reads a host name that may begin with `*.`; reported when it is neither.
    func hostPattern(_ text: Configuration.Located<String>) -> Configuration.HostPattern? {
        guard text.value.hasPrefix("*.") else {
            return self.hostName(text).map { .init(name: $0, isWildcard: false) }
        }
        let rest = String(text.value.dropFirst(2))
        guard !rest.contains("*") else {
            self.context.report(
                .malformedHostName, at: text.place,
                found: "\(ReadingContext.quoted(text.value)), which has two wildcards",
                expected: "one wildcard, as the first label", remedy: "use one, as the first label")
            return nil
        }
        return self.hostName(.init(value: rest, place: text.place)).map {
            .init(name: $0, isWildcard: true)
        }
    }

    private static func remedy(for problem: HostName.Problem, in text: String) -> String {
        switch problem {
        case .empty: return "write a name"
        case .tooLong: return "shorten it to 253 characters"
        case .emptyLabel: return "take out the extra dot"
        case .labelTooLong: return "shorten the part between two dots to 63 characters"
        case .hyphenAtEdge: return "no part may begin or end with a hyphen"
        case .addressLiteral: return "write a name; addresses are not routed by name (RFC 6066)"
        case .forbiddenByte:
            if text.contains("://") { return "take out the scheme and the path" }
            if text.contains("*") {
                return "one wildcard can stand as the first label of a service's hosts"
            }
            if text.contains(":") { return "take out the port; a listener has the port" }
            if text.utf8.contains(where: { $0 > 127 }) {
                return "write the A-label (xn--...) of a name beyond ASCII"
            }
            return "use letters, digits, hyphens and dots"
        }
    }

    /// A file of the key, resolved, and checked unless checks are off.
    func file(_ key: String) -> Configuration.FileReference? {
        guard let text = self.text(key) else { return nil }
        return self.file(.init(value: text, place: self.place(of: key)))
    }

    /// A file by its path, resolved, and checked unless checks are off.
    func file(_ text: Configuration.Located<String>) -> Configuration.FileReference? {
        if let tenant = self.context.registeredTenant {
            return self.registered(text) { RegisteredFile.authority($0, of: tenant) }
        }
        guard !text.value.isEmpty, !text.value.utf8.contains(0) else {
            self.context.report(
                .malformedText, at: text.place, found: ReadingContext.quoted(text.value),
                expected: KeyType.file.expectation, remedy: "write a path")
            return nil
        }
        let path = self.resolved(text.value)
        let reference = Configuration.FileReference(path: path, place: text.place)
        self.context.checkReadable(reference, written: text.value)
        return reference
    }

    /// A path made absolute against the folder of the configuration.
    func resolved(_ path: String) -> String {
        let joined = path.hasPrefix("/") ? path : "\(self.context.folder)/\(path)"
        return URL(fileURLWithPath: joined).standardized.path
    }

    /// A certificate and its key; nil when either is missing or reported.
    func certificateFiles(
        chain: String, key: String, place: SourcePlace
    ) -> Configuration.CertificateFiles? {
        guard let chainFile = self.file(chain), let keyFile = self.file(key) else { return nil }
        self.context.checkPrivate(keyFile)
        return .init(chain: chainFile, key: keyFile, place: place)
    }

    /// What a registry has under a name; reported when it is no name.
    func registered(
        _ text: Configuration.Located<String>, at path: (String) -> String
    ) -> Configuration.FileReference? {
        guard Self.isName(text.value) else {
            self.context.report(
                .malformedName, at: text.place, found: ReadingContext.quoted(text.value),
                expected: KeyType.registeredName.expectation,
                remedy: "write its name: a-z, 0-9, - and _")
            return nil
        }
        return .init(path: path(text.value), place: text.place)
    }

    /// `tenant/service`; reported when it is not.
    func serviceReference(_ key: String) -> Configuration.ServiceReference? {
        guard let text = self.text(key) else { return nil }
        let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, Self.isName(parts[0]), Self.isName(parts[1]) else {
            self.report(
                .malformedName, key, found: ReadingContext.quoted(text),
                expected: KeyType.serviceReference.expectation,
                remedy:
                    "write the tenant's name, a slash and the service's name, as in acme/bastion")
            return nil
        }
        return .init(tenant: parts[0], service: parts[1], place: self.place(of: key))
    }

    /// The blocks of a list.
    func blocks(_ key: String) -> [CIDRBlock] {
        self.texts(key).compactMap { text in
            if let block = CIDRBlock(text.value) {
                self.warnIfEverybody(block, at: text.place)
                return block
            }
            self.context.report(
                .malformedBlock, at: text.place, found: ReadingContext.quoted(text.value),
                expected: KeyType.block.expectation, remedy: Self.blockRemedy(text.value))
            return nil
        }
    }

    private func warnIfEverybody(_ block: CIDRBlock, at place: SourcePlace) {
        guard block.prefixBits == 0 else { return }
        self.context.report(
            .trustsEverybody, at: place, found: "\(block)",
            expected: "the addresses of your load balancer",
            remedy: "name its addresses; anybody else could state any address for himself")
    }

    private static func blockRemedy(_ text: String) -> String {
        let parts = text.split(separator: "/")
        guard parts.count == 2, let address = IPAddress(parts[0]), let bits = Int(parts[1]) else {
            return "write an IP address, and the number of leading bits behind a slash"
        }
        let width = address.isIPv4 ? 32 : 128
        guard (0...width).contains(bits) else { return "write at most /\(width)" }
        let mapped = address.isIPv4 ? bits + 96 : bits
        let high = mapped >= 64 ? UInt64.max : mapped == 0 ? 0 : ~(UInt64.max >> UInt64(mapped))
        let lowBits = mapped - 64
        let low = lowBits >= 64 ? UInt64.max : lowBits <= 0 ? 0 : ~(UInt64.max >> UInt64(lowBits))
        let first = IPAddress(high: address.high & high, low: address.low & low)
        return "did you mean \"\(first)/\(bits)\"?"
    }
}
