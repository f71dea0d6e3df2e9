// What those who watch the registry wait for: the next commits, the word that all workers obey, and
// the end of this process. Nothing is queued for them: each reads the store's own log of commits at
// its own pace.

internal import Logging
internal import StraitCore
internal import StraitPosix
internal import StraitStore

/// What a watcher waits for.
enum WatchNews: Sendable {
    /// Everything up to a revision is obeyed by every worker; how long the last change took.
    case live(UInt64, milliseconds: Double?)
    /// The next commits.
    case commits([StoreCommit])
    /// The commits up to a revision are not all kept: it goes on from there.
    case restarted(UInt64)
    /// Nothing has happened for a while.
    case quiet
    /// This process is on its way out, or the registry is away; why.
    case ended(String)
}

/// One watch of the registry, as far as it has been told.
package struct RegistryWatch: Sendable {
    private let control: ControlPlane
    private let store: any Store
    /// Only what is this tenant's; nil: everything.
    private let tenant: String?
    private let keepAlive: Duration
    /// When something was said last.
    private var spoken = monotonicNow()
    /// Everything up to there was told.
    private var told: UInt64
    /// The revisions of which events were told that were not told to be live: the first of them
    /// as far as that is known, and the last; nil: there are none.
    private var wanted: (first: UInt64, last: UInt64)?

    /// - Parameters:
    ///   - control: Whose registry is watched.
    ///   - tenant: Only what is this tenant's; nil: everything.
    ///   - revision: What is known already; nil: all that there is now.
    ///   - keepAlive: How long nothing may happen before that is told.
    /// - Throws: ``RegistryRefusal`` where there is no registry, it is away, or the process is on
    ///   its way out.
    package init(
        of control: ControlPlane, tenant: String?, after revision: UInt64?, keepAlive: Duration
    ) async throws(RegistryRefusal) {
        self.store = try await control.watchedStore()
        self.control = control
        self.tenant = tenant
        self.keepAlive = keepAlive
        do throws(StoreError) {
            let newest = try await self.store.revision()
            // A revision that is yet to come was another database's: as if commits were missing.
            let isKnown = revision.map { $0 <= newest } ?? true
            self.told = isKnown ? revision ?? newest : .max
        } catch {
            throw .store(error)
        }
    }

    /// What is said before anything happens.
    package var beginning: String {
        WatchText.retry + (self.told == .max ? "" : WatchText.quiet(at: self.told))
    }

    /// Waits for what is to be said next; cancellation ends the wait.
    ///
    /// - Returns: Some events; and whether they are the last.
    package mutating func next() async -> (text: String, isLast: Bool) {
        while true {
            let (text, isLast) = self.say(await self.news())
            let now = monotonicNow()
            let isSilent = now.nanoseconds(since: self.spoken) >= self.keepAlive.nanoseconds
            guard !text.isEmpty || isLast || isSilent || Task.isCancelled else { continue }
            self.spoken = now
            return (text.isEmpty ? WatchText.quiet(at: self.told) : text, isLast)
        }
    }

    private mutating func say(_ news: WatchNews) -> (String, isLast: Bool) {
        switch news {
        case .live(let revision, let milliseconds):
            guard let (_, last) = self.wanted else { return ("", false) }
            // What is live may be ahead of what was told, or of a part of it only.
            self.wanted = revision < last ? (revision + 1, last) : nil
            return (WatchText.live(min(revision, last), milliseconds: milliseconds), false)
        case .commits(let commits):
            self.told = commits.last?.revision ?? self.told
            let text = commits.map { commit in
                let events = WatchEvent.events(of: commit, tenant: self.tenant)
                if !events.isEmpty {
                    self.wanted = (self.wanted?.first ?? commit.revision, commit.revision)
                }
                return WatchText.commit(events)
            }
            return (text.joined(), false)
        case .restarted(let revision):
            self.told = revision
            self.wanted = nil
            return (WatchText.compacted(goingOnFrom: revision), false)
        case .quiet: return (WatchText.quiet(at: self.told), false)
        case .ended(let reason): return (WatchText.ended(reason), true)
        }
    }

    private func news() async -> WatchNews {
        guard self.told != .max else { return await Self.restarted(self.store) }
        let (control, store, told) = (self.control, self.store, self.told)
        let keepAlive = self.keepAlive
        let wanted = self.wanted?.first
        return await withTaskGroup(of: WatchNews.self) { group in
            group.addTask { await Self.commits(of: store, after: told) }
            group.addTask { await control.liveNews(from: wanted) }
            group.addTask {
                // Cancelled: something else has come first.
                try? await Task.sleep(for: keepAlive)
                return .quiet
            }
            let first = await group.next() ?? .quiet
            group.cancelAll()
            return first
        }
    }

    private static func restarted(_ store: any Store) async -> WatchNews {
        do throws(StoreError) {
            return .restarted(try await store.revision())
        } catch {
            return .ended("the registry: \(error.text)")
        }
    }

    private static func commits(of store: any Store, after revision: UInt64) async -> WatchNews {
        do throws(StoreError) {
            return .commits(
                try await store.commits(after: revision, limit: Limits.watchCommitsMax))
        } catch {
            guard case .compacted = error else { return .ended("the registry: \(error.text)") }
            return await Self.restarted(store)
        }
    }
}

extension ControlPlane {
    /// Why a watch ends, or does not begin.
    private static let leavingReason = "the router is on its way out"

    /// What a watcher reads.
    func watchedStore() throws(RegistryRefusal) -> any Store {
        let (registry, _) = try self.registryAndLive()
        guard self.stage == .serving else { throw .store(.unavailable(Self.leavingReason)) }
        return registry.store
    }

    /// Waits until `revision` is live, or this process is on its way out; nil: for the
    /// latter alone.
    func liveNews(from revision: UInt64?) async -> WatchNews {
        let (wakes, number) = self.registryFacts.watch()
        defer { self.registryFacts.endWatch(number) }
        var next = wakes.makeAsyncIterator()
        while !Task.isCancelled {
            guard self.stage == .serving else { return .ended(Self.leavingReason) }
            if let revision, self.registryFacts.revision >= revision {
                return .live(
                    self.registryFacts.revision, milliseconds: self.registryFacts.milliseconds)
            }
            _ = await next.next(isolation: self)
        }
        return .quiet
    }
}
