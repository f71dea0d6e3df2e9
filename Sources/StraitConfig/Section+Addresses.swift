// Addresses as operators write them, and what they usually mean by those that cannot be read.

internal import StraitCore

extension Section {
    /// The address of a listener; nil when absent or reported.
    func listenerAddress(_ key: String) -> SocketAddress? {
        guard let text = self.text(key) else { return nil }
        guard let address = SocketAddress(Self.withOneSlash(text, after: "unix:")) else {
            self.report(
                .malformedAddress, key, found: ReadingContext.quoted(text),
                expected: KeyType.listenerAddress.expectation,
                remedy: Self.listenerRemedy(text))
            return nil
        }
        if case .ip(let ip, port: 0) = address, !ip.isLoopback {
            self.report(
                .malformedAddress, key, found: "port 0", expected: "a port from 1 to 65535",
                remedy: "write the port; 0 (any free port) is for loopback addresses")
            return nil
        }
        return address
    }

    private static func listenerRemedy(_ text: String) -> String {
        if let scheme = text.firstRange(of: "://")?.upperBound {
            let rest = String(text[scheme...])
            if SocketAddress(rest) != nil { return "write \"\(rest)\"" }
        }
        let candidates = [
            "[::]:\(text)", "[::]\(text)", "\(text):443", "[\(text)]:443",
            text.replacing("*:", with: "[::]:"), text.replacing("localhost:", with: "127.0.0.1:"),
        ]
        if text.hasPrefix("unix:") { return Self.unixRemedy(text, prefix: "unix:") }
        if let repaired = Self.bracketed(text) { return "write \"\(repaired)\"" }
        for candidate in candidates where SocketAddress(candidate) != nil {
            return "write \"\(candidate)\""
        }
        return "write an IP address and a port, as in \"[::]:443\" (all addresses, IPv4 too)"
    }

    /// Where an upstream is, and whether TLS is spoken to it; nil when absent or reported.
    func upstreamAddress(
        _ key: String, mode: ServiceMode
    ) -> (target: Configuration.Upstream.Target, isTLS: Bool)? {
        guard let text = self.text(key) else { return nil }
        for (prefix, isTLS) in [("unix:", false), ("tls+unix:", true)] where text.hasPrefix(prefix)
        {
            let path = Self.withOneSlash(text, after: prefix).dropFirst(prefix.count)
            if let address = SocketAddress("unix:" + path) {
                return (.address(address), isTLS)
            }
            self.reportUpstream(key, text, Self.unixRemedy(text, prefix: prefix))
            return nil
        }
        guard let separator = text.firstRange(of: "://") else {
            let isAddress = SocketAddress(text) != nil
            self.reportUpstream(
                key, text,
                isAddress
                    ? "write \"tcp://\(text)\"" : "begin with tcp://, tls://, unix: or tls+unix:")
            return nil
        }
        let scheme = String(text[..<separator.lowerBound])
        let rest = String(text[separator.upperBound...])
        guard scheme == "tcp" || scheme == "tls" else {
            self.reportScheme(key, text, scheme: scheme, rest: rest, mode: mode)
            return nil
        }
        guard let address = SocketAddress(rest), case .ip(let ip, let port) = address else {
            if let name = Self.nameAndPort(rest) { return (name, scheme == "tls") }
            self.reportHost(key, text, scheme: scheme, rest: rest)
            return nil
        }
        guard port != 0 else {
            self.reportUpstream(key, text, "write the port behind the last colon")
            return nil
        }
        guard ip != IPAddress("0.0.0.0"), ip != IPAddress("::") else {
            let loopback = ip.isIPv4 ? "127.0.0.1" : "[::1]"
            self.reportUpstream(
                key, text,
                "nothing listens there; did you mean \"\(scheme)://\(loopback):\(port)\"?")
            return nil
        }
        return (.address(address), scheme == "tls")
    }

