// How a key of the configuration is described: once, for the reader, the reference and the schema
// alike.

/// What kind of value a key takes.
indirect enum KeyType: Sendable, Equatable {
    /// 1 to 63 of a-z, 0-9, `-` and `_`, beginning and ending with a letter or digit.
    case name
    case integer(ClosedRange<Int>)
    case duration(ClosedRange<Duration>)
    /// A date and a time in UTC, RFC 3339.
    case time
    case flag
    case choice([String])
    /// The path of a file that must exist.
    case file
    /// One of these words, or the path of a file.
    case fileOr([String])
    /// The path of a file that is made where it is not there.
    case newFile
    /// The name of an environment variable.
    case variable
    /// The path of a UNIX socket, at most 107 bytes.
    case socketPath
    /// The name of a certificate or of authorities that a registry has.
    case registeredName
    /// One of these words, or such a name.
    case registeredNameOr([String])
    case listenerAddress
    case upstreamAddress
    case hostName
    /// A host name, or `*.` and one.
    case hostPattern
    /// A host name or an IP address.
    case serverName
    /// An IP address.
    case address
    /// A port, or `11100-11999`.
    case portRange
    /// The path of an HTTP request.
    case requestPath
    /// An ALPN identifier of printable ASCII.
    case applicationProtocol
    case block
    /// `tenant/service`.
    case serviceReference
    /// `raw`, or a list of the others.
    case protocols([String])
    case list(of: KeyType, ClosedRange<Int>)
    case section([Key])
    case sections([Key], ClosedRange<Int>)
}

/// One key of a mapping.
///
/// A class, so that nothing of it is copied: a router that starts looks at the keys of very many
/// tenants.
final class Key: Sendable, Equatable {
    let name: String
    let type: KeyType
    /// As it would be written; nil: absent.
    let defaultText: String?
    /// What the default is where it cannot be written down, or depends.
    let defaultNote: String?
    let isRequired: Bool
    /// As it could be written, in the reference.
    let example: String?
    /// Whether the reference has the example as a key, although it has no default.
    let isShown: Bool
    /// What it is for, in one sentence.
    let sentence: String

    init(
        _ name: String, _ type: KeyType, default defaultText: String? = nil, note: String? = nil,
        isRequired: Bool = false, example: String? = nil, isShown: Bool = false, _ sentence: String
    ) {
        self.name = name
        self.type = type
        self.defaultText = defaultText
        self.defaultNote = note
        self.isRequired = isRequired
        self.example = example
        self.isShown = isShown
        self.sentence = sentence
    }

    /// The same key with values of another type.
    func with(_ type: KeyType) -> Key {
        Key(
            self.name, type, default: self.defaultText, note: self.defaultNote,
            isRequired: self.isRequired, example: self.example, isShown: self.isShown,
            self.sentence)
    }

    static func == (left: Key, right: Key) -> Bool { left === right }
}

extension KeyType {
    /// What can stand there, for "expected".
    var expectation: String {
        switch self {
        case .name: "a name of a-z, 0-9, - and _, 1 to 63 characters"
        case .integer(let range): "a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .duration(let range):
            "\(DurationText.text(range.lowerBound)) to \(DurationText.text(range.upperBound))"
        case .time: "a time like 2027-01-31T00:00:00Z"
        case .flag: "true or false"
        case .choice(let words): ReadingContext.alternatives(words)
        case .file: "the path of a file"
        case .fileOr(let words): ReadingContext.alternatives(words + ["the path of a file"])
        case .registeredName: "the name of one that the tenant has in the registry"
        case .registeredNameOr(let words):
            ReadingContext.alternatives(words + ["the name of one that the tenant has"])
        case .newFile: "the path of a file in a folder that exists"
        case .variable: "the name of an environment variable"
        case .socketPath: "the path of a UNIX socket"
        case .listenerAddress: "IP:PORT, [IPV6]:PORT or unix:/path"
        case .upstreamAddress: "tcp://HOST:PORT, tls://HOST:PORT, unix:/path or tls+unix:/path"
        case .hostName: "a host name"
        case .hostPattern: "a host name, or *. and one"
        case .serverName: "a host name or an IP address"
        case .address: "an IP address"
        case .portRange: "a port from 1 to 65535, or a range like 11100-11999"
        case .requestPath: "a path that begins with /, of printable ASCII, at most 1024 characters"
        case .applicationProtocol: "1 to 255 characters of printable ASCII"
        case .block: "an address or a block like 10.0.0.0/8"
        case .serviceReference: "TENANT/SERVICE"
        case .protocols(let words):
            "raw, or a list of \(ReadingContext.alternatives(words))"
        case .list(of: let type, _): "a list; each \(type.expectation)"
        case .section(let keys): "a mapping with \(ReadingContext.alternatives(keys.map(\.name)))"
        case .sections(let keys, _):
            "a list of mappings with \(ReadingContext.alternatives(keys.prefix(4).map(\.name)))"
        }
    }
}
