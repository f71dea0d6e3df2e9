// The fuzz target of changes: bytes choose rules that come and go, tenant by tenant, and a changed
// table must decide as the reference does about all rules that are left. No test library here.

import StraitCore
import StraitRouting

/// Makes up to four changes, and asks after each.
///
/// Each must be refused just where what would be left contradicts itself.
func fuzzRouteChanges(_ input: [UInt8], _ sights: inout RouteFuzzSights) {
    var choices = ByteChoices(input)
    var mirror = TableMirror()
    for _ in 0..<4 {
        var coming = choices.rules()
        if choices.byte() & 3 == 0 {
            // The same names once more, and something else about a service.
            coming = mirror.rules
            let index = choices.byte()
            if coming.services.indices.contains(index % 8) {
                coming.services[index % 8].serviceProtocol = ServiceProtocol.allCases[index % 6]
                coming.services[index % 8].isDefault = index & 32 != 0
            }
        }
        let leaving = choices.byte() & 7
        mirror.change(to: coming, leaving: leaving, &sights)
        for _ in 0..<12 where !choices.isAtEnd { mirror.ask(choices.query(mirror.rules), &sights) }
    }
    mirror.empty(&sights)
}

/// A table, the rules that it should stand for, and which of its numbers stand for which of them.
private struct TableMirror {
    var table = RouteTable(seed: 0)
    var rules = RouteRules(tenants: [], services: [])
    var tenants: [Int] = []
    var services: [Int] = []

    /// `leaving`: a bit for each tenant that goes, where it does not come anew.
    mutating func change(
        to coming: RouteRules, leaving: Int, _ sights: inout RouteFuzzSights
    ) {
        let names = Set(coming.tenants.map(\.name))
        let gone = self.rules.tenants.indices.filter {
            !names.contains(self.rules.tenants[$0].name) && leaving >> $0 & 1 == 1
        }
        var next = self
        next.keep { index in
            !gone.contains(index) && !names.contains(self.rules.tenants[index].name)
        }
        let kept = next.rules.tenants.count
        next.rules.tenants += coming.tenants
        next.rules.services += coming.services.map { service in
            var moved = service
            let isKnown = coming.tenants.indices.contains(service.tenant)
            moved.tenant = isKnown ? service.tenant + kept : -1
            return moved
        }
        let isContradictory = ReferenceMatcher(next.rules).isContradictory
        do throws(RouteConflicts) {
            let (table, numbers) = try self.table.changed(
                removing: gone.map { self.tenants[$0] }, putting: coming)
            sights.compiled += 1
            if isContradictory { sights.violations.append("contradictory: \(next.rules)") }
            next.table = table
            next.tenants += numbers.tenants
            next.services += numbers.services
            self = next
        } catch {
            sights.contradictory += 1
            if !isContradictory {
                sights.violations.append("not contradictory: \(error.conflicts.map(\.sentence))")
            }
        }
        self.checkNumbers(&sights)
    }

    /// Drops the tenants, by index, that `isKept` does not want.
    private mutating func keep(_ isKept: (Int) -> Bool) {
        let kept = self.rules.tenants.indices.filter(isKept)
        let moved = Dictionary(
            uniqueKeysWithValues: kept.enumerated().map { ($0.element, $0.offset) })
        let services = self.rules.services.indices.filter {
            moved[self.rules.services[$0].tenant] != nil
        }
        self.tenants = kept.map { self.tenants[$0] }
        self.services = services.map { self.services[$0] }
        self.rules.services = services.map { index in
            var service = self.rules.services[index]
            service.tenant = moved[service.tenant] ?? -1
            return service
        }
        self.rules.tenants = kept.map { self.rules.tenants[$0] }
    }

    private func checkNumbers(_ sights: inout RouteFuzzSights) {
        if Set(self.services).count != self.services.count
            || Set(self.tenants).count != self.tenants.count
        {
            sights.violations.append("one number for two: \(self.tenants), \(self.services)")
        }
        for (tenant, number) in zip(self.rules.tenants, self.tenants)
        where self.table.tenantNumber(named: tenant.name) != number {
            sights.violations.append("tenant \(tenant.name) lost its number")
        }
        for (service, number) in zip(self.rules.services, self.services) {
            let owner = self.tenants[service.tenant]
            guard self.table.serviceNumber(named: service.name, ofTenant: owner) != number else {
                continue
            }
            sights.violations.append("service \(service.name) lost its number")
        }
    }

    func ask(_ query: RouteQuery, _ sights: inout RouteFuzzSights) {
        let name = query.name.flatMap { HostName($0) }
        guard (name == nil) == (query.name == nil) else { return }
        let offered = query.ids.flatMap { [UInt8($0.count)] + $0 }
        let found = self.table.route(
            arrival: query.arrival, scope: self.numbered(query.scope), name: name,
            offered: offered.span)
        let expected = self.numbered(ReferenceMatcher(self.rules).decide(query))
        sights.decisions.insert(word(for: found))
        if found != expected {
            sights.violations.append("\(found), not \(expected): \(query) of \(self.rules)")
        }
    }

    /// Indices that the rules do not have stand for numbers that the table does not have.
    private func numbered(_ scope: ListenerScope) -> ListenerScope {
        ListenerScope(
            tenant: scope.tenant.map(self.tenant), service: scope.service.map(self.service),
            defaults: scope.defaults.mapValues(self.service))
    }

    private func numbered(_ decision: RouteDecision) -> RouteDecision {
        switch decision {
        case .service(let index, let kind): .service(self.service(index), kind)
        case .builtIn(let tenant): .builtIn(tenant: self.tenant(tenant))
        case .refuse(let refusal, let tenant): .refuse(refusal, tenant: tenant.map(self.tenant))
        }
    }

    private func tenant(_ index: Int) -> Int {
        self.tenants.indices.contains(index) ? self.tenants[index] : -1
    }

    private func service(_ index: Int) -> Int {
        self.services.indices.contains(index) ? self.services[index] : -1
    }

    /// Nothing is left of tenants that go.
    mutating func empty(_ sights: inout RouteFuzzSights) {
        do throws(RouteConflicts) {
            let nothing = RouteRules(tenants: [], services: [])
            self.table = try self.table.changed(removing: self.tenants, putting: nothing).table
        } catch {
            sights.violations.append("nothing contradicts: \(error.conflicts)")
        }
        if self.table.size != RouteTable.Size() {
            sights.violations.append("something is left: \(self.table.size)")
        }
    }
}
