// Where tenants' ports are listened on: two sockets for all of them, to which the kernel steers,
// where this process may have that; else one socket each, shared by all workers.

internal import StraitConfig
internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot

/// The sockets of tenants' ports, and which ports are open.
///
/// Steered, a port is opened when every worker knows whose it is, and closed before any forgets.
/// With a socket of its own it is opened before: who connects waits in its queue for a worker, and
/// each gets the socket with what it leads to. It is closed when no worker listens on it any more:
/// who came between is reset, as one is who comes to a closed port.
struct PortSockets: ~Copyable {
    /// Sockets of single ports; beyond, ports stay closed.
    ///
    /// At most a quarter of the process' descriptors: connections need the rest.
    static let plainMax = 8192
    /// Ports that are tried again with one change.
    private static let retriedMax = 64
    /// Names of what a newer process is passed begin so.
    static let passedPrefix = "(ports) "

    private let ranges: PortRanges
    private let steers: Bool
    private let address: IPAddress
    private let options: ListenerOptions
    private let socketsMax: Int
    private var isStarted = false
    /// Whether ports may be open that this process knows nothing of.
    private var isTakenOver = false
    private var steering: PortSteering?
    /// By port; where it is steered by place, those that wait for first bytes and those that do
    /// not.
    private var descriptors: [Int: Int32] = [:]
    /// What is open, or about to be.
    private var table = SlotTable<PortPlan>()
    /// What the workers are to listen on.
    private(set) var sockets: [ListenerSocket] = []
    /// Why nothing is steered; nil where it is.
    private(set) var whyPlain: String?
    /// Ports of the table that could not be opened, and why; tried again with each change.
    private(set) var closed: [UInt16: String] = [:]
    /// The same ports, in their order.
    private var closedPorts = PortSet()
    /// Those of them that were not known, or for another reason, before the last change.
    private var newlyClosed: [UInt16: String] = [:]
    /// The last of them that was tried again.
    private var lastRetried: UInt16 = 0

    /// Opens what is needed before any port is.
    ///
    /// - Parameters:
    ///   - settings: What tenants may get.
    ///   - ranges: The same, put together.
    ///   - options: Of every socket.
    ///   - passed: What the process before this one has passed; owned from now on.
    ///   - descriptors: How many the process may have.
    init(
        _ settings: Configuration.Ports, _ ranges: PortRanges, options: ListenerOptions,
        passed: [InheritedListener] = [], descriptors: Int
    ) {
        self.ranges = ranges
        self.steers = settings.steers
        self.address = settings.address
        self.options = options
        self.socketsMax = min(Self.plainMax, descriptors / 4)
        // A program steers what it was made for: another address wants another one.
        let isSame = passed.allSatisfy { $0.address == .ip(settings.address, port: 0) }
        if !isSame { for listener in passed { Sockets.close(listener.descriptor) } }
        self.isTakenOver = isSame && !passed.isEmpty
        let names = isSame ? passed.map { ($0.name ?? "", $0.descriptor) } : []
        self.start(Dictionary(names, uniquingKeysWith: { $1 }))
    }

    private mutating func start(_ passed: [String: Int32]) {
        self.isStarted = true
        self.whyPlain = nil
        var passed = passed
        do throws(SteeringFailure) {
            if self.steers {
                try self.steer(&passed)
            } else {
                self.whyPlain = "steering is off"
            }
        } catch {
            self.whyPlain = "\(error)"
            for descriptor in self.descriptors.values { Sockets.close(descriptor) }
            self.descriptors = [:]
        }
        for (name, descriptor) in passed {
            let port = UInt16(name.dropFirst(Self.passedPrefix.count))
            if self.whyPlain != nil, let port, self.descriptors.count < self.socketsMax {
                self.descriptors[Int(port)] = descriptor
            } else {
                Sockets.close(descriptor)
            }
        }
        self.list()
    }

    /// How many sockets of ports may be open.
    var reserved: Int { self.whyPlain == nil ? 8 : self.socketsMax }

    // MARK: The start

