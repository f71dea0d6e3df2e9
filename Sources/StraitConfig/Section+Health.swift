// The keys of `health` -> their values.

internal import StraitCore

extension Section {
    /// How the addresses of a service are judged; defaults stand for what was reported.
    func health() -> Configuration.HealthSettings {
        let check = self.choice("check", Configuration.HealthSettings.Check.self) ?? .off
        if check != .http, check != .https, self.has("path"), self.text("path") != "/" {
            self.report(
                .keyNeedsAnother, "path", found: "path, with check: \(check.rawValue)",
                expected: "check: http or check: https", remedy: "write check: http, or take it out"
            )
        }
        return Configuration.HealthSettings(
            check: check,
            interval: self.duration("interval") ?? Limits.healthInterval,
            timeout: self.duration("timeout") ?? Limits.healthTimeout,
            rise: self.integer("rise") ?? Limits.healthRise,
            fall: self.integer("fall") ?? Limits.healthFall,
            path: self.requestPath("path"),
            host: self.healthHost(),
            ejectAfter: self.integer("eject_after") ?? Limits.ejectionFailures,
            ejection: self.duration("ejection") ?? Limits.ejection,
            ejectionMax: self.duration("ejection_max") ?? Limits.ejectionMax,
            slowStart: self.duration("slow_start") ?? Limits.slowStart
        ).checked(in: self)
    }

    private func requestPath(_ key: String) -> String {
        guard let text = self.text(key) else { return "/" }
        let isPrintable = text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
        guard text.hasPrefix("/"), isPrintable, text.utf8.count <= 1024 else {
            self.report(
                .malformedText, key, found: ReadingContext.quoted(text),
                expected: KeyType.requestPath.expectation,
                remedy: text.hasPrefix("/")
                    ? "write other bytes as %XX (RFC 3986)" : "begin with a slash")
            return "/"
        }
        return text
    }

    private func healthHost() -> String? {
        guard let text = self.text("host") else { return nil }
        if let ip = IPAddress(text) { return ip.description }
        let located = Configuration.Located(value: text, place: self.place(of: "host"))
        return self.hostName(located)?.description
    }
}

extension Configuration.HealthSettings {
    /// What holds where nothing is said.
    static let standard = Section(
        nil, keys: Keys.health, place: SourcePlace(line: 1, column: 1, path: ""),
        context: ReadingContext(file: "", folder: "/", checksFiles: false)
    ).health()

    /// Itself; reports durations that do not fit each other.
    fileprivate func checked(in section: Section) -> Self {
        if self.timeout > self.interval {
            section.report(
                .wrongRelation, section.mentions("timeout") ? "timeout" : "interval",
                found: "timeout \(DurationText.text(self.timeout)), "
                    + "interval \(DurationText.text(self.interval))",
                expected: "timeout no longer than interval",
                remedy: "shorten timeout or lengthen interval")
        }
        if self.ejection > self.ejectionMax {
            section.report(
                .wrongRelation, section.mentions("ejection") ? "ejection" : "ejection_max",
                found: "ejection \(DurationText.text(self.ejection)), "
                    + "ejection_max \(DurationText.text(self.ejectionMax))",
                expected: "ejection no longer than ejection_max",
                remedy: "shorten ejection or lengthen ejection_max")
        }
        return self
    }
}

extension Section {
    /// A list of addresses of this machine, each once.
    func addresses(_ name: String) -> [IPAddress] {
        self.uniqueTexts(name).compactMap { text in
            guard let address = IPAddress(text.value), address != IPAddress("0.0.0.0"),
                address != IPAddress("::")
            else {
                self.context.report(
                    .malformedAddress, at: text.place, found: ReadingContext.quoted(text.value),
                    expected: KeyType.address.expectation,
                    remedy: "write an address of this machine (ip address), without a port")
                return nil
            }
            return address
        }
    }
}
