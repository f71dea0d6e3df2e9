// A list that shares with its older versions what did not change: a change of one place among
// 100,000 copies one chunk of 32 elements, 64 references to chunks and 49 to groups of these.

/// Elements by number, with gaps; a value, cheap to copy and to change afterwards.
///
/// `public` for the same reason as `Slab`: it is inlined into what looks things up.
public struct SlotTable<Element: Sendable>: Sendable {
    /// Elements in one chunk.
    @usableFromInline static var chunkCount: Int { 32 }
    /// Elements in one group.
    @usableFromInline static var groupCount: Int { 64 * chunkCount }

    @usableFromInline struct Chunk: Sendable {
        @usableFromInline var elements: [Element?] = []
        /// Counts the changes of this chunk.
        @usableFromInline var generation: UInt64 = 0

        @usableFromInline init() {}
    }

    @usableFromInline struct Group: Sendable {
        @usableFromInline var chunks: [Chunk] = []
        /// Counts the changes of all chunks.
        @usableFromInline var generation: UInt64 = 0

        @usableFromInline init() {}
    }

    @usableFromInline var groups: [Group] = []
    /// The same for all versions of one table.
    @usableFromInline let lineage: UInt64
    /// Numbers that were given and taken back; the last one is given next.
    @usableFromInline var free: [Int] = []
    /// How many there are.
    @inlinable public var count: Int { self.filled }
    @usableFromInline var filled = 0

    /// Nothing is in it.
    @inlinable public init() { self.lineage = .random(in: .min ... .max) }

    /// The element of that number; nil where there is none.
    @inlinable public func element(_ number: Int) -> Element? {
        guard number >= 0, number / Self.groupCount < self.groups.count else { return nil }
        let (group, chunk, place) = Self.steps(to: number)
        guard chunk < self.groups[group].chunks.count,
            place < self.groups[group].chunks[chunk].elements.count
        else { return nil }
        return self.groups[group].chunks[chunk].elements[place]
    }

    @inlinable static func steps(to number: Int) -> (group: Int, chunk: Int, place: Int) {
        let (group, rest) = number.quotientAndRemainder(dividingBy: Self.groupCount)
        return (group, rest / Self.chunkCount, rest % Self.chunkCount)
    }

    /// The element of a number that was given, and not taken back.
    @inlinable public subscript(number: Int) -> Element {
        guard let element = self.element(number) else {
            preconditionFailure("element \(number) was not put in")
        }
        return element
    }

    /// Every element with its number, in the order of the numbers.
    @inlinable public func visit(_ body: (Int, Element) -> Void) {
        for (group, content) in self.groups.enumerated() {
            for (chunk, content) in content.chunks.enumerated() {
                for (place, element) in content.elements.enumerated() {
                    guard let element else { continue }
                    body(group * Self.groupCount + chunk * Self.chunkCount + place, element)
                }
            }
        }
    }

    /// Every element, in the order of the numbers.
    @inlinable public var elements: [Element] {
        var elements: [Element] = []
        elements.reserveCapacity(self.count)
        self.visit { elements.append($1) }
        return elements
    }

    /// What stands where an older version had something else, or nothing; and what may still be the
    /// same beside it.
    ///
    /// - Complexity: O(changed groups), beside one step a group.
    @inlinable public func forEachChange(
        since older: Self, _ body: (_ old: Element?, _ new: Element?) -> Void
    ) {
        let isRelated = self.lineage == older.lineage
        for group in 0..<max(self.groups.count, older.groups.count) {
            let old = group < older.groups.count ? older.groups[group] : Group()
            let new = group < self.groups.count ? self.groups[group] : Group()
            if isRelated, old.generation == new.generation { continue }
            for chunk in 0..<max(old.chunks.count, new.chunks.count) {
                let old = chunk < old.chunks.count ? old.chunks[chunk] : Chunk()
                let new = chunk < new.chunks.count ? new.chunks[chunk] : Chunk()
                if isRelated, old.generation == new.generation { continue }
                for place in 0..<max(old.elements.count, new.elements.count) {
                    body(
                        place < old.elements.count ? old.elements[place] : nil,
                        place < new.elements.count ? new.elements[place] : nil)
                }
            }
        }
    }

    // MARK: Changes

    /// Puts an element in and tells its number: one that was taken back, else the next.
    @inlinable public mutating func add(_ element: Element) -> Int {
        let number = self.free.popLast() ?? self.end
        self.set(number, to: element)
        return number
    }

    /// Takes an element out; its number is given again.
    @inlinable public mutating func remove(_ number: Int) {
        precondition(self.element(number) != nil, "element \(number) was not put in")
        self.set(number, to: nil)
        self.free.append(number)
    }

    /// Changes an element that is there.
    @inlinable public mutating func change(_ number: Int, _ body: (inout Element) -> Void) {
        let (group, chunk, place) = Self.steps(to: number)
        // Taken out meanwhile, so that it is not copied because two have it.
        guard var element = self.groups[group].chunks[chunk].elements[place].take() else {
            preconditionFailure("element \(number) was not put in")
        }
        body(&element)
        self.put(element, at: (group, chunk, place))
    }

    /// Puts an element at a number, or none.
    ///
    /// What another table has given: a table is either given all numbers, or gives them.
    @inlinable public mutating func set(_ number: Int, to element: Element?) {
        precondition(number >= 0, "numbers count from 0")
        let (group, chunk, place) = Self.steps(to: number)
        while self.groups.count <= group { self.groups.append(Group()) }
        while self.groups[group].chunks.count <= chunk {
            self.groups[group].chunks.append(Chunk())
        }
        while self.groups[group].chunks[chunk].elements.count <= place {
            self.groups[group].chunks[chunk].elements.append(nil)
        }
        let isThere = self.groups[group].chunks[chunk].elements[place] != nil
        self.filled += (element == nil ? 0 : 1) - (isThere ? 1 : 0)
        self.put(element, at: (group, chunk, place))
    }

    @inlinable mutating func put(
        _ element: Element?, at steps: (group: Int, chunk: Int, place: Int)
    ) {
        self.groups[steps.group].chunks[steps.chunk].elements[steps.place] = element
        self.groups[steps.group].chunks[steps.chunk].generation += 1
        self.groups[steps.group].generation += 1
    }

    /// One more than the largest number that was given.
    @inlinable var end: Int {
        guard let group = self.groups.last, let chunk = group.chunks.last else { return 0 }
        return (self.groups.count - 1) * Self.groupCount
            + (group.chunks.count - 1) * Self.chunkCount + chunk.elements.count
    }
}

extension SlotTable: ExpressibleByArrayLiteral {
    /// `elements` by their places.
    @inlinable public init(arrayLiteral elements: Element...) {
        self.init()
        for element in elements { _ = self.add(element) }
    }
}
