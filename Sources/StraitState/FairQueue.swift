// Who is next among those that wait, fair by the flow that they belong to (a tenant): one flow
// after the other has a turn, and within a flow the first come is the first served. So a flow that
// waits with thousands delays another's only one by as many steps as there are flows.
//
// `public` for the same reason as `Slab`: it is inlined into the loop.
//
// As bounded as what is put in: each waiting element is one node, and there are no more flows than
// elements.

/// Elements that wait, fair by flow.
public struct FairQueue<Flow: Hashable & Sendable, Element: Sendable>: Sendable {
    @usableFromInline struct Node: Sendable {
        @usableFromInline var element: Element
        /// The next one of the flow, or the next free node; -1: none.
        @usableFromInline var next: Int

        @inlinable init(element: Element, next: Int) {
            self.element = element
            self.next = next
        }
    }
    @usableFromInline struct Line: Sendable {
        @usableFromInline var first: Int
        @usableFromInline var last: Int

        @inlinable init(first: Int, last: Int) {
            self.first = first
            self.last = last
        }
    }

    @usableFromInline var nodes: [Node] = []
    @usableFromInline var firstFree = -1
    @usableFromInline var lines: [Flow: Line] = [:]
    /// The flows that have somebody waiting, each once, from `firstTurn` on.
    @usableFromInline var turns: [Flow] = []
    @usableFromInline var firstTurn = 0
    @usableFromInline var waiting = 0

    /// How many wait.
    @inlinable public var count: Int { self.waiting }
    /// How many flows they belong to.
    @inlinable public var flowCount: Int { self.turns.count - self.firstTurn }
    /// Whether nobody waits.
    @inlinable public var isEmpty: Bool { self.waiting == 0 }

    /// Nobody waits.
    @inlinable public init() {}

    /// Puts an element behind the others of its flow; a new flow behind the other flows.
    @inlinable public mutating func append(_ element: Element, of flow: Flow) {
        let node = self.take(element)
        self.waiting += 1
        if var line = self.lines[flow] {
            self.nodes[line.last].next = node
            line.last = node
            self.lines[flow] = line
        } else {
            self.lines[flow] = Line(first: node, last: node)
            self.turns.append(flow)
        }
    }

    /// The first element of the flow whose turn it is.
    @inlinable public mutating func popFirst() -> Element? {
        guard let flow = self.nextTurn() else { return nil }
        return self.popFirst(of: flow)
    }

    /// The flow whose turn it is; it has its next one after all the others.
    ///
    /// Nil: nobody waits.
    @inlinable public mutating func nextTurn() -> Flow? {
        guard self.firstTurn < self.turns.count else { return nil }
        let flow = self.turns[self.firstTurn]
        self.firstTurn += 1
        self.forgetPastTurns()
        self.turns.append(flow)
        return flow
    }

    /// The first element of a flow, whoever's turn it is.
    @inlinable public mutating func popFirst(of flow: Flow) -> Element? {
        guard var line = self.lines[flow] else { return nil }
        let node = line.first
        line.first = self.nodes[node].next
        self.nodes[node].next = self.firstFree
        self.firstFree = node
        self.waiting -= 1
        if line.first >= 0 {
            self.lines[flow] = line
        } else {
            self.lines[flow] = nil
            self.forget(flow)
        }
        return self.nodes[node].element
    }

    /// Takes a flow that nobody waits in out of the turns: mostly the last one, which has just had
    /// its own.
    @inlinable mutating func forget(_ flow: Flow) {
        guard self.turns.last != flow else {
            self.turns.removeLast()
            if self.flowCount == 0 {
                self.turns.removeAll(keepingCapacity: true)
                self.firstTurn = 0
            }
            return
        }
        let place = self.turns[self.firstTurn...].firstIndex(of: flow)
        if let place { self.turns.remove(at: place) }
    }

    @inlinable mutating func forgetPastTurns() {
        guard self.firstTurn >= 64, self.firstTurn * 2 >= self.turns.count else { return }
        self.turns.removeFirst(self.firstTurn)
        self.firstTurn = 0
    }

    @inlinable mutating func take(_ element: Element) -> Int {
        let node = Node(element: element, next: -1)
        guard self.firstFree >= 0 else {
            self.nodes.append(node)
            return self.nodes.count - 1
        }
        let free = self.firstFree
        self.firstFree = self.nodes[free].next
        self.nodes[free] = node
        return free
    }
}
