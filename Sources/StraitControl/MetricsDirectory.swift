// What the numbers in the workers' counters stand for. Slots are kept over revisions and never
// given to another.

internal import StraitCore
package import StraitSnapshot

/// The labels of one service's series.
package struct ServiceLabels: Hashable, Sendable {
    /// The tenant's name, or `other`, or `unknown` where no service was known.
    package var tenant: String
    /// The service's name.
    package var service: String
    /// The service's protocol.
    package var serviceProtocol: String
    /// `passthrough` or `terminate`.
    package var mode: String

    /// The series of connections that no service is known of, slot 0.
    package static let unknown = ServiceLabels(
        tenant: "unknown", service: "unknown", serviceProtocol: "unknown", mode: "unknown")

    /// See the properties.
    package init(tenant: String, service: String, serviceProtocol: String, mode: String) {
        self.tenant = tenant
        self.service = service
        self.serviceProtocol = serviceProtocol
        self.mode = mode
    }
}

/// The labels of one upstream address.
package struct UpstreamLabels: Hashable, Sendable {
    /// The tenant's name, or `other`.
    package var tenant: String
    /// The service's name.
    package var service: String
    /// Its address.
    package var address: String

    /// See the properties.
    package init(tenant: String, service: String, address: String) {
        self.tenant = tenant
        self.service = service
        self.address = address
    }
}

/// Numbers for things: the same thing keeps its number, and no number is ever given again.
package struct Numbering<Thing: Hashable & Sendable>: Sendable {
    private var numbers: [Thing: Int] = [:]
    /// By number.
    package private(set) var things: [Thing] = []

    /// Numbers for `first`, from 0, in their order.
    package init(first: [Thing] = []) {
        for thing in first { _ = self.number(of: thing) }
    }

    /// The number of `thing`, a new one where it has none yet.
    package mutating func number(of thing: Thing) -> Int {
        if let known = self.numbers[thing] { return known }
        let number = self.things.count
        self.numbers[thing] = number
        self.things.append(thing)
        return number
    }

    /// The number of `thing`; nil where it has none yet and there are `count` numbers.
    mutating func number(of thing: Thing, atMost count: Int) -> Int? {
        if self.numbers[thing] == nil, self.things.count >= count { return nil }
        return self.number(of: thing)
    }

    /// Gives a number to another thing, which has none.
    mutating func replace(_ number: Int, by thing: Thing) {
        self.numbers[self.things[number]] = nil
        self.numbers[thing] = number
        self.things[number] = thing
    }

    /// The number of `thing`, if it has one.
    package func known(_ thing: Thing) -> Int? { self.numbers[thing] }
}

/// Everything that the rendering of metrics needs to know of a snapshot.
package struct MetricsDirectory: Sendable {
    /// A certificate's end, for its gauge.
    package struct CertificateEnd: Hashable, Sendable {
        /// The tenant's name, or `other`.
        package var tenant: String
        /// The first name that it carries.
        package var name: String
        /// `listener` for what downstreams see, `upstream` for what we show to upstreams.
        package var kind: String
        /// Seconds since 1970.
        package var notAfter: Int64

        /// See the properties.
        package init(tenant: String, name: String, kind: String, notAfter: Int64) {
            self.tenant = tenant
            self.name = name
            self.kind = kind
            self.notAfter = notAfter
        }
    }

    /// An alias, for its counter.
    package struct Alias: Sendable {
        /// The tenant's name, or `other`.
        package var tenant: String
        /// The alias, or `other`.
        package var name: String
        /// Who uses it.
        package var usage: AliasUsage

        /// See the properties.
        package init(tenant: String, name: String, usage: AliasUsage) {
            self.tenant = tenant
            self.name = name
            self.usage = usage
        }
    }

    /// By slot: every service that there ever was.
    package var services: [ServiceLabels]
    /// The slots of the snapshot; their series exist from the start.
    package var liveServices: Set<Int>
    /// By slot: every upstream address that there ever was.
    package var upstreams: [UpstreamLabels]
    /// The slots of the snapshot; their series exist from the start.
    package var liveUpstreams: Set<Int>
    /// By ``ListenerPlan/id``: the names of the listeners of the snapshot.
    package var listeners: [Int: String]
    /// Certificates of tenants with series of their own.
    package var certificates: [CertificateEnd]
    /// Aliases that lead somewhere.
    package var aliases: [Alias] = []
    /// Services that share the series of `other` because `metrics.tenants` is reached.
    package var foldedServices: Int

    /// Of a router that has no snapshot yet.
    package init() {
        self.services = [.unknown]
        self.liveServices = [0]
        self.upstreams = []
        self.liveUpstreams = []
        self.listeners = [:]
        self.certificates = []
        self.foldedServices = 0
    }

    /// The labels of a slot; those of the unknown where a slot was never given.
    package func labels(ofSlot slot: Int) -> ServiceLabels {
        self.services.indices.contains(slot) ? self.services[slot] : .unknown
    }
}
