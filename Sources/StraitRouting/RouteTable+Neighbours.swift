// Whether a host name would be in other tenants' way: what an administrator may not claim by
// itself, and operators may give.

package import StraitCore

/// How a name is in others' way.
package enum NameNeighbour: Hashable, Sendable, CaseIterable {
    /// Another tenant has the wildcard that covers it.
    case beneathWildcard
    /// The wildcard would cover a name of another tenant.
    case coversNames
    /// Other tenants have their own names where it lies.
    case besideOwnNames
}

extension RouteTable {
    /// How `host` would be in others' way.
    ///
    /// - Parameters:
    ///   - host: Of a wildcard, what stands behind `*.`.
    ///   - isWildcard: Whether one label stands before it, whatever it is.
    ///   - tenant: Who wants it, by number: it is not in its own way.
    /// - Returns: Nil where it would not.
    /// - Complexity: O(labels + what lies one label beneath, up to the first of another).
    package func neighbour(
        _ host: HostName, isWildcard: Bool, of tenant: Int?
    ) -> NameNeighbour? {
        let bytes = host.bytes
        let endings = bytes.indices.filter { bytes[$0] == UInt8(ascii: ".") }.map { $0 + 1 }
        if isWildcard {
            let children = self.compiled.children.members(beneath: bytes.span)
            if children.contains(where: { self.tenant(of: $0) != tenant }) { return .coversNames }
        } else if let parent = endings.first,
            let raw = self.compiled.wildcards.value(of: bytes.span, from: parent),
            self.tenant(of: NameTarget(rawValue: raw)) != tenant
        {
            return .beneathWildcard
        }
        let starts = [0] + endings
        let isOwn = starts.contains { start in
            let raw = self.compiled.exact.value(of: bytes.span, from: start)
            let target = raw.map { NameTarget(rawValue: $0) }
            return target?.kind == .tenant && target?.index == tenant
        }
        guard !isOwn else { return nil }
        for start in isWildcard ? starts : endings where !Self.isEverybodys(bytes[start...]) {
            let children = self.compiled.children.members(beneath: bytes.span, from: start)
            if children.contains(where: { $0.kind == .tenant && $0.index != tenant }) {
                return .besideOwnNames
            }
        }
        return nil
    }

    private func tenant(of target: NameTarget) -> Int {
        switch target.kind {
        case .tenant, .kubernetesAlias: target.index
        case .service: self.compiled.services[target.index].tenant
        }
    }

    /// Whether anybody may have a name in a zone: `com`, and what looks like `co.uk` and `com.au`.
    private static func isEverybodys(_ zone: ArraySlice<UInt8>) -> Bool {
        let labels = zone.split(separator: UInt8(ascii: "."))
        return labels.count < 2
            || labels.count == 2 && labels[0].count <= 3 && labels[1].count == 2
    }
}
