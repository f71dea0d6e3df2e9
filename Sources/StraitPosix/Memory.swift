// What the allocator keeps for later, where much was freed at once and nothing follows.

internal import CStrait

/// The memory of the process.
package enum Memory {
    /// Gives freed pages back to the kernel; jemalloc does so by itself only while it is used.
    ///
    /// Nothing happens in a program without jemalloc. Costs a system call for each run of pages.
    ///
    /// - Returns: Whether the allocator did it.
    @discardableResult
    package static func giveBack() -> Bool { cstrait_give_back_memory() == 0 }
}
