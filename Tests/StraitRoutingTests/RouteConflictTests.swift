// Every way in which rules can contradict each other, and what is said about it.

import StraitCore
import StraitRouting
import Testing

@Suite("RouteTable, of rules that contradict each other") struct RouteConflictTests {
    private func conflicts(_ change: (inout RouteRules) throws -> Void) throws -> [RouteConflict] {
        var rules = try sampleRules()
        try change(&rules)
        do throws(RouteConflicts) {
            _ = try RouteTable(rules)
        } catch {
            return error.conflicts
        }
        return []
    }

    @Test("the sample has none")
    func none() throws {
        #expect(try self.conflicts { _ in } == [])
    }

    @Test("a host that two services claim is named with both")
    func hostRepeated() throws {
        let found = try self.conflicts {
            $0.services[Sample.otherWeb].hosts = [try host("shop.example.org")]
        }
        let conflict = try #require(found.first)
        #expect(found.count == 1)
        #expect(conflict.kind == .hostRepeated)
        #expect(conflict.first == .service(Sample.www))
        #expect(conflict.second == .service(Sample.otherWeb))
        for part in ["shop.example.org", "acme/www", "beta/www"] {
            #expect(conflict.sentence.contains(part))
        }
    }

    @Test("of very many, a thousand are told")
    func many() throws {
        let found = try self.conflicts { rules in
            var service = rules.services[Sample.otherWeb]
            for number in 0..<2000 {
                service.name = "s\(number)"
                service.hosts = [try host("shop.example.org")]
                rules.services.append(service)
            }
        }
        #expect(found.count == 1000)
    }

    @Test("a host that equals a tenant's own name, its alias or another service's name")
    func hostOfTenant() throws {
        for name in [
            "acme.example.com", "kube-teleport-proxy-alpn.acme.example.com",
            "orders.acme.example.com",
        ] {
            let found = try self.conflicts {
                $0.services[Sample.www].hosts.append(try host(name))
            }
            #expect(found.map(\.kind) == [.hostRepeated], "\(name)")
            #expect(found.first?.second == .service(Sample.www))
        }
        let found = try self.conflicts {
            $0.tenants[Sample.beta].domains.append(try host("acme.example.com"))
        }
        // One about the own name says it all: none about what lies beneath it.
        #expect(found.map(\.kind) == [.hostRepeated])
        #expect(found.allSatisfy { $0.first == .tenant(0) && $0.second == .tenant(1) })
    }