    private mutating func steer(
        _ passed: inout [String: Int32]
    ) throws(SteeringFailure) {
        let names = ["link", "sockets", "table"].map { Self.passedPrefix + $0 }
        let program = names.compactMap { passed[$0] }
        let places = [0, 1].map { Self.passedPrefix + "steered \($0)" }
        let listening = places.compactMap { passed[$0] }
        if program.count == names.count, listening.count == places.count {
            for name in names + places { passed[name] = nil }
            for (place, descriptor) in listening.enumerated() {
                self.descriptors[Self.steeredPlace + place] = descriptor
            }
            self.steering = try PortSteering(adopting: program)
            return
        }
        var anchors: [UInt16] = []
        do throws(PosixError) {
            for place in 0...1 {
                let (descriptor, port) = try self.anchor(below: anchors.last, place)
                self.descriptors[Self.steeredPlace + place] = descriptor
                anchors.append(port)
            }
        } catch {
            throw .failed(error)
        }
        var steering = try PortSteering(
            address: self.address,
            listeners: [0, 1].compactMap { self.descriptors[Self.steeredPlace + $0] })
        for port in anchors { steering.refuse(port) }
        self.steering = consume steering
    }

    /// Behind the ports.
    private static let steeredPlace = 1 << 16

    /// A listening socket on the highest port of the ranges that nobody has: leases begin at the
    /// lowest, and a second router finds it taken.
    private func anchor(
        below: UInt16?, _ place: Int
    ) throws(PosixError) -> (Int32, UInt16) {
        var failure = PosixError.badMessage("no port of the ranges is left to listen on")
        for port in self.ranges.allowed.ports.reversed() where port < below ?? .max {
            do throws(PosixError) {
                let descriptor = try self.listen(port, defersAccept: place == 0)
                return (descriptor, port)
            } catch {
                failure = error
                guard error.isAddressInUse else { break }
            }
        }
        throw failure
    }

    private func options(_ plan: PortPlan) -> ListenerOptions {
        var options = self.options
        options.defersAccept = plan.defersAccept
        return options
    }

    private func listen(_ port: UInt16, defersAccept: Bool) throws(PosixError) -> Int32 {
        var options = self.options
        options.defersAccept = defersAccept
        return try Sockets.listen(on: .ip(self.address, port: port), options: options)
    }

    private mutating func list() {
        self.sockets = self.descriptors.map {
            ListenerSocket(ofPorts: $0.key, descriptor: $0.value)
        }
        .sorted { $0.id < $1.id }
    }

    // MARK: Changes

    /// What is to be done once every worker obeys.
    struct Change {
        /// Ports that could not be opened since the last change, and why.
        fileprivate(set) var closed: [UInt16: String] = [:]
        fileprivate var opening: [PortPlan] = []
        fileprivate var letGo: [Int32] = []
    }

    /// Closes what `table` has no more, and lists in ``sockets`` what workers are to listen on.
    mutating func begin(_ table: SlotTable<PortPlan>) -> Change {
        var opening: [UInt16: PortPlan] = [:]
        var closing: Set<UInt16> = []
        table.forEachChange(since: self.table) { old, new in
            if let old { closing.insert(old.port) }
            if let new { opening[new.port] = new }
        }
        self.table = table
        if !self.isStarted { self.start([:]) }
        var change = Change()
        closing.subtract(opening.keys)
        guard self.steering == nil else {
            for port in closing { self.steering?.close(port) }
            change.opening = Array(opening.values)
            return change
        }
        if self.isTakenOver {
            for port in self.descriptors.keys where table.element(port) == nil {
                closing.insert(UInt16(port))
            }
            self.isTakenOver = false
        }
        for port in closing {
            self.note(port, nil)
            guard let descriptor = self.descriptors.removeValue(forKey: Int(port)) else { continue }
            change.letGo.append(descriptor)
        }
        for (port, plan) in opening.sorted(by: { $0.key < $1.key }) {
            guard let descriptor = self.descriptors[Int(port)] else {
                self.openPlain(plan)
                continue
            }
            Sockets.adoptListener(descriptor, options: self.options(plan))
        }
        if !opening.isEmpty || !closing.isEmpty { self.list() }
        self.retry()
        change.closed = self.newlyClosed
        self.newlyClosed = [:]
        return change
    }

    /// Notes why a port cannot be opened; nil: it is, or need not be.
    private mutating func note(_ port: UInt16, _ reason: String?) {
        guard self.closed[port] != reason else { return }
        self.closed[port] = reason
        self.newlyClosed[port] = reason
        if reason == nil { self.closedPorts.remove(port) } else { self.closedPorts.insert(port) }
    }

