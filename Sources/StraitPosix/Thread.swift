// Threads that are born with their work.

internal import CStrait
internal import Glibc

/// A running thread.
@safe package struct Thread: Sendable {
    private let identifier: pthread_t

    /// Starts a thread that runs `body` and ends.
    ///
    /// It gets no SIGPIPE: splice(2) and write(2) cannot be told to leave it out, and say EPIPE.
    ///
    /// - Parameters:
    ///   - name: At most 15 bytes, for `ps` and debuggers.
    ///   - body: What the thread does; the thread ends when it returns.
    /// - Returns: The thread, to be joined.
    /// - Throws: ``PosixError`` when the kernel has no thread for us.
    package static func spawn(
        name: String, _ body: @escaping @Sendable () -> Void
    ) throws(PosixError) -> Thread {
        let box = unsafe Unmanaged.passRetained(Body(name: name, run: body))
        var identifier = pthread_t()
        let status = unsafe pthread_create(
            &identifier, nil,
            { context in
                guard let context = unsafe context else { return nil }
                let body = unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue()
                unsafe body.name.withCString { unsafe cstrait_name_thread($0) }
                Self.blockBrokenPipeSignal()
                body.run()
                return nil
            }, box.toOpaque())
        guard status == 0 else {
            unsafe box.release()
            throw PosixError(call: "pthread_create", number: status)
        }
        return Thread(identifier: identifier)
    }

    /// Waits for its end.
    ///
    /// Call it once.
    package func join() { _ = pthread_join(self.identifier, nil) }

    /// Lets its last resources go when it ends; nobody joins it.
    package func detach() { _ = pthread_detach(self.identifier) }

    /// Binds the calling thread to one core.
    ///
    /// Failure is harmless and ignored.
    package static func pinCurrent(core: Int) { _ = cstrait_pin_thread(Int32(core)) }

    /// The cores that this process may use.
    package static func availableCores() -> [Int] {
        var cores: [Int32] = Array(repeating: 0, count: 1024)
        let count = unsafe cstrait_online_cores(&cores, Int32(cores.count))
        return count > 0 ? cores[..<Int(count)].map(Int.init) : [0]
    }

    private static func blockBrokenPipeSignal() {
        var signals = sigset_t()
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGPIPE)
        _ = unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void
        init(name: String, run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }
}
