// A list that shares with its older versions what did not change: a change of one place among
// 100,000 copies one chunk.

/// Elements by number, with gaps; a value, cheap to copy and to change afterwards.
package struct SlotTable<Element: Sendable>: Sendable {
    /// Elements in one chunk: what a change copies, beside one reference a chunk.
    @usableFromInline static var chunkCount: Int { 256 }

    @usableFromInline struct Chunk: Sendable {
        @usableFromInline var elements: [Element?] = []
        /// Counts the changes of this chunk.
        var generation: UInt64 = 0
    }

    @usableFromInline var chunks: [Chunk] = []
    /// The same for all versions of one table.
    private let lineage: UInt64
    /// Numbers that were given and taken back; the last one is given next.
    private var free: [Int] = []
    /// How many there are.
    package private(set) var count = 0

    /// Nothing is in it.
    package init() { self.lineage = .random(in: .min ... .max) }

    /// The element of that number; nil where there is none.
    @inlinable package func element(_ number: Int) -> Element? {
        guard number >= 0 else { return nil }
        let chunk = number / Self.chunkCount
        guard chunk < self.chunks.count else { return nil }
        let place = number % Self.chunkCount
        return place < self.chunks[chunk].elements.count
            ? self.chunks[chunk].elements[place] : nil
    }

    /// The element of a number that was given, and not taken back.
    @inlinable package subscript(number: Int) -> Element {
        guard let element = self.element(number) else {
            preconditionFailure("element \(number) was not put in")
        }
        return element
    }

    /// Every element with its number, in the order of the numbers.
    package func visit(_ body: (Int, Element) -> Void) {
        for (chunk, content) in self.chunks.enumerated() {
            for (place, element) in content.elements.enumerated() {
                guard let element else { continue }
                body(chunk * Self.chunkCount + place, element)
            }
        }
    }

    /// Every element, in the order of the numbers.
    package var elements: [Element] { self.chunks.flatMap { $0.elements.compactMap { $0 } } }

    /// What stands where an older version had something else, or nothing; and what may still be the
    /// same beside it.
    ///
    /// - Complexity: O(changed chunks), beside one step a chunk.
    package func forEachChange(
        since older: Self, _ body: (_ old: Element?, _ new: Element?) -> Void
    ) {
        let isRelated = self.lineage == older.lineage
        for chunk in 0..<max(self.chunks.count, older.chunks.count) {
            let old = chunk < older.chunks.count ? older.chunks[chunk] : Chunk()
            let new = chunk < self.chunks.count ? self.chunks[chunk] : Chunk()
            if isRelated, old.generation == new.generation { continue }
            for place in 0..<max(old.elements.count, new.elements.count) {
                body(
                    place < old.elements.count ? old.elements[place] : nil,
                    place < new.elements.count ? new.elements[place] : nil)
            }
        }
    }

    // MARK: Changes

    /// Puts an element in and tells its number: one that was taken back, else the next.
    package mutating func add(_ element: Element) -> Int {
        let number = self.free.popLast() ?? self.end
        self.set(number, to: element)
        return number
    }

    /// Takes an element out; its number is given again.
    package mutating func remove(_ number: Int) {
        precondition(self.element(number) != nil, "element \(number) was not put in")
        self.set(number, to: nil)
        self.free.append(number)
    }

    /// Changes an element that is there.
    package mutating func change(_ number: Int, _ body: (inout Element) -> Void) {
        let (chunk, place) = number.quotientAndRemainder(dividingBy: Self.chunkCount)
        // Taken out meanwhile, so that it is not copied because two have it.
        guard var element = self.chunks[chunk].elements[place].take() else {
            preconditionFailure("element \(number) was not put in")
        }
        body(&element)
        self.chunks[chunk].elements[place] = element
        self.chunks[chunk].generation += 1
    }

    /// Puts an element at a number, or none.
    ///
    /// What another table has given: a table is either given all numbers, or gives them.
    package mutating func set(_ number: Int, to element: Element?) {
        precondition(number >= 0, "numbers count from 0")
        let (chunk, place) = number.quotientAndRemainder(dividingBy: Self.chunkCount)
        while self.chunks.count <= chunk { self.chunks.append(Chunk()) }
        while self.chunks[chunk].elements.count <= place {
            self.chunks[chunk].elements.append(nil)
        }
        let isThere = self.chunks[chunk].elements[place] != nil
        self.count += (element == nil ? 0 : 1) - (isThere ? 1 : 0)
        self.chunks[chunk].elements[place] = element
        self.chunks[chunk].generation += 1
    }

    /// One more than the largest number that was given.
    private var end: Int {
        guard let last = self.chunks.last else { return 0 }
        return (self.chunks.count - 1) * Self.chunkCount + last.elements.count
    }
}

extension SlotTable: ExpressibleByArrayLiteral {
    /// `elements` by their places.
    package init(arrayLiteral elements: Element...) {
        self.init()
        for element in elements { _ = self.add(element) }
    }
}
