// How the descriptors of the process are shared out. They must never run out as a whole: more than
// the connection that asks last would fail, since libdispatch ends the process when it cannot open
// a file of its own.

/// What connections and pipes may take of the descriptors, so that the reserve stays free.
package struct DescriptorShares: Hashable, Sendable {
    /// Connections of the process, two descriptors each; at most ``Limits/connectionsMax``.
    package let connections: Int
    /// Splice pipes of one worker, two descriptors each; may be 0: all is copied.
    package let pipesPerWorker: Int
    /// Whether there is room for a connection; ``connections`` is 1 also where there is none.
    package let isEnough: Bool

    /// Keeps ``Limits/descriptorsReserved``, two per worker (its epoll instance and its mailbox)
    /// and one per listener back, and gives pipes a sixteenth of the rest at most.
    ///
    /// Listeners come and go with the configuration, the workers' pipes are fixed when they start:
    /// listeners take from connections alone.
    ///
    /// - Parameters:
    ///   - descriptors: How many the process may have open.
    ///   - workers: How many share them, 1 or more.
    ///   - listeners: Listening sockets that are open.
    package init(descriptors: Int, workers: Int, listeners: Int = 0) {
        let free = max(descriptors - Limits.descriptorsReserved - 2 * workers, 0)
        self.pipesPerWorker = min(free / 16 / 2 / workers, Limits.pipesMax)
        let allowed = (free - listeners - 2 * workers * self.pipesPerWorker) / 2
        self.isEnough = allowed >= 1
        self.connections = min(max(allowed, 1), Limits.connectionsMax)
    }

    /// The fewest descriptors that leave room for a connection.
    ///
    /// - Parameters:
    ///   - workers: How many share them, 1 or more.
    ///   - listeners: Listening sockets that are open.
    /// - Returns: With this many, ``isEnough`` is true; with one less it is not.
    package static func descriptorsMin(workers: Int, listeners: Int) -> Int {
        var descriptors = Limits.descriptorsReserved + 2 * workers + listeners + 2
        // Pipes take a sixteenth at most, so that this ends after a fifteenth more.
        while !Self(descriptors: descriptors, workers: workers, listeners: listeners).isEnough {
            descriptors += 1
        }
        return descriptors
    }
}
