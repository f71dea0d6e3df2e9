// Connections by number: one mapping, no reference counting, no moves.
//
// `public` here and in `FairQueue` alone: the compiler inlines `@inlinable` members into other
// modules only when they are public (Swift 6.3.1). Generic code that is not inlined looks its
// element's size up at every access, which cost a twentieth of a relayed message.

internal import Glibc

/// What a slab holds: it can be blank, so that a slot is valid memory at any time.
public protocol SlabElement: ~Copyable {
    /// A blank element, which owns nothing.
    init()
}

/// Names one use of one slot.
///
/// A number that was kept too long names nothing.
public struct SlabToken: Hashable, Sendable {
    /// The slot.
    public var index: UInt32
    /// Which use of the slot: grows with each take and each release, so it is odd while in use.
    public var generation: UInt32

    /// Names use `generation` of slot `index`; whether it is current, the slab says.
    @inlinable public init(index: UInt32, generation: UInt32) {
        self.index = index
        self.generation = generation
    }
}

/// A fixed number of slots in one lazily populated mapping.
///
/// Slots are initialised on their first use and never deinitialised before the slab ends: a
/// released slot holds a blank element. So a ``SlabReference`` to any slot that was ever used is a
/// reference to valid memory.
@safe public struct Slab<Element: SlabElement & ~Copyable>: ~Copyable {
    /// Never nil; `capacity` elements, of which the first `touched` are initialised.
    @usableFromInline let storage: UnsafeMutablePointer<Element>
    private let mappedBytes: Int
    @usableFromInline var generations: [UInt32] = []
    @usableFromInline var free: [UInt32] = []

    /// How many slots there are.
    public let capacity: Int
    @usableFromInline var used = 0
    /// How many are in use.
    @inlinable public var count: Int { self.used }

    /// - Throws: ``PosixError`` when the address space is not to be had.
    package init(capacity: Int) throws(PosixError) {
        let bytes = MemoryLayout<Element>.stride * max(capacity, 1)
        let mapping = unsafe mmap(
            nil, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let mapping = unsafe mapping, unsafe mapping != MAP_FAILED else {
            throw PosixError("mmap")
        }
        unsafe self.storage = mapping.bindMemory(to: Element.self, capacity: capacity)
        self.mappedBytes = bytes
        self.capacity = capacity
    }

    /// Takes a free slot, the lowest that was released last; nil when all are in use.
    @inlinable public mutating func take() -> SlabToken? {
        if let index = self.free.popLast() {
            self.used += 1
            self.generations[Int(index)] &+= 1
            return SlabToken(index: index, generation: self.generations[Int(index)])
        }
        let index = self.generations.count
        guard index < self.capacity else { return nil }
        unsafe (self.storage + index).initialize(to: Element())
        self.generations.append(1)
        self.used += 1
        return SlabToken(index: UInt32(index), generation: 1)
    }

    /// Makes a slot blank and free; tokens of this use name nothing from now on.
    @inlinable public mutating func release(_ index: Int) {
        precondition(index >= 0 && index < self.generations.count, "a slot that was taken")
        precondition(Self.isInUse(self.generations[index]), "a slot is released once")
        unsafe self.storage[index] = Element()
        self.generations[index] &+= 1
        self.free.append(UInt32(index))
        self.used -= 1
    }

    /// The index that `token` names, or nil when that use has ended.
    @inlinable public func index(of token: SlabToken) -> Int? {
        let index = Int(token.index)
        guard index < self.generations.count, self.generations[index] == token.generation,
            Self.isInUse(token.generation)
        else { return nil }
        return index
    }

    /// The token of the present use of a slot; one that names nothing when the slot is free.
    @inlinable public func token(_ index: Int) -> SlabToken {
        SlabToken(index: UInt32(index), generation: self.generations[index])
    }

    /// A reference to a slot that was taken at some time.
    @inlinable public func reference(_ index: Int) -> SlabReference<Element> {
        precondition(index >= 0 && index < self.generations.count, "a slot that was taken")
        return unsafe SlabReference(pointer: self.storage + index)
    }

    /// How many slots were ever used; indices are below this.
    @inlinable public var touched: Int { self.generations.count }

    @inlinable static func isInUse(_ generation: UInt32) -> Bool { generation & 1 == 1 }

    deinit {
        unsafe self.storage.deinitialize(count: self.generations.count)
        unsafe munmap(self.storage, self.mappedBytes)
    }
}

/// A slot by address: copied freely, counted by nobody, valid as long as the slab lives.
///
/// Exclusive access is the worker's duty: everything happens on one thread, and no access is held
/// over a call that reaches the same slot again.
@safe public struct SlabReference<Element: SlabElement & ~Copyable> {
    /// Points to an initialised element of a slab that outlives this value.
    @usableFromInline let pointer: UnsafeMutablePointer<Element>

    @inlinable init(pointer: UnsafeMutablePointer<Element>) { unsafe self.pointer = pointer }

    /// The element.
    @inlinable public var value: Element {
        unsafeAddress { unsafe UnsafePointer(self.pointer) }
        nonmutating unsafeMutableAddress { unsafe self.pointer }
    }
}
