// Which certificates a name is served with.

import StraitCore
import StraitSnapshot
import Testing

/// A set with these names; those that begin with `*.` are wildcards.
private func certificates(_ number: UInt64, _ names: String...) -> CertificateSet {
    let wildcards = names.filter { $0.hasPrefix("*.") }.compactMap {
        HostName(String($0.dropFirst(2)))
    }
    let exact = names.filter { !$0.hasPrefix("*.") }.compactMap { HostName($0) }
    return CertificateSet(
        id: ContentDigest(only: number), names: exact, wildcards: wildcards, certificates: [])
}

@Suite("CertificateTable") struct CertificateTableTests {
    private static let table = CertificateTable(sets: [
        certificates(1, "*.acme.example.com", "*.shop.example"),
        certificates(2, "acme.example.com", "orders.acme.example.com", "shop.example"),
        certificates(3, "*.acme.example.com", "orders.acme.example.com"),
        certificates(4, "*.deep.orders.acme.example.com"),
        certificates(5),
    ])

    @Test(
        "a name gets the first set that carries it: exactly before by wildcard",
        arguments: [
            ("acme.example.com", 2), ("orders.acme.example.com", 2), ("shop.example", 2),
            ("www.acme.example.com", 1), ("x.shop.example", 1),
            ("a.deep.orders.acme.example.com", 4),
            ("WWW.Acme.Example.Com.", 1),
        ])
    func found(name: String, id: UInt64) throws {
        #expect(Self.table.set(for: try #require(HostName(name)))?.id == ContentDigest(only: id))
    }

    @Test(
        "a wildcard stands for one label, not for none and not for two",
        arguments: [
            "deep.orders.acme.example.com", "a.b.acme.example.com", "example.com", "com",
            "a.b.deep.orders.acme.example.com", "xacme.example.com", "www.acme.example.org",
            "a.b.shop.example",
        ])
    func notFound(name: String) throws {
        #expect(Self.table.set(for: try #require(HostName(name))) == nil)
    }

    @Test("an empty table has nothing for anybody")
    func empty() throws {
        #expect(CertificateTable(sets: []).set(for: try #require(HostName("a.example"))) == nil)
    }
}
