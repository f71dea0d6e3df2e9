// A list that shares with its older versions what did not change: a change of one place among
// 100,000 copies one chunk.

/// Elements by number, with gaps; a value, cheap to copy and to change afterwards.
package struct SlotTable<Element: Sendable>: Sendable {
    /// Places in one chunk: what a change copies, beside one reference a chunk.
    @usableFromInline static var chunkCount: Int { 256 }

    @usableFromInline var chunks: [[Element?]] = []
    /// Numbers below ``end`` that nobody has; the last one is given next.
    private var free: [Int] = []
    /// How many there are.
    package private(set) var count = 0

    /// Nothing is in it.
    package init() {}

    /// `elements` by their places.
    package init(_ elements: [Element]) {
        for element in elements { _ = self.add(element) }
    }

    /// One more than the largest number that was ever given.
    package var end: Int { self.chunks.reduce(0) { $0 + $1.count } }

    /// The element of that number; nil where there is none.
    @inlinable package func element(_ number: Int) -> Element? {
        guard number >= 0 else { return nil }
        let chunk = number / Self.chunkCount
        guard chunk < self.chunks.count else { return nil }
        let place = number % Self.chunkCount
        return place < self.chunks[chunk].count ? self.chunks[chunk][place] : nil
    }

    /// The element of a number that was given, and not taken back.
    @inlinable package subscript(number: Int) -> Element {
        guard let element = self.element(number) else {
            preconditionFailure("element \(number) was not put in")
        }
        return element
    }

    /// Every element with its number, in the order of the numbers.
    package func forEach(_ body: (Int, Element) -> Void) {
        for (chunk, elements) in self.chunks.enumerated() {
            for (place, element) in elements.enumerated() {
                guard let element else { continue }
                body(chunk * Self.chunkCount + place, element)
            }
        }
    }

    /// Every element, in the order of the numbers.
    package var elements: [Element] { self.chunks.flatMap { $0.compactMap { $0 } } }

    /// Puts an element in and tells its number: one that was taken back, else the next.
    package mutating func add(_ element: Element) -> Int {
        self.count += 1
        if let number = self.free.popLast() {
            self.chunks[number / Self.chunkCount][number % Self.chunkCount] = element
            return number
        }
        if self.chunks.last.map({ $0.count == Self.chunkCount }) ?? true { self.chunks.append([]) }
        let chunk = self.chunks.count - 1
        self.chunks[chunk].append(element)
        return chunk * Self.chunkCount + self.chunks[chunk].count - 1
    }

    /// Puts another element in the place of one that is there.
    package mutating func replace(_ number: Int, with element: Element) {
        self.change(number) { $0 = element }
    }

    /// Changes an element that is there.
    package mutating func change(_ number: Int, _ body: (inout Element) -> Void) {
        let (chunk, place) = number.quotientAndRemainder(dividingBy: Self.chunkCount)
        guard var element = self.chunks[chunk][place].take() else {
            preconditionFailure("element \(number) was not put in")
        }
        body(&element)
        self.chunks[chunk][place] = element
    }

    /// Takes an element out; its number is given again.
    package mutating func remove(_ number: Int) {
        let (chunk, place) = number.quotientAndRemainder(dividingBy: Self.chunkCount)
        precondition(self.chunks[chunk][place] != nil, "element \(number) was not put in")
        self.chunks[chunk][place] = nil
        self.free.append(number)
        self.count -= 1
    }
}