    /// The lowest ports that could not be opened, at most `count`, and why.
    func lowestClosed(_ count: Int) -> [ClosedPort] {
        var found: [ClosedPort] = []
        var next = self.closedPorts.first()
        while let port = next, found.count < count {
            found.append(ClosedPort(port: port, reason: self.closed[port] ?? ""))
            next = self.closedPorts.first(from: Int(port) + 1)
        }
        return found
    }

    /// Whether there are ports that could not be opened.
    var hasClosed: Bool { !self.closed.isEmpty }

    /// Tries again to open what could not be, at most ``retriedMax`` ports, the others the next
    /// time; true where ``sockets`` has more of them now.
    @discardableResult
    mutating func retry() -> Bool {
        guard self.steering == nil, self.hasClosed, self.descriptors.count < self.socketsMax else {
            return false
        }
        let before = self.descriptors.count
        for _ in 0..<min(Self.retriedMax, self.closed.count) {
            let next = self.closedPorts.first(from: Int(self.lastRetried) + 1)
            guard let port = next ?? self.closedPorts.first() else { break }
            self.lastRetried = port
            guard let plan = self.table.element(Int(port)) else { continue }
            self.openPlain(plan)
        }
        guard self.descriptors.count > before else { return false }
        self.list()
        return true
    }

    private mutating func openPlain(_ plan: PortPlan) {
        guard self.descriptors.count < self.socketsMax else {
            let reason =
                "\(self.socketsMax) ports are open, as many as this process may have sockets of "
                + "ports: raise LimitNOFILE (at most \(Self.plainMax)), or let it steer"
            self.note(plan.port, reason)
            return
        }
        do throws(PosixError) {
            self.descriptors[Int(plan.port)] = try self.listen(
                plan.port, defersAccept: plan.defersAccept)
            self.note(plan.port, nil)
        } catch {
            self.note(plan.port, "\(error)")
        }
    }

    /// Opens what every worker knows now, and closes what none listens on any more.
    mutating func finish(_ change: Change) {
        for plan in change.opening {
            self.steering?.open(plan.port, through: plan.defersAccept ? 0 : 1)
        }
        for descriptor in change.letGo { Sockets.close(descriptor) }
        if self.isTakenOver { self.restore() }
        self.isTakenOver = false
    }

    /// Makes all as it was last, because another process has had it meanwhile, or this one has
    /// closed it.
    mutating func restore() {
        guard self.steering != nil else { return }
        var sets = [PortSet(), PortSet()]
        self.table.visit { sets[$1.defersAccept ? 0 : 1].insert($1.port) }
        for (place, ports) in sets.enumerated() { self.steering?.openOnly(ports, through: place) }
    }

    /// Has every port refused from now on; nobody accepts.
    mutating func closeAll() {
        self.steering = nil
        for descriptor in self.descriptors.values { Sockets.close(descriptor) }
        self.descriptors = [:]
        self.sockets = []
        self.table = SlotTable()
        self.closed = [:]
        self.closedPorts = PortSet()
        self.newlyClosed = [:]
        self.isStarted = false
    }

    /// What a newer process takes.
    ///
    /// Mutating, as Swift 6.3.1 borrows a noncopyable part behind an optional only so.
    mutating func passed() -> [InheritedListener] {
        let anywhere = SocketAddress.ip(self.address, port: 0)
        var all = self.descriptors.map { place, descriptor in
            InheritedListener(
                name: Self.passedPrefix
                    + (place < Self.steeredPlace
                        ? "\(place)" : "steered \(place - Self.steeredPlace)"),
                address: anywhere, descriptor: descriptor)
        }
        let names = ["link", "sockets", "table"]
        for (name, descriptor) in zip(names, self.steering?.passed ?? []) {
            all.append(
                InheritedListener(
                    name: Self.passedPrefix + name, address: anywhere, descriptor: descriptor))
        }
        return all
    }

    /// Whether what a process was passed is of ports.
    static func isOfPorts(_ listener: InheritedListener) -> Bool {
        listener.name?.hasPrefix(self.passedPrefix) ?? false
    }
}
