// A tenant that gets another name goes on: its numbers, counters, health and series stay.

internal import StraitRouting

/// A tenant gets another name.
package struct TenantRenaming: Hashable, Sendable {
    /// As it was called.
    package var old: String
    /// As it is called.
    package var new: String

    /// See the properties.
    package init(old: String, new: String) {
        self.old = old
        self.new = new
    }
}

extension TenantTables {
    /// Gives a tenant its new name; false where there is nothing to be done.
    mutating func rename(_ renaming: TenantRenaming) -> Bool {
        guard let routes = self.routes.renaming(renaming.old, to: renaming.new) else {
            return false
        }
        self.routes = routes
        return true
    }
}

extension MetricsSeries {
    /// The series of a tenant go on under its new name.
    ///
    /// Where that name has had series, those go on instead: no two have the same labels.
    mutating func rename(_ renaming: TenantRenaming) {
        guard self.replaceOwn(renaming.old, by: renaming.new) else { return }
        self.renameServices { labels in
            guard labels.tenant == renaming.old else { return nil }
            var labels = labels
            labels.tenant = renaming.new
            return labels
        }
        self.renameUpstreams { labels in
            guard labels.tenant == renaming.old else { return nil }
            var labels = labels
            labels.tenant = renaming.new
            return labels
        }
    }
}

extension Numbering {
    /// Things that are called something else from now on keep their numbers.
    ///
    /// - Parameter name: What a thing becomes; nil: it stays. One that is known already stays, too.
    /// - Complexity: O(things); a rename is rare.
    mutating func rename(_ name: (Thing) -> Thing?) {
        for number in self.things.indices {
            guard let new = name(self.things[number]), self.known(new) == nil else { continue }
            self.replace(number, by: new)
        }
    }
}