    /// A name that can be looked up, and a port; nil for anything else, and for `localhost`, which
    /// is two addresses that no upstream should be looked for at in turn.
    private static func nameAndPort(_ text: String) -> Configuration.Upstream.Target? {
        guard let colon = text.lastIndex(of: ":"), let name = HostName(String(text[..<colon])),
            name.description != "localhost",
            case .ip(_, let port)? = SocketAddress("0.0.0.0" + text[colon...]), port != 0
        else { return nil }
        return .name(name, port: port)
    }

    private func reportUpstream(_ key: String, _ text: String, _ remedy: String) {
        self.report(
            .malformedAddress, key, found: ReadingContext.quoted(text),
            expected: KeyType.upstreamAddress.expectation, remedy: remedy)
    }

    private func reportScheme(
        _ key: String, _ text: String, scheme: String, rest: String, mode: ServiceMode
    ) {
        let remedy: String
        switch scheme {
        case "http", "ws", "ssh", "postgres", "postgresql", "mysql", "kubernetes", "redis":
            remedy = "write \"tcp://\(rest)\"; `protocol` of the service says what is spoken"
        case "https", "wss", "ssl", "tcps", "tcp+tls":
            remedy =
                mode == .passthrough
                ? "write \"tcp://\(rest)\": TLS passes unopened, so the upstream's own is reached"
                : "write \"tls://\(rest)\"; `protocol` of the service says what is spoken"
        default:
            let nearest = nearestWord(
                to: scheme, in: ["tcp", "tls", "unix", "tls+unix", "http", "https"])
            remedy =
                nearest.map { word in
                    let meant = word == "http" ? "tcp" : word == "https" ? "tls" : word
                    return "did you mean \"\(meant)\"?"
                } ?? "write tcp://IP:PORT"
        }
        self.report(
            .notAChoice, key, found: ReadingContext.quoted(text),
            expected: "tcp, tls, unix or tls+unix", remedy: remedy)
    }

    /// An upstream whose host is a name, or whose address or port cannot be read.
    private func reportHost(_ key: String, _ text: String, scheme: String, rest: String) {
        let authority = String(rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" })
        if authority.utf8.count < rest.utf8.count, SocketAddress(authority) != nil {
            self.reportUpstream(key, text, "take out the path: \"\(scheme)://\(authority)\"")
            return
        }
        if let repaired = Self.bracketed(authority) {
            self.reportUpstream(key, text, "write \"\(scheme)://\(repaired)\"")
            return
        }
        if IPAddress(authority) != nil {
            let host = authority.contains(":") ? "[\(authority)]" : authority
            self.reportUpstream(key, text, "add the port: \"\(scheme)://\(host):PORT\"")
            return
        }
        let host = authority.lastIndex(of: ":").map { String(authority[..<$0]) } ?? authority
        guard HostName(host) != nil else {
            self.reportUpstream(
                key, text, "write a name or an IP address, and a port from 1 to 65535")
            return
        }
        guard host.lowercased() == "localhost" else {
            self.reportUpstream(key, text, "write a port from 1 to 65535 behind the name")
            return
        }
        self.report(
            .upstreamIsName, key, found: "\(ReadingContext.quoted(text)), which is not looked up",
            expected: "an IP address, or a name that DNS knows",
            remedy: "write 127.0.0.1 or [::1]")
    }

    /// `unix:/path` for `unix:///path`, which others write; one spelling is one address.
    private static func withOneSlash(_ text: String, after prefix: String) -> String {
        guard text.hasPrefix(prefix + "/") else { return text }
        return prefix + "/" + text.dropFirst(prefix.count).drop { $0 == "/" }
    }

    private static func unixRemedy(_ text: String, prefix: String) -> String {
        let path = text.dropFirst(prefix.count)
        if path.utf8.count > 107 { return "shorten the path to 107 bytes (sun_path)" }
        return "write an absolute path: \"\(prefix)/run/NAME.sock\""
    }

    /// `::1:443` with the brackets that it lacks, if that makes it an address.
    private static func bracketed(_ text: String) -> String? {
        guard !text.hasPrefix("["), let colon = text.lastIndex(of: ":") else { return nil }
        let repaired = "[\(text[..<colon])]\(text[colon...])"
        return SocketAddress(repaired) == nil ? nil : repaired
    }
}
