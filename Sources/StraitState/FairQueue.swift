// Who is next among those that wait, fair by the flow that they belong to (a tenant): one flow
// after the other has a turn, and within a flow the first come is the first served. So a flow that
// waits with thousands delays another's only one by as many steps as there are flows.
//
// As bounded as what is put in: each waiting element is one node, and there are no more flows than
// elements.

/// Elements that wait, fair by flow.
package struct FairQueue<Flow: Hashable & Sendable, Element: Sendable>: Sendable {
    private struct Node: Sendable {
        var element: Element
        /// The next one of the flow, or the next free node; -1: none.
        var next: Int
    }
    private struct Line: Sendable {
        var first: Int
        var last: Int
    }

    private var nodes: [Node] = []
    private var firstFree = -1
    private var lines: [Flow: Line] = [:]
    /// The flows that have somebody waiting, each once, from `firstTurn` on.
    private var turns: [Flow] = []
    private var firstTurn = 0

    /// How many wait.
    package private(set) var count = 0
    /// How many flows they belong to.
    package var flowCount: Int { self.turns.count - self.firstTurn }
    /// Whether nobody waits.
    package var isEmpty: Bool { self.count == 0 }

    /// Nobody waits.
    package init() {}

    /// Puts an element behind the others of its flow; a new flow behind the other flows.
    package mutating func append(_ element: Element, of flow: Flow) {
        let node = self.take(element)
        self.count += 1
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
    package mutating func popFirst() -> Element? {
        guard let flow = self.nextTurn() else { return nil }
        return self.popFirst(of: flow)
    }

    /// The flow whose turn it is; it has its next one after all the others.
    ///
    /// Nil: nobody waits.
    package mutating func nextTurn() -> Flow? {
        guard self.firstTurn < self.turns.count else { return nil }
        let flow = self.turns[self.firstTurn]
        self.firstTurn += 1
        self.forgetPastTurns()
        self.turns.append(flow)
        return flow
    }

    /// The first element of a flow, whoever's turn it is.
    package mutating func popFirst(of flow: Flow) -> Element? {
        guard var line = self.lines[flow] else { return nil }
        let node = line.first
        line.first = self.nodes[node].next
        self.nodes[node].next = self.firstFree
        self.firstFree = node
        self.count -= 1
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
    private mutating func forget(_ flow: Flow) {
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

    private mutating func forgetPastTurns() {
        guard self.firstTurn >= 64, self.firstTurn * 2 >= self.turns.count else { return }
        self.turns.removeFirst(self.firstTurn)
        self.firstTurn = 0
    }

    private mutating func take(_ element: Element) -> Int {
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
