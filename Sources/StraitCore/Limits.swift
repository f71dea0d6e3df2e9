// Every bound of the router in one place, with what happens at the bound. Values that an operator
// may set have their default here and their key in configs/reference.yaml; the others are fixed.

/// The bounds that are fixed, and the defaults of those that are not.
package enum Limits {
    // MARK: Reading what comes

    /// A ClientHello message without its records' headers.
    ///
    /// Beyond: alert decode_error, `hello_too_large`.
    package static let clientHelloBytesMax = 64 * 1024
    /// A TLS record's body, RFC 8446 §5.1.
    ///
    /// Beyond: alert record_overflow, `hello_malformed`.
    package static let tlsRecordBytesMax = 16 * 1024
    /// All bytes kept while peeking: a hello in the smallest records that we accept.
    ///
    /// Beyond: as above.
    package static let peekBytesMax = clientHelloBytesMax * 2
    /// A PROXY v1 line with its CR LF, by its specification §2.1.
    ///
    /// Beyond: close.
    package static let proxyV1BytesMax = 107
    /// A PROXY v2 header with its TLVs.
    ///
    /// Beyond: close.
    package static let proxyV2BytesMax = 4096
    /// An SSH banner line with its CR LF, RFC 4253 §4.2.
    ///
    /// Beyond: close.
    package static let sshBannerBytesMax = 255
    /// A Postgres startup packet, as PostgreSQL's MAX_STARTUP_PACKET_LENGTH.
    ///
    /// Beyond: close.
    package static let postgresStartupBytesMax = 10_000
    /// A Postgres cancel key, protocol 3.2.
    ///
    /// Beyond: close.
    package static let postgresCancelKeyBytesMax = 256
    /// A MySQL server's greeting without its packet's header; those of today have some 100 bytes.
    ///
    /// Beyond: the address does not do, `prelude_malformed`.
    package static let mysqlGreetingBytesMax = 4096
    /// The payload of a MySQL packet that is read during authentication: a response with its
    /// attributes, a ticket of Kerberos.
    ///
    /// Beyond, and so a payload in several packets: an error, `prelude_malformed`.
    package static let mysqlAuthenticationBytesMax = 64 * 1024
    /// Packets of one side from the greeting to the end of authentication; real ones need less than
    /// 20.
    ///
    /// Beyond: `prelude_malformed`.
    package static let mysqlAuthenticationPacketsMax = 256
    /// The text of an error that we write, as MySQL's MYSQL_ERRMSG_SIZE.
    ///
    /// Beyond: cut.
    package static let mysqlErrorTextBytesMax = 512
    /// The head of a plain HTTP request that is answered by the router itself.
    ///
    /// Beyond: 400 all the same.
    package static let httpHeadBytesMax = 8 * 1024

    // MARK: Relaying

    /// The receive buffer, one per worker; what one direction holds at most when its receiver
    /// stalls.
    ///
    /// Then reading stops until it went.
    package static let receiveBufferBytes = 64 * 1024
    /// The size asked for a splice pipe.
    ///
    /// Fewer are taken when the kernel refuses.
    package static let pipeBytes = 1024 * 1024
    /// Idle pipes that a worker keeps for reuse.
    ///
    /// Beyond: closed.
    package static let pooledPipesMax = 64
    /// Pipes in use per worker.
    ///
    /// Fewer where descriptors are few, see ``DescriptorShares``. Beyond: the direction goes on
    /// copying.
    package static let pipesMax = 1024
    /// Bytes that a connection may move, both ways together, before its worker turns to the
    /// others; what one splice moves comes on top.
    package static let relayBytesPerTurn = 512 * 1024
    /// Bytes that bulk may move in a turn of the loop, over all connections; what one of them moves
    /// comes on top.
    ///
    /// Beyond: the next turn, after messages that came meanwhile; one tenant after the other. Less
    /// would mean shorter splices: at 256 KB each, 16 streams cost a quarter more.
    package static let bulkBytesPerTurn = 128 * 1024

    // MARK: Workers

    /// Workers at most; the index is 8 bits of a connection id.
    package static let workersMax = 128
    /// Connections in one process, however many descriptors it may have: containers often grant
    /// 2^30, and each worker reserves address space for all.
    ///
    /// Beyond: refused by RST.
    package static let connectionsMax = 4 * 1024 * 1024
    /// Listeners of a configuration: as many as an address has ports, for services without names
    /// each need one of their own.
    ///
    /// How many a process can open, its descriptors say; see ``DescriptorShares``.
    package static let listenersMax = 65_535
    /// Connections that one wake-up of a listener may accept before others have their turn: with
    /// what each begins they take some 0.2 ms.
    package static let acceptsPerTurn = 4
    /// Connections that a worker accepts at once from a listener that is about to go.
    ///
    /// Beyond: what waits gets RST.
    package static let lastAcceptsMax = 1024
    /// Handshakes in a second that a tenant's refusals over a limit may cost, over all workers,
    /// where only TLS carries an error that is understood (Postgres).
    ///
    /// Beyond: an alert, which costs no cryptography.
    package static let refusalHandshakesPerSecondMax = 10
    /// Events of established connections that are served as they come.
    ///
    /// Beyond: one tenant after the other.
    package static let relaysUnqueuedMax = 4
    /// What established connections with small messages have of a turn before others go on.
    ///
    /// Beyond: the next turn.
    package static let relayNanosecondsPerTurn: UInt64 = 2_000_000
    /// How long they are served before epoll is asked for newer messages.
    package static let relayNanosecondsPerLook: UInt64 = 200_000
    /// TLS handshake steps per turn of the loop.
    ///
    /// A step that signs takes 0.3 ms; two a turn cost the 99th percentile of others 0.2 ms more
    /// (workload `flood` in Benchmarks).
    package static let handshakeStepsPerTurn = 1
    /// What connections that are being made have of a turn, besides a handshake's step.
    ///
    /// Beyond: the next turn, after messages that came meanwhile; one tenant after the other.
    package static let setupNanosecondsPerTurn: UInt64 = 200_000
    /// Events taken from epoll at once.
    package static let eventsPerTurn = 256
    /// TLS contexts that a worker keeps; 11 to 13 KB each.
    ///
    /// Beyond: the least recently used is freed.
    package static let tlsContextsMax = 1024
    /// How long accepting pauses after the descriptors ran out.
    package static let acceptPauseNanoseconds: UInt64 = 100_000_000
    /// Descriptors kept back for what is neither a connection, a pipe, a worker nor a listener:
    /// ``adminConnectionsMax`` twice, ``webAPIConnectionsMax``, ``healthChecksMax``, and
    /// ``descriptorsOfControlPlane``.
    package static let descriptorsReserved = 336
    /// Descriptors of the control plane at most: standard streams, signals, the runtime's own, logs
    /// and their threads, the operators' socket and that of `/webapi` with their loops, and files
    /// while they are read.
    ///
    /// About 30 are in use when nothing happens.
    package static let descriptorsOfControlPlane = 52
    /// Messages waiting in a worker's mailbox.
    ///
    /// Beyond: a command of the control plane is not put, and the worker is told of as one that did
    /// not answer; a worker that takes nothing for so long is stuck. Only the command to stop is
    /// put always, and that once, and the one that takes a drain back, once for each drain that
    /// was put.
    package static let mailboxMessagesMax = 1024
    /// Of those, questions and answers of other workers about cancel requests: flooding them leaves
    /// room for the control plane.
    ///
    /// Beyond: for a question, the request is closed, `cancel_limit`; for an answer, it is as if
    /// the key were nobody's once the hello's deadline passes, `cancel_unknown`.
    package static let mailboxCancelsMax = 512
    /// Ended connections that a worker remembers for `strait explain --connection`.
    package static let recentConnectionsMax = 4096

    /// Postgres CancelRequests of one source (an IPv4 address, an IPv6 /64) that named no query of
    /// ours, per worker and second; those passed on unread to a listener's own service count too.
    ///
    /// Beyond: nothing is looked up for this source until the next second; closed, `cancel_limit`.
    package static let cancelMissesPerSourceMax = 20
    /// The same over all sources.
    ///
    /// Beyond: a key leads to its query only from the source that the query's connection came from.
    /// So genuine cancels go on, and the guesses of many sources find nothing.
    package static let cancelMissesPerSecondMax = 200
    /// Places for sources in a worker's count of misses; 2 bytes each.
    ///
    /// Never full: sources with equal hashes share a place and its budget.
    package static let cancelSourcesMax = 4096

    // MARK: Upstreams

    /// Addresses of a service, those that its names lead to included; a bit each while connecting.
    ///
    /// Beyond: the last are left out, with a warning.
    package static let upstreamAddressesMax = 64
    /// Checks of upstreams that are under way at once, over all services; a descriptor each.
    ///
    /// No tenant has more of them than are free for others. Beyond: they are late.
    package static let healthChecksMax = 48
    /// What an upstream may say to a check, in bytes: a greeting, or the head of an answer.
    ///
    /// Beyond: the rest is not read.
    package static let healthAnswerBytesMax = 4096
    /// Messages waiting for the thread that judges upstreams: failures that workers tell.
    ///
    /// Beyond: what a worker tells is lost, and told again with the next failures.
    package static let healthMessagesMax = 1024

    /// How long an answer of DNS is used at least, however short its lifetime.
    package static let nameLifetimeMin = Duration.seconds(1)
    /// The same for an answer that leads elsewhere than the one before: each such is a revision.
    package static let nameMovedLifetimeMin = Duration.seconds(5)
    /// How long an answer of DNS is used at most, however long its lifetime.
    package static let nameLifetimeMax = Duration.seconds(3600)
    /// When a name is asked for again that nothing was found for.
    package static let nameRetry = Duration.seconds(5)
    /// How long a change of the configuration waits for the first answers about its new names.
    ///
    /// Beyond: it goes live, and the addresses come when they come.
    package static let nameFirstAnswers = Duration.seconds(3)
    /// How long a name is looked up for a change that may come to nothing.
    package static let nameTrial = Duration.seconds(60)
    /// Names that are looked up at once, of as many tenants; a thread each.
    ///
    /// Beyond: they wait, and tenants take turns.
    package static let nameLookUpsAtOnce = 8
    /// Names that the upstreams of a tenant of a registry are looked up by.
    ///
    /// Beyond: a change is refused.
    package static let upstreamNamesPerTenantMax = 64

    // MARK: Operators

    /// The name of a row of a store.
    ///
    /// Beyond: refused.
    package static let storeKeyBytesMax = 512
    /// What a row of a store says.
    ///
    /// Beyond: refused.
    package static let storeValueBytesMax = 256 * 1024
    /// Writes of one commit to a store, and its conditions; etcd takes 128 of both together.
    ///
    /// Beyond: refused.
    package static let storeWritesMax = 60
    /// Rows of one page of a store.
    ///
    /// Beyond: refused.
    package static let storePageRowsMax = 1000
    /// Connections to the operators' socket that are open at once, and as many by their listener.
    ///
    /// Beyond: they wait in the kernel's queue until one ends.
    package static let adminConnectionsMax = 64
    /// From accept, or from the answer before, to the whole head of an operator's request; as long
    /// again to its whole body.
    ///
    /// Beyond: the connection is closed.
    package static let adminRequestTimeout = Duration.seconds(10)
    /// From an operator's whole request to the end of its answer, which may wait for every worker.
    ///
    /// Beyond: the connection is closed.
    package static let adminAnswerTimeout = Duration.seconds(60)
    /// From the commit of a change to the last worker's acknowledgement.
    ///
    /// Beyond: the change is answered all the same, and the answer says that it is not live.
    package static let liveTimeout = Duration.seconds(10)
    /// The answer to an operator, as the command line reads it.
    ///
    /// Beyond: it is no answer.
    package static let adminAnswerBytesMax = 256 * 1024 * 1024
    /// The answer of another process of the router to a question of this one.
    ///
    /// Beyond: it is no answer.
    package static let processAnswerBytesMax = 64 * 1024
    /// The body of an operator's request: a tenant's document is the largest.
    ///
    /// Beyond: 413, and the connection is closed.
    package static let adminBodyBytesMax = 256 * 1024
    /// The header fields of an operator's request.
    ///
    /// Beyond: 400, and the connection is closed.
    package static let adminHeadBytesMax = 16 * 1024

    // MARK: What tenants' own names answer (`/webapi`)

    /// Requests in a second from one IPv4 address or IPv6 /64, where an operator sets no other.
    ///
    /// Beyond, and a burst of ``webAPIBurstSeconds`` times that: 429.
    package static let webAPIRequestsPerSecond = 20
    /// How long a source may save requests up.
    package static let webAPIBurstSeconds = 5
    /// Sources whose requests are counted apart.
    ///
    /// Beyond: newcomers share one count until others have been silent for a burst.
    package static let webAPISourcesMax = 4096
    /// Connections from the workers that are open at once; a descriptor each, beside the two that
    /// any connection has.
    ///
    /// Beyond: the one that has been silent longest is closed.
    package static let webAPIConnectionsMax = 96
    /// Connections of one source among them.
    ///
    /// Beyond: the source's own that has been silent longest is closed.
    package static let webAPIConnectionsPerSourceMax = 24
    /// How long a connection may be silent before or between requests, and a request may take to
    /// come.
    ///
    /// Beyond: it is closed.
    package static let webAPIRequestTimeout = Duration.seconds(10)
    /// How long a connection may be open.
    ///
    /// Beyond: it is closed; who asks for more connects again, and finds what has changed.
    package static let webAPIConnectionLifetime = Duration.seconds(60)
    /// What one connection may send.
    ///
    /// Beyond: it is closed.
    package static let webAPIConnectionBytesMax = 1024 * 1024
    /// Requests of one HTTP/2 connection at once.
    ///
    /// Beyond: the stream is refused.
    package static let webAPIStreamsMax = 16
    /// The header fields of a request.
    ///
    /// Beyond: 400, or the HTTP/2 connection ends.
    package static let webAPIHeadBytesMax = 8 * 1024
    /// Rendered answers that are kept, of about 1 KB each.
    ///
    /// Beyond: the least recently used is forgotten, and rendered anew when it is asked for.
    package static let webAPIAnswersMax = 1024
    /// Blocks of a pin that a question may name.
    ///
    /// Beyond: 400.
    package static let webAPIPinBlocksMax = 64

    // MARK: Closing

    /// How long a refused downstream is read from after our FIN, so that it gets our last bytes.
    package static let lingerNanoseconds: UInt64 = 1_000_000_000
    /// How long what a broken side has sent before is passed on to the other, in all; and no longer
    /// than `lingerNanoseconds` without progress.
    ///
    /// Beyond: the rest is lost, and the other side is told so by RST.
    package static let deliveryNanoseconds: UInt64 = 10_000_000_000
    /// Bytes read and thrown away while lingering.
    ///
    /// Beyond: close at once.
    package static let lingerBytesMax = 256 * 1024

    // MARK: Defaults of what an operator may set

    /// From accept to the first byte.
    package static let firstByteTimeout = Duration.seconds(5)
    /// From accept to the whole hello.
    package static let helloTimeout = Duration.seconds(10)
    /// From the hello to the end of the handshake.
    package static let handshakeTimeout = Duration.seconds(10)
    /// For each address of an upstream.
    package static let connectTimeout = Duration.seconds(5)
    /// Without a byte in either direction, while relaying.
    package static let idleTimeout = Duration.seconds(3600)
    /// The same for a Kubernetes service that says nothing of its own, and where `timeouts.idle` is
    /// shorter.
    ///
    /// Longer than what Kubernetes itself allows: its API server ends a watch after an hour at most
    /// (`--min-request-timeout`), its kubelets an idle exec after four. The log of a quiet pod may
    /// be followed over a night; who is gone is found by keepalive.
    package static let kubernetesIdleTimeout = Duration.seconds(24 * 3600)
    /// With one side closed and no byte from the other.
    package static let halfClosedTimeout = Duration.seconds(300)
    /// From SIGTERM to the end of what is open.
    package static let drainTimeout = Duration.seconds(30)
    /// From the hand-over to a newer process to the end of what is open in the older one: a psql or
    /// an ssh that lasts a working day is not cut by a release.
    package static let upgradeDrainTimeout = Duration.seconds(24 * 3600)
    /// How long a process that has handed over stays when nothing is open in it any more, so that
    /// it can be gone back to; where the newer process dies meanwhile, it accepts again.
    package static let upgradeReturnWindow = Duration.seconds(60)
    /// How long a newer process may take to be ready, where nobody says.
    package static let upgradeTimeout = Duration.seconds(30)
    /// The longest that may be said instead; with the steps after it, shorter than
    /// ``adminAnswerTimeout``.
    package static let upgradeTimeoutMax = Duration.seconds(40)
    /// How long a newer process may take from the word to accept until it does, and an older one
    /// until it accepts again.
    package static let upgradeStepTimeout = Duration.seconds(10)
    /// Addresses in one message of a newer process; there may be more messages.
    package static let droppedPerMessage = 500
    /// After a change of ticket keys that failed, how long until the next try.
    package static let ticketKeyRetry = Duration.seconds(60)
    /// How long a message to another process may wait to be taken; beyond, it counts as gone.
    package static let upgradeSendTimeout = Duration.seconds(5)
    /// How long a newer process may still live after the conversation with it has ended, before it
    /// counts as one that goes on alone.
    package static let upgradeEndTimeout = Duration.seconds(2)
    /// Messages of another process that wait to be heard; beyond, the conversation ends.
    package static let upgradeMessagesMax = 1024
    /// Characters of the reason that a newer process gives; beyond, they are cut off.
    package static let upgradeReasonMax = 1000
    /// Older processes of one router that drain at the same time; beyond, no upgrade begins.
    package static let drainingProcessesMax = 64
    /// Questions after cancel keys that wait for an older process at once; beyond, the key is
    /// taken for unknown.
    package static let cancelQuestionsMax = 64
    /// Addresses that are tried for one connection.
    package static let connectAttempts = 3
    /// From one check of an address to the next.
    package static let healthInterval = Duration.seconds(5)
    /// From the start of a check to its verdict.
    package static let healthTimeout = Duration.seconds(2)
    /// Checks in a row that must pass before an address comes back.
    package static let healthRise = 2
    /// Checks in a row that must fail before an address is down.
    package static let healthFall = 2
    /// Connects in a row that must fail, over all workers, before an address is ejected.
    package static let ejectionFailures = 3
    /// How long the first ejection lasts; each that follows twice as long.
    package static let ejection = Duration.seconds(5)
    /// No ejection lasts longer.
    package static let ejectionMax = Duration.seconds(60)
    /// How long the share of an address that comes back grows.
    package static let slowStart = Duration.seconds(30)
    /// TCP keepalive: idle time before the first probe.
    package static let keepaliveIdle = Duration.seconds(30)
    /// How long sent bytes may stay unacknowledged (TCP_USER_TIMEOUT).
    package static let userTimeout = Duration.seconds(60)
    /// Connections that have not been routed yet, per worker.
    ///
    /// Beyond: the oldest is closed, `evicted`.
    package static let unroutedConnectionsMax = 4096
    /// The queue of connections that the kernel has accepted for us.
    package static let listenBacklog = 4096
    /// How long a silent downstream is waited for on a listener with `server_first`.
    package static let serverFirstWait = Duration.milliseconds(300)
    /// How long a ticket is good at most, and a ticket key in use.
    package static let ticketLifetime = Duration.seconds(12 * 3600)

    // MARK: Relations

    /// Relations between the bounds that must hold; a sentence for each that does not.
    package static var violations: [String] {
        var found: [String] = []
        func require(_ holds: Bool, _ sentence: String) { if !holds { found.append(sentence) } }
        require(nameFirstAnswers < nameTrial, "a name that is tried is there for its answer")
        require(peekBytesMax >= clientHelloBytesMax, "a whole hello fits the peek buffer")
        require(peekBytesMax >= proxyV2BytesMax, "a PROXY header fits the peek buffer")
        require(peekBytesMax >= httpHeadBytesMax, "an HTTP head fits the peek buffer")
        require(receiveBufferBytes >= proxyV2BytesMax, "a PROXY header fits one receive")
        require(firstByteTimeout <= helloTimeout, "the first byte comes no later than the hello")
        require(serverFirstWait < firstByteTimeout, "a server that speaks first does so in time")
        require(pooledPipesMax <= pipesMax, "pooled pipes are among the pipes")
        require(
            mailboxCancelsMax < mailboxMessagesMax, "cancels leave room for the control plane")
        require(
            portsPerTenantMax <= portsKeptPerTenantMax, "a tenant may keep all ports that it has")
        require(portQuarantineMin <= portQuarantine, "the usual quarantine is a legal one")
        require(
            relayNanosecondsPerLook <= relayNanosecondsPerTurn,
            "established connections are looked for within what they have of a turn")
        require(
            metricsSlotsOfTenantMax <= metricsSlotsMax, "a tenant's slots are among all of them")
        require(
            adminConnectionsPerTenantMax <= adminConnectionsOfTenantsMax
                && adminConnectionsOfTenantsMax < adminConnectionsMax,
            "tenants' administrators leave room for operators")
        require(workersMax <= 256, "a worker's index fits 8 bits")
        require(
            upgradeTimeoutMax + upgradeStepTimeout < adminAnswerTimeout,
            "an upgrade is told before its question ends")
        require(liveTimeout < adminAnswerTimeout, "a change is told before its question ends")
        require(watchersMax + topReadingsMax < adminConnectionsMax, "others find room beside")
        require(
            Duration.seconds(topSecondsMax) + .seconds(10) < adminAnswerTimeout,
            "a reading of tenants is told before its question ends")
        require(
            cancelMissesPerSourceMax <= cancelMissesPerSecondMax,
            "one source alone does not reach the bound of all")
        require(
            idleTimeout <= kubernetesIdleTimeout, "Kubernetes may be silent for as long as others")
        require(lingerNanoseconds <= deliveryNanoseconds, "delivery may stall for once")
        require(
            2 * adminConnectionsMax + webAPIConnectionsMax + healthChecksMax
                + descriptorsOfControlPlane
                <= descriptorsReserved,
            "operators' connections, checks and the control plane fit the reserve")
        require(upstreamAddressesMax <= 64, "an address of a service is a bit of 64")
        require(healthTimeout < healthInterval, "a check ends before the next begins")
        require(connectionsMax <= 1 << 31, "a connection's index fits 31 bits of an event")
        return found
    }
}
