// One target per parser: a plain function over bytes that says which invariant does not hold.
// Replayed here by FuzzTests over mutated seeds, and by `tools/fuzz` under libFuzzer. No test
// library in this file.

import Glibc
import StraitCore
import StraitWire
import TestSupport

/// A parser under fuzzing.
enum FuzzTarget: String, CaseIterable, Sendable {
    case firstBytes
    case clientHello
    case helloBody
    case proxy
    case postgresStartup
    case postgresStream
    case sshBanner
    case httpHead
    case httpStatus
    case dnsAnswer
    case address
    case hostName
    case connectionID
    case mysqlPacket

    /// The invariant that does not hold for `input`; nil when all do.
    ///
    /// Traps are the caller's to see.
    func violation(_ input: [UInt8]) -> String? {
        switch self {
        case .firstBytes: Self.firstBytes(input)
        case .clientHello: Self.clientHello(input)
        case .helloBody: Self.helloBody(input)
        case .proxy: Self.proxy(input)
        case .postgresStartup: Self.postgresStartup(input)
        case .postgresStream: Self.postgresStream(input)
        case .sshBanner: Self.sshBanner(input)
        case .httpHead: Self.httpHead(input)
        case .httpStatus: UpstreamAnswersFuzz.httpStatus(input)
        case .dnsAnswer: UpstreamAnswersFuzz.dnsAnswer(input)
        case .address: Self.address(input)
        case .hostName: Self.hostName(input)
        case .connectionID: Self.connectionID(input)
        case .mysqlPacket: Self.mysqlPacket(input)
        }
    }

    // MARK: The law of all that read a prefix

    /// A few places to cut `input` at, from its own bytes.
    private static func cuts(_ input: [UInt8]) -> [Int] {
        var random = SplitMix64(seed: input.reduce(UInt64(input.count)) { $0 &* 31 &+ UInt64($1) })
        return (0..<3).map { _ in random.below(input.count + 1) }.sorted()
    }

    /// For every beginning: undecided, or decided as the whole is.
    ///
    /// So no cut into segments matters.
    private static func prefixes<Outcome: Equatable>(
        _ input: [UInt8], needMore: Outcome, _ read: (Span<UInt8>) -> Outcome
    ) -> String? {
        let whole = read(input.span)
        for count in input.count > 300 ? Self.cuts(input) : Array(0..<input.count) {
            let outcome = read(input.span.extracting(0..<count))
            guard outcome == needMore || outcome == whole else {
                return "\(outcome) after \(count) bytes, but \(whole) after all"
            }
        }
        return nil
    }

    // MARK: Targets

    private static func firstBytes(_ input: [UInt8]) -> String? {
        let found = FirstBytes(input.span)
        guard found == FirstBytesReference.read(input) else {
            return "the reference differs: \(found)"
        }
        return Self.prefixes(input, needMore: .needMore) { FirstBytes($0) }
    }

    private static func clientHello(_ input: [UInt8]) -> String? {
        let whole = HelloDecision(input)
        let cuts = Self.cuts(input)
        guard HelloDecision(input, cuts: cuts) == whole else { return "segments end at \(cuts)" }
        if input.count < 400 {
            guard HelloDecision(input, cuts: 0..<input.count) == whole else {
                return "byte by byte"
            }
        }
        guard case .hello = whole else { return nil }
        // The same message in other records, its own length long.
        let content = Records.content(input)
        let length = 4 + content[1...3].reduce(0) { $0 << 8 | Int($1) }
        let message = Array(content[..<min(length, content.count)])
        let recordCuts = Self.cuts(message).filter { $0 > 0 }
        guard HelloDecision(Records.wrap(message, cuts: recordCuts)) == whole else {
            return "records end at \(recordCuts)"
        }
        return Self.helloBody(Array(message.dropFirst(4)))
    }

    private static func helloBody(_ body: [UInt8]) -> String? {
        let hello: ClientHello
        do {
            hello = try ClientHello(body: body.span)
        } catch {
            return nil
        }
        for range in [hello.serverName, hello.applicationProtocols].compactMap({ $0 }) {
            guard range.upperBound <= body.count, !range.isEmpty else { return "a range \(range)" }
        }
        guard hello.serverName == nil || hello.serverNameProblem == nil else {
            return "name and problem"
        }
        guard hello.highestVersion >= 0x0301, hello.highestVersion >> 8 == 3 else {
            return "version"
        }
        if let range = hello.applicationProtocols {
            let list = body.span.extracting(range)
            var names = ProtocolNameList(list)
            var walked = 0
            while let name = names.next() {
                guard (1...255).contains(name.count) else {
                    return "an identifier of \(name.count)"
                }
                walked = name.upperBound
            }
            guard walked == list.count else { return "the identifiers do not add up" }
        }
        if let range = hello.serverName { return Self.hostName(Array(body[range])) }
        return nil
    }

