// The keys of ports -> their values.

internal import StraitCore

extension Keys {
    static let ports: [Key] = [
        Key(
            "address", .address, note: "every address", example: "10.0.3.2",
            "Address of this machine that tenants' ports are on; `\"::\"` is every one."),
        Key(
            "ranges", .list(of: .portRange, 1...256), example: "[11100-11999]",
            "Ports that tenants may get; every router of a region says the same."),
        Key(
            "exclude", .list(of: .portRange, 0...256), note: "none",
            example: "[11200, 11300-11310]",
            "Ports of the ranges that nobody gets."),
        duration(
            "quarantine", nil,
            Limits.portQuarantineMin.components.seconds * 1000...2_592_000_000,
            note: DurationText.text(Limits.portQuarantine),
            "How long a port that was given back is for nobody but who had it."),
        Key(
            "steering", .choice(["auto", "off"]), note: "auto", example: "auto",
            "`auto`: one listener for all ports where the process may load sk_lookup programs."),
    ]

    /// Of a tenant of a registry alone.
    static let registeredPorts = Key(
        "ports", .sections(tenantPort, 0...Limits.portsPerTenantMax),
        "Ports beside the usual ones, and which ports they are to be.")

    private static let tenantPort: [Key] = [
        Key(
            "kind", .name, isRequired: true, example: "cache",
            "`ssh`, `ssh_tunnel`, `kube`, `mysql`, `postgres`, which all have, or a name."
        ),
        Key("port", .integer(1...65_535), example: "11500", "The port that it must be."),
        Key(
            "service", .name, example: "cache", "The tenant's service that answers there."),
    ]
}

private enum Steering: String { case auto, off }

extension Section {
    /// The ports of a router; nil where they were reported, or are not there.
    func ports() -> Configuration.Ports? {
        guard self.mentions("ports") else { return nil }
        let section = self.section("ports")
        guard section.mentions("ranges") else {
            section.report(
                .missingKey, "ranges", found: "no \"ranges\"",
                expected: "a list of ports and ranges", remedy: "add ranges: [11100-11999]")
            return nil
        }
        if !self.mentions("registry") {
            self.report(
                .keyNeedsAnother, "ports", found: "ports without a registry",
                expected: "a registry, which keeps who has which port",
                remedy: "add registry: { path: registry.db }, or give the port a listener")
        }
        let text = section.text("address") ?? "::"
        let address = IPAddress(text)
        if address == nil {
            section.report(
                .malformedAddress, "address", found: ReadingContext.quoted(text),
                expected: KeyType.address.expectation,
                remedy: "write an address of this machine without a port, as in \"::\"")
        }
        return Configuration.Ports(
            address: address ?? IPAddress(high: 0, low: 0), ranges: section.portRanges("ranges"),
            excluded: section.portRanges("exclude"),
            quarantine: section.duration("quarantine") ?? Limits.portQuarantine,
            steers: section.choice("steering", Steering.self) != .off,
            place: section.place)
    }

    /// `11100` and `11100-11999`.
    private func portRanges(_ key: String) -> [ClosedRange<UInt16>] {
        self.texts(key).compactMap { text in
            let ends = text.value.split(separator: "-", omittingEmptySubsequences: false)
            let numbers = ends.compactMap { UInt16($0) }
            if numbers.count == ends.count, (1...2).contains(ends.count), numbers[0] > 0,
                numbers[0] <= numbers[numbers.count - 1]
            {
                return numbers[0]...numbers[numbers.count - 1]
            }
            self.context.report(
                .malformedAddress, at: text.place, found: ReadingContext.quoted(text.value),
                expected: KeyType.portRange.expectation,
                remedy: "write the lowest port, a hyphen and the highest, within 1 to 65535")
            return nil
        }
    }

    /// What a tenant of a registry asks for.
    func tenantPorts() -> [Configuration.TenantPort] {
        var first: [String: SourcePlace] = [:]
        return self.sections("ports").compactMap { section in
            guard let kind = section.text("kind") else { return nil }
            let isName =
                kind.utf8.count <= Limits.portKindBytesMax && Self.isName(kind)
                && !kind.contains("-") && !(kind.first?.isNumber ?? true)
            guard isName else {
                section.report(
                    .malformedName, "kind", found: ReadingContext.quoted(kind),
                    expected: "a-z, 0-9 and _, a letter first, at most \(Limits.portKindBytesMax)",
                    remedy: "write another name")
                return nil
            }
            if let other = first.updateValue(section.place, forKey: kind) {
                section.report(
                    .duplicateName, "kind",
                    found: "\"\(kind)\" a second time; first at "
                        + other.lineAndPath, expected: "each kind once", remedy: "take one out")
            }
            let isStandard = Configuration.TenantPort.standardKinds.contains(kind)
            if !isStandard, !section.mentions("service") {
                section.report(
                    .keyNeedsAnother, "kind", found: "\"\(kind)\" without a service",
                    expected: "the service that answers there", remedy: "add service: NAME")
            }
            return Configuration.TenantPort(
                kind: kind, port: section.integer("port").map { UInt16(clamping: $0) },
                service: section.has("service") ? section.name("service") : nil,
                place: section.place)
        }
    }
}

extension Configuration.Tenant {
    /// Reports ports of services that the tenant does not have.
    func checkPorts(_ context: ReadingContext) {
        for port in self.ports {
            guard let service = port.service, !service.isEmpty else { continue }
            _ = self.knows(
                service, at: context.place(of: "service", in: port.place), context: context)
        }
    }
}
