// Ways to a service that carry no TLS, and the services that none of them may lead to.
//
// Three of them: a raw listener, SSH's own banner, and a silent downstream where the server speaks
// first. Plain Postgres and plain HTTP lead nowhere by themselves: the router answers them.

internal import StraitCore

/// A way by which bytes reach a service without TLS.
private struct PlainWay {
    /// Where it is opened.
    var place: SourcePlace
    /// What it is, as a sentence begins.
    var words: String
    /// How it is closed.
    var remedy: String
}

extension TenantCheck {
    /// Bytes that come without TLS show no certificate, and there is no TLS that could end here.
    ///
    /// SSH without a certificate is left: what TLS would give to it, it has of its own. So is MySQL
    /// on a way that leads to it alone: its TLS begins later, in its own words.
    func checkReachedWithoutTLS(_ service: Configuration.Service) {
        guard service.isUnderstood else { return }
        let word = service.clientCertificate.rawValue
        if service.clientCertificate != .none {
            for way in self.plainWays(to: service) {
                self.context.report(
                    .keysExclude, at: way.place,
                    found: "\(way.words) for service \"\(service.name)\" "
                        + "(line \(service.place.line)), whose client_certificate is \(word)",
                    expected: "a service without client_certificate, as this way shows none",
                    remedy: "\(way.remedy), or take client_certificate out")
            }
        } else if service.mode == .terminate, service.serviceProtocol != .ssh {
            for way in self.plainWays(to: service) {
                self.context.report(
                    .keysExclude, at: way.place,
                    found: "\(way.words) for service \"\(service.name)\" "
                        + "(line \(service.place.line)), whose mode is terminate",
                    expected: "a service in passthrough, as there is no TLS to end on this way",
                    remedy: "\(way.remedy), or write mode: passthrough")
            }
        }
    }

    private func plainWays(to service: Configuration.Service) -> [PlainWay] {
        guard service.serviceProtocol != .mysql || service.mode == .passthrough else { return [] }
        var ways = self.configuration.listeners.compactMap { listener -> PlainWay? in
            guard listener.tenant == self.tenant.name else { return nil }
            return self.plainWay(by: listener, to: service)
        }
        let plain = self.configuration.defaults[.ssh]
        if let plain, plain.tenant == self.tenant.name, plain.service == service.name {
            ways.append(
                PlainWay(
                    place: plain.place, words: "SSH without TLS", remedy: "name another service"))
        }
        return ways
    }

    /// The way that a listener of this tenant opens to one of its services.
    private func plainWay(
        by listener: Configuration.Listener, to service: Configuration.Service
    ) -> PlainWay? {
        let isItsService = listener.service == service.name
        guard case .shared(let shared) = listener.protocols else {
            guard isItsService else { return nil }
            return PlainWay(
                place: self.context.place(of: "service", in: listener.place),
                words: "a raw listener", remedy: "write protocols: [tls]")
        }
        if let first = listener.serverFirst,
            isItsService || self.isDefault(service, for: first.serviceProtocol, on: listener)
        {
            return PlainWay(
                place: self.context.place(of: "server_first", in: listener.place),
                words: "server_first: \(first.serviceProtocol.rawValue)",
                remedy: "take server_first out")
        }
        let takesSSH = service.serviceProtocol == .ssh || service.serviceProtocol == .tcp
        guard shared.contains(.ssh),
            (isItsService && takesSSH) || self.isDefault(service, for: .ssh, on: listener)
        else { return nil }
        return PlainWay(
            place: self.context.place(of: "protocols", in: listener.place),
            words: "SSH without TLS on listener \"\(listener.name)\"",
            remedy: "leave ssh out of the listener's protocols")
    }

    private func isDefault(
        _ service: Configuration.Service, for serviceProtocol: ServiceProtocol,
        on listener: Configuration.Listener
    ) -> Bool {
        listener.service == nil && service.isDefault
            && service.serviceProtocol == serviceProtocol
    }
}
