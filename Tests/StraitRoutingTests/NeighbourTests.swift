// Names that would be in other tenants' way.

import StraitCore
import StraitRouting
import Testing

@Suite("RouteTable, asked for names in others' way") struct NeighbourTests {
    private func table() throws -> RouteTable {
        func names(_ texts: [String]) -> [HostName] { texts.compactMap { HostName($0) } }
        return try RouteTable(
            RouteRules(
                tenants: [
                    .init(name: "acme", domains: names(["acme.example.com"])),
                    .init(name: "beta", domains: names(["beta.example.com", "b.co.uk", "b.net"])),
                ],
                services: [
                    .init(
                        tenant: 1, name: "www", serviceProtocol: .web, mode: .passthrough,
                        hosts: names(["one.example.edu"]), wildcards: names(["shop.example.net"])),
                    .init(
                        tenant: 0, name: "www", serviceProtocol: .web, mode: .passthrough,
                        wildcards: names(["own.example.org"])),
                ]))
    }

    @Test(
        "only what is another's, and near, is in the way",
        arguments: [
            ("x.shop.example.net", NameNeighbour.beneathWildcard), ("shop.example.net", nil),
            ("x.y.shop.example.net", nil), ("x.own.example.org", nil),
            ("*.example.edu", .coversNames), ("*.one.example.edu", nil), ("two.example.edu", nil),
            ("*.example.com", .coversNames), ("x.example.com", .besideOwnNames),
            ("x.y.example.com", .besideOwnNames), ("*.x.example.com", .besideOwnNames),
            ("example.com", nil), ("x.acme.example.com", nil), ("*.acme.example.com", nil),
            ("*.x.acme.example.com", nil), ("other.co.uk", nil), ("*.co.uk", .coversNames),
            ("c.net", nil),
        ] as [(String, NameNeighbour?)])
    func neighbours(host: String, neighbour: NameNeighbour?) throws {
        let isWildcard = host.hasPrefix("*.")
        let name = try #require(HostName(isWildcard ? String(host.dropFirst(2)) : host))
        let table = try self.table()
        let acme = table.tenantNumber(named: "acme")
        #expect(table.neighbour(name, isWildcard: isWildcard, of: acme) == neighbour)
    }
}
