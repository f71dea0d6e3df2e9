// The keys of a listener -> its value.

internal import StraitCore

extension Section {
    /// The listener that this section describes; placeholders stand for what was reported.
    func listener() -> Configuration.Listener {
        Configuration.Listener(
            name: self.name("name"),
            address: self.listenerAddress("address") ?? .unreadable,
            protocols: self.listenerProtocols(),
            proxyHeader: self.proxyHeader(),
            tenant: self.has("tenant") ? self.name("tenant") : nil,
            service: self.has("service") ? self.name("service") : nil,
            serverFirst: self.serverFirst(),
            redirectsToHTTPS: self.flag("redirect_to_https") ?? false,
            backlog: self.integer("backlog") ?? Limits.listenBacklog,
            place: self.place)
    }

    private func listenerProtocols() -> Configuration.Listener.Protocols {
        let all = Configuration.Listener.SharedProtocol.allCases
        guard let node = self.node("protocols") else {
            let isRaw = self.mentions("service") && !self.mentions("server_first")
            return isRaw ? .raw : .shared(all)
        }
        switch node.content {
        case .text("raw", _): return .raw
        case .refused: return .shared(all)
        case .text(let text, _):
            let isKnown = all.contains { $0.rawValue == text }
            self.report(
                .wrongType, "protocols", found: ReadingContext.quoted(text),
                expected: KeyType.protocols(all.map(\.rawValue)).expectation,
                remedy: isKnown ? "write [\(text)]" : "write raw, or a list in brackets")
            return .shared(all)
        case .nothing, .mapping:
            self.report(
                .wrongType, "protocols", found: node.kindText,
                expected: KeyType.protocols(all.map(\.rawValue)).expectation,
                remedy: "write raw, or a list in brackets")
            return .shared(all)
        case .list(let items): return .shared(self.sharedProtocols(items))
        }
    }

    private func sharedProtocols(
        _ items: [YAMLNode]
    ) -> [Configuration.Listener.SharedProtocol] {
        let words = Configuration.Listener.SharedProtocol.allCases.map(\.rawValue)
        var found: [Configuration.Listener.SharedProtocol] = []
        for (index, item) in items.enumerated() where item.content != .refused {
            let place = SourcePlace(
                line: item.line, column: item.column,
                path: "\(self.path(of: "protocols"))[\(index)]")
            guard case .text(let text, _) = item.content else {
                self.context.report(
                    .wrongType, at: place, found: item.kindText,
                    expected: ReadingContext.alternatives(words), remedy: "write one of them")
                continue
            }
            guard let shared = Configuration.Listener.SharedProtocol(rawValue: text) else {
                self.reportProtocol(text, words: words, isOnly: items.count == 1, at: place)
                continue
            }
            guard !found.contains(shared) else {
                self.context.report(
                    .listedTwice, at: place, found: "\"\(text)\" a second time",
                    expected: "each once", remedy: "take it out")
                continue
            }
            found.append(shared)
        }
        if items.isEmpty {
            self.report(
                .wrongCount, "protocols", found: "0 items", expected: "1 to \(words.count) items",
                remedy: "take the key out for all, or write raw")
        }
        return found
    }

    private func reportProtocol(
        _ text: String, words: [String], isOnly: Bool, at place: SourcePlace
    ) {
        let remedies = [
            "raw": isOnly
                ? "write protocols: raw, without brackets" : "raw stands alone: protocols: raw",
            "https": "write tls", "h2": "write tls",
            "mysql": "in mysql the server speaks first: use server_first: mysql",
            "kubernetes": "write tls", "web": "write tls", "tcp": "write protocols: raw",
        ]
        guard let remedy = remedies[text] else {
            self.reportChoice(text, of: words, at: place)
            return
        }
        self.context.report(
            .notAChoice, at: place, found: ReadingContext.quoted(text),
            expected: ReadingContext.alternatives(words), remedy: remedy)
    }

    private func proxyHeader() -> Configuration.Listener.ProxyHeader {
        enum Choice: String { case absent, required }
        let choice = self.choice("proxy_protocol", Choice.self)
        let trusted = self.blocks("trusted")
        switch choice {
        case .required?:
            if !self.mentions("trusted") {
                self.report(
                    .keyNeedsAnother, "proxy_protocol", found: "required, without \"trusted\"",
                    expected: "the addresses whose headers are believed",
                    remedy: "add trusted: [ADDRESS/BITS] with those of your load balancer")
            }
            return .required(trusted: trusted)
        case .absent?, nil:
            if self.mentions("trusted"), choice != nil {
                self.report(
                    .keyNeedsAnother, "trusted", found: "trusted, without PROXY headers",
                    expected: "proxy_protocol: required beside it",
                    remedy: "add proxy_protocol: required, or take trusted out")
            }
            return .absent
        }
    }

    private func serverFirst() -> Configuration.Listener.ServerFirst? {
        let wait = self.duration("server_first_wait") ?? Limits.serverFirstWait
        guard let serviceProtocol = self.choice("server_first", ServiceProtocol.self) else {
            return nil
        }
        return .init(serviceProtocol: serviceProtocol, wait: wait)
    }
}

extension SocketAddress {
    /// Stands where an address could not be read, and was reported.
    static let unreadable = SocketAddress.unix(path: "")
}