    @Test("a name that one service has twice is no contradiction")
    func sameTwice() throws {
        #expect(
            try self.conflicts {
                $0.services[Sample.orders].hosts = [try host("orders.acme.example.com")]
                $0.services[Sample.pages].wildcards.append(try host("pages.example.org"))
                $0.tenants[Sample.acme].domains.append(try host("acme.example.com"))
            } == [])
    }

    @Test("a wildcard that two services claim")
    func wildcardRepeated() throws {
        let found = try self.conflicts {
            $0.services[Sample.otherWeb].wildcards.append(try host("pages.example.org"))
        }
        #expect(found.map(\.kind) == [.wildcardRepeated])
        #expect(found.first?.first == .service(Sample.pages))
        #expect(found.first?.second == .service(Sample.otherWeb))
        #expect(found.first?.sentence.contains("*.pages.example.org") == true)
    }

    @Test("a host or wildcard beneath another tenant's own name, unless a nearer one is its own")
    func hostOfAnotherTenant() throws {
        let found = try self.conflicts {
            $0.services[Sample.otherWeb].hosts = [try host("a.b.acme.example.com")]
            $0.services[Sample.otherWeb].wildcards = [
                try host("acme.example.net"), try host("x.acme.example.net"),
            ]
        }
        #expect(found.map(\.kind) == Array(repeating: .hostOfAnotherTenant, count: 3))
        #expect(found.allSatisfy { $0.first == .tenant(0) && $0.second == .service(9) })
        #expect(
            try self.conflicts {
                $0.tenants[Sample.beta].domains.append(try host("beta.acme.example.com"))
                $0.services[Sample.otherWeb].hosts = [try host("x.y.beta.acme.example.com")]
            } == [])
    }

    @Test("two default services of one protocol")
    func defaultRepeated() throws {
        let found = try self.conflicts { $0.services[Sample.reports].isDefault = true }
        #expect(found.map(\.kind) == [.defaultRepeated])
        #expect(found.first?.first == .service(Sample.orders))
        #expect(found.first?.second == .service(Sample.reports))
        #expect(
            try self.conflicts { $0.services[Sample.otherDatabase].isDefault = true } == [])
    }

    @Test("two of one name")
    func nameRepeated() throws {
        let services = try self.conflicts { $0.services[Sample.reports].name = "orders" }
        #expect(services.map(\.kind) == [.nameRepeated])
        let tenants = try self.conflicts { $0.tenants[Sample.beta].name = "acme" }
        #expect(tenants.map(\.kind) == [.nameRepeated])
        // Host names know no case: these are two names, but one name beneath each domain.
        let folded = try self.conflicts { $0.services[Sample.reports].name = "ORDERS" }
        #expect(folded.map(\.kind) == [.hostRepeated, .hostRepeated])
    }

    @Test(
        "a service name that is no DNS label",
        arguments: ["", "a.b", "-a", "a-", "a b", "ä", "*", String(repeating: "a", count: 64)])
    func serviceNameUnusable(name: String) throws {
        let found = try self.conflicts { $0.services[Sample.orders].name = name }
        #expect(found.map(\.kind) == [.serviceNameUnusable])
        #expect(found.first?.first == .service(Sample.orders))
    }

    @Test("a service name that is too long beneath a domain, which names the tenant")
    func serviceNameTooLong() throws {
        let label = String(repeating: "a", count: 60)
        let domain = [label, label, label, "example"].joined(separator: ".")
        let found = try self.conflicts {
            $0.tenants[Sample.beta].domains = [try host(domain)]
            $0.services[Sample.otherDatabase].name = String(repeating: "d", count: 63)
        }
        #expect(found.map(\.kind) == [.serviceNameUnusable])
        #expect(found.first?.second == .tenant(Sample.beta))
    }

    @Test("a tenant that does not exist", arguments: [-1, 2, Int.max, Int.min])
    func tenantUnknown(index: Int) throws {
        let found = try self.conflicts { $0.services[Sample.orders].tenant = index }
        #expect(found.map(\.kind) == [.tenantUnknown])
        #expect(found.first?.first == .service(-1 - Sample.orders))
    }

    @Test("a tenant that takes an own name above a host of another one")
    func ownNameAboveHost() throws {
        let table = try RouteTable(try sampleRules())
        let late = RouteRules(
            tenants: [RouteRules.Tenant(name: "late", domains: [try host("example.org")])],
            services: [])
        let error = try #require(throws: RouteConflicts.self) {
            _ = try table.changed(removing: [], putting: late)
        }
        // One for each service with such hosts, whatever their number.
        #expect(error.conflicts.map(\.kind) == Array(repeating: .hostOfAnotherTenant, count: 3))
        #expect(
            Set(error.conflicts.map(\.first))
                == [.service(Sample.www), .service(Sample.pages), .service(Sample.otherWeb)])
        #expect(error.conflicts.allSatisfy { $0.second == .tenant(2) })
        #expect(error.numbers.tenants == [2])
        #expect(try table.changed(removing: [0, 1], putting: late).numbers.tenants == [1])
    }

    @Test("all contradictions are told at once, each in a sentence with both sides")
    func all() throws {
        let found = try self.conflicts {
            $0.services[Sample.otherWeb].hosts = [try host("shop.example.org")]
            $0.services[Sample.otherWeb].wildcards.append(try host("pages.example.org"))
            $0.services[Sample.otherShell].hosts = [try host("ssh.acme.example.com")]
            $0.services[Sample.reports].isDefault = true
            $0.services[Sample.shop].name = "orders"
            $0.services[Sample.stream].name = "a.b"
            $0.services[Sample.otherDatabase].tenant = 7
        }
        #expect(Set(found.map(\.kind)) == Set(RouteConflict.Kind.allCases))
        #expect(found.count == RouteConflict.Kind.allCases.count)
        for conflict in found {
            #expect(conflict.sentence.contains(" ") && !conflict.sentence.hasSuffix("."))
            let isAlone = [.tenantUnknown, .serviceNameUnusable].contains(conflict.kind)
            #expect((conflict.second == nil) == isAlone)
        }
    }
}