    private static func proxy(_ input: [UInt8]) -> String? {
        let outcome = ProxyHeader.read(input.span)
        let reference = ProxyReference.read(input)
        guard ProxyReference.outcome(outcome) == reference else {
            return "\(outcome), not \(reference)"
        }
        if let problem = Self.prefixes(input, needMore: .needMore, { ProxyHeader.read($0) }) {
            return problem
        }
        guard case .done(let header, let length) = outcome else { return nil }
        guard length <= input.count else { return "longer than the input" }
        let again = header.encodedV2()
        guard ProxyHeader.read(again.span) == .done(header, length: again.count) else {
            return "version 2 is not read as it was written"
        }
        if again.count + 7 <= Limits.proxyV2BytesMax {
            let checked = header.encodedV2(withChecksum: true)
            guard ProxyHeader.read(checked.span) == .done(header, length: checked.count) else {
                return "version 2 with a checksum is not read as it was written"
            }
        }
        let line = header.encodedV1()
        var bare = header
        bare.tlvs = ProxyTLVs()
        guard ProxyHeader.read(line.span) == .done(bare, length: line.count) else {
            return "version 1 is not read as it was written"
        }
        _ = header.tlvs.tls
        return nil
    }

    private static func postgresStartup(_ input: [UInt8]) -> String? {
        if let problem = Self.prefixes(
            input, needMore: .needMore, { PostgresPrelude.startupOutcome($0) })
        {
            return problem
        }
        guard case .done(let packet) = PostgresPrelude.startupOutcome(input.span) else {
            return nil
        }
        guard packet.length <= input.count else { return "longer than the input" }
        let whole = Array(input[..<packet.length])
        switch packet.kind {
        case .ssl: return whole == PostgresPrelude.sslRequest ? nil : "no SSLRequest"
        case .gssenc: return whole == PostgresPrelude.gssencRequest ? nil : "no GSSENCRequest"
        case .cancel(let processID, let key):
            guard (4...256).contains(key.count) else { return "a key of \(key.count)" }
            let again = PostgresPrelude.cancelRequest(processID: processID, key: Array(whole[key]))
            return again == whole ? nil : "written otherwise than read"
        case .startup(_, let user, let database):
            for range in [user, database].compactMap({ $0 }) {
                guard range.upperBound < whole.count, whole[range.upperBound] == 0,
                    !whole[range].contains(0)
                else { return "a parameter at \(range)" }
            }
            return whole.last == 0 ? nil : "no NUL at the end"
        }
    }

    private static func postgresStream(_ input: [UInt8]) -> String? {
        guard let whole = ScannedStream(input) else { return "the pieces do not follow each other" }
        let cuts = Self.cuts(input)
        guard ScannedStream(input, cuts: cuts) == whole else { return "pieces end at \(cuts)" }
        if input.count < 400, ScannedStream(input, cuts: 0..<input.count) != whole {
            return "byte by byte"
        }
        guard whole.key.count <= whole.keyLength, whole.keyLength <= 256 else { return "the key" }
        let changed = zip(input, whole.rewritten).count { $0 != $1 }
        return changed <= whole.key.count ? nil : "other bytes were named"
    }

    private static func sshBanner(_ input: [UInt8]) -> String? {
        if let problem = Self.prefixes(input, needMore: .needMore, { SSHBanner.read($0) }) {
            return problem
        }
        guard case .done(let banner) = SSHBanner.read(input.span) else { return nil }
        guard banner.length <= 255, input[banner.length - 1] == 10 else { return "no line" }
        guard input[..<(banner.length - 1)].firstIndex(of: 10) == nil else { return "two lines" }
        let isPlain = input[banner.software].allSatisfy { (0x21...0x7E).contains($0) }
        return isPlain && !banner.software.isEmpty ? nil : "the software's name"
    }

    private static func httpHead(_ input: [UInt8]) -> String? {
        func read(_ cuts: [Int]) -> HTTPHeadReader.Outcome {
            var reader = HTTPHeadReader()
            for cut in cuts { _ = reader.read(input.span.extracting(0..<cut)) }
            return reader.read(input.span)
        }
        let whole = read([])
        let cuts = Self.cuts(input)
        guard read(cuts) == whole else { return "segments end at \(cuts)" }
        guard case .done(let head) = whole else { return nil }
        guard head.length <= min(input.count, Limits.httpHeadBytesMax) else { return "too long" }
        guard let host = head.hostName(in: input.span) ?? HostName("a.example") else {
            return "no host"
        }
        let target = input.span.extracting(head.target)
        let answer = HTTPAnswer.redirect(
            host: host, target: target, connection: ConnectionID(rawValue: 1), isHEAD: head.isHEAD)
        return Self.answerViolation(answer, host: host)
    }

