// Where this router listens, as its upstreams could name it. What leads there comes back to it, and
// to what an address list in front of it would keep out.

internal import StraitConfig
internal import StraitCore
internal import StraitPosix
internal import StraitRouting

/// The router's own addresses, each with the ports that it has there.
struct OwnPlaces: Sendable {
    private var ports: [IPAddress: PortSet] = [:]
    private let interfaces: Set<IPAddress>

    /// - Parameters:
    ///   - configuration: Says what is listened on.
    ///   - interfaces: The addresses of this machine.
    init(_ configuration: Configuration, interfaces: [IPAddress] = Sockets.interfaceAddresses()) {
        var bound = configuration.allListeners.compactMap { listener in
            listener.address.address.map { ($0, PortSet([listener.address.port])) }
        }
        for range in configuration.ports?.ranges ?? [] {
            bound += (configuration.ports?.address).map { [($0, PortSet(range))] } ?? []
        }
        let any = [IPAddress("::"), IPAddress("0.0.0.0")]
        var (everywhere, all) = (PortSet(), PortSet())
        for (address, ports) in bound {
            if any.contains(address) { everywhere.formUnion(ports) }
            all.formUnion(ports)
        }
        self.interfaces = Set(interfaces)
        for (address, ports) in bound {
            self.ports[address, default: everywhere].formUnion(ports)
        }
        // Of others, which send on what comes to them.
        for address in configuration.webAPI.publicAddresses + configuration.admin.addresses {
            self.ports[address] = all
        }
    }

    /// Whether who dials there may reach this router, or its machine.
    func contains(_ address: IPAddress, _ port: UInt16) -> Bool {
        [address, address.carriedIPv4].compactMap { $0 }.contains { address in
            self.interfaces.contains(address) || self.ports[address]?.contains(port) ?? false
        }
    }
}
