// What a tenant's own ports lead to, and that a change leaves the others alone.

import StraitConfig
import StraitControl
import StraitCore
import StraitRouting
import StraitSnapshot
import Testing

@Suite("Compiling tenants' ports") struct PortCompilingTests {
    private var compiler = SnapshotCompiler(ticketRoot: Array(repeating: 7, count: 32))
    private var live: CompiledConfiguration

    init() throws {
        let reading = ConfigurationReader(checksFiles: false).read(
            text: """
                admin: { unix: admin.sock }
                listeners: [{ name: public, address: "127.0.0.1:0" }]
                registry: { path: registry.db }
                ports: { ranges: [11100-61100] }
                """, file: "strait.yaml")
        let configuration = try #require(reading.configuration, "\(reading.problems)")
        self.live = try self.compiler.compile(
            configuration, revision: 1, epoch: 0, now: Compiling.now)
    }

    private mutating func change(
        _ tenants: [(String, String)], removed: [String] = [],
        ports: [String: [PortKind: UInt16]]
    ) throws -> Snapshot {
        var change = TenantChange(tenants: [], removed: removed)
        for (name, services) in tenants {
            let json = #"{"name":"\#(name)","domains":["\#(name).test"],\#(services)}"#
            let reading = try TenantDocument(json: Array(json.utf8)).tenant(
                named: name, certificates: [], process: self.live.configuration)
            change.tenants.append(try #require(reading.tenant, "\(reading.problems)"))
        }
        change.ports = ports
        self.live = try self.compiler.compile(
            change, of: self.live, revision: self.live.snapshot.revision + 1, epoch: 0,
            now: Compiling.now)
        return self.live.snapshot
    }

    private static func services(_ list: (String, String)...) -> String {
        let services = list.map { name, what in
            #"{"name":"\#(name)","protocol":"\#(what)","#
                + #""upstreams":[{"address":"tcp://127.0.0.1:9"}]}"#
        }
        return #""services":[\#(services.joined(separator: ","))]"#
    }

    @Test("each kind leads to the default of its protocol, or to the only one, or nowhere")
    func kinds() throws {
        var copy = self
        let standard = Dictionary(
            uniqueKeysWithValues: zip(PortKind.standard, UInt16(11100)...))
        let snapshot = try copy.change(
            [
                (
                    "acme",
                    Self.services(
                        ("a", "ssh"), ("b", "kubernetes"), ("c", "mysql"), ("d", "postgres"))
                ), ("beta", Self.services(("a", "mysql"), ("b", "mysql"))),
            ], ports: ["acme": standard, "beta": [.mysql: 11200]])
        func service(_ port: Int) -> String? {
            snapshot.ports.element(port)?.scope.service.map { snapshot.routes.serviceText($0) }
        }
        #expect(service(11100) == "acme/a" && service(11101) == nil && service(11102) == "acme/b")
        #expect(service(11103) == "acme/c" && service(11104) == "acme/d")
        #expect(service(11200) == nil, "two, of which none is the default")
        #expect(snapshot.ports.element(11100)?.protocols == [.tls, .ssh])
        #expect(snapshot.ports.element(11100)?.serverFirst?.serviceProtocol == .ssh)
        #expect(snapshot.ports.element(11102)?.defersAccept == true)
        #expect(snapshot.ports.element(11103)?.protocols == .raw)
        #expect(snapshot.ports.element(11103)?.defersAccept == false)
        #expect(snapshot.ports.element(11104)?.protocols == [.tls, .postgres])
        #expect(
            snapshot.ports.element(11104)?.scope.tenant
                == snapshot.routes.tenantNumber(named: "acme"))
        #expect(
            snapshot.portListener != nil && !snapshot.listeners.contains { $0.name == "(ports)" })
    }

    @Test("a port that has gone on to another tenant stays that one's when its former one changes")
    func handedOn() throws {
        var copy = self
        let services = Self.services(("db", "mysql"))
        _ = try copy.change([("acme", services)], ports: ["acme": [.mysql: 11105]])
        // Refused meanwhile, acme keeps what was compiled of it.
        _ = try copy.change([("beta", services)], ports: ["beta": [.mysql: 11105]])
        let mended = try copy.change([("acme", services)], ports: ["acme": [.mysql: 11106]])
        let beta = mended.routes.tenantNumber(named: "beta")
        #expect(beta != nil && mended.ports.element(11105)?.scope.tenant == beta)
        #expect(mended.ports.element(11106) != nil)
        let gone = try copy.change([], removed: ["acme"], ports: [:])
        #expect(gone.ports.element(11105) != nil && gone.ports.element(11106) == nil)
    }

    @Test("a change of one among thousands touches its own ports, and none that it left")
    func sharing() throws {
        var copy = self
        let count = 4000
        var ports: [String: [PortKind: UInt16]] = [:]
        let tenants = (0..<count).map { number in
            ports["t\(number)"] = [.mysql: UInt16(11100 + number)]
            return ("t\(number)", Self.services(("db", "mysql")))
        }
        let before = try copy.change(tenants, ports: ports)
        #expect(before.ports.count == count)
        let after = try copy.change([tenants[7]], ports: ["t7": [.mysql: 20000]])
        #expect(after.ports.element(11107) == nil && after.ports.element(20000) != nil)
        var touched: Set<UInt16> = []
        after.ports.forEachChange(since: before.ports) { old, new in
            for plan in [old, new] { if let plan { touched.insert(plan.port) } }
        }
        #expect(touched.isSuperset(of: [11107, 20000]))
        #expect(touched.count < 600, "chunks that did not change are not looked at")
        let gone = try copy.change([], removed: ["t7", "t8"], ports: [:])
        #expect(gone.ports.count == count - 2 && gone.ports.element(11108) == nil)
    }
}