    /// An answer's head has the lines that we write, and no byte that could end one.
    private static func answerViolation(_ answer: [UInt8], host: HostName) -> String? {
        guard answer.allSatisfy({ $0 < 0x7F }) else { return "a byte beyond ASCII" }
        var lines: [[UInt8]] = [[]]
        for byte in answer {
            if byte == 10 {
                guard lines[lines.count - 1].last == 13 else { return "a bare LF" }
                lines[lines.count - 1].removeLast()
                if lines[lines.count - 1].isEmpty { break }
                lines.append([])
            } else {
                lines[lines.count - 1].append(byte)
            }
        }
        guard lines.count == 7, !lines.contains(where: { $0.contains(13) }) else { return "lines" }
        let location = Array("Location: https://\(host)/".utf8)
        guard lines.count(where: { $0.starts(with: location) }) == 1 else { return "Location" }
        let rest = lines[5].dropFirst(location.count)
        return rest.contains(where: { $0 <= 0x20 || [0x22, 0x23, 0x3C, 0x3E, 0x5C].contains($0) })
            ? "an unescaped byte" : nil
    }

    /// Compared with the C library, which reads and writes addresses in its own way.
    private static func address(_ input: [UInt8]) -> String? {
        let parsed = IPAddress(ascii: input.span)
        let text = String(decoding: input, as: UTF8.self)
        guard input.allSatisfy({ $0 > 0 && $0 < 0x80 }) else {
            return parsed == nil ? nil : "a byte that is none of an address"
        }
        guard parsed == IPAddress(text) else { return "text and bytes differ" }
        var bytes = [UInt8](repeating: 0, count: 16)
        var known: IPAddress?
        if inet_pton(AF_INET, text, &bytes) == 1 {
            known = IPAddress(v4: bytes[0], bytes[1], bytes[2], bytes[3])
        } else if inet_pton(AF_INET6, text, &bytes) == 1 {
            let high = bytes[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            known = IPAddress(
                high: high, low: bytes[8...].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        guard parsed == known else { return "\(parsed as Any), but inet_pton: \(known as Any)" }
        if let parsed, IPAddress(parsed.description) != parsed { return "written as \(parsed)" }
        if let block = CIDRBlock(text), CIDRBlock(block.description) != block {
            return "block \(block)"
        }
        if let socket = SocketAddress(text), SocketAddress(socket.description) != socket {
            return "socket \(socket)"
        }
        return nil
    }

    private static func hostName(_ input: [UInt8]) -> String? {
        let name: HostName
        do {
            name = try HostName(canonicalizing: input.span)
        } catch {
            return nil
        }
        guard HostName(name.description) == name else { return "not canonical: \(name)" }
        guard (1...253).contains(name.bytes.count), IPAddress(name.description) == nil else {
            return "an address, or a length: \(name)"
        }
        guard !name.bytes.contains(where: { (0x41...0x5A).contains($0) || $0 <= 0x20 || $0 > 0x7E })
        else {
            return "a byte of \(name)"
        }
        var address = in_addr()
        guard inet_aton(name.description, &address) == 0 else {
            return "an address to some: \(name)"
        }
        return nil
    }

    private static func connectionID(_ input: [UInt8]) -> String? {
        let text = String(decoding: input, as: UTF8.self)
        guard let id = ConnectionID(text) else { return nil }
        return id.description == text ? nil : "written as \(id)"
    }

    /// Whatever a packet is read as, its parts lie in it, and switching TLS changes one bit.
    private static func mysqlPacket(_ input: [UInt8]) -> String? {
        if let found = Self.prefixes(
            input, needMore: .needMore,
            {
                MySQLPacket.read($0, payloadBytesMax: Limits.mysqlAuthenticationBytesMax)
            })
        {
            return found
        }
        guard
            case .done(let packet) = MySQLPacket.read(
                input.span, payloadBytesMax: Limits.mysqlAuthenticationBytesMax)
        else { return nil }
        guard packet.length <= input.count, packet.payload.lowerBound == 4 else { return "place" }
        if case .plugin(let name) = MySQLAnswer(input.span, in: packet.payload) {
            guard name.lowerBound == 5, name.upperBound <= packet.length else { return "plugin" }
        }
        let whole = Array(input[..<packet.length])
        var switched: [[UInt8]] = []
        // What is none is not switched.
        if let greeting = try? MySQLGreeting(input.span, in: packet.payload) {
            switched = [true, false].map { greeting.packet(whole, offersTLS: $0) }
        }
        // Likewise.
        if let response = try? MySQLResponse(input.span, in: packet.payload) {
            switched += [true, false].map { response.packet(whole, asksForTLS: $0) }
            // What has none may be cut.
            if let credentials = try? response.credentials(input.span) {
                let parts = [credentials.authentication, credentials.plugin].compactMap { $0 }
                guard
                    parts.allSatisfy({
                        packet.payload.contains($0.lowerBound)
                            || $0.lowerBound == packet.length
                    }),
                    parts.allSatisfy({ $0.upperBound <= packet.length })
                else { return "credentials at \(parts)" }
            }
        }
        for other in switched {
            let bits = zip(whole, other).map { ($0 ^ $1).nonzeroBitCount }.reduce(0, +)
            guard other.count == whole.count, bits <= 1 else { return "\(bits) bits changed" }
        }
        return nil
    }
}
