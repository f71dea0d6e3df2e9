// `strait serve`: the router.

internal import ArgumentParser
internal import Foundation
internal import Logging
internal import ServiceLifecycle
internal import StraitAPI
internal import StraitConfig
internal import StraitControl
internal import StraitCore
internal import StraitPosix
internal import UnixSignals

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the router until SIGTERM.",
        discussion: """
            EXAMPLES
              strait serve --config strait.yaml
              strait serve --config strait.yaml --check    say what is wrong, end

            SIGNALS
              HUP   read the configuration again (it is also read when a file changes)
              USR1  open the access record file again, after rotation
              TERM  accept nothing new, finish what is open, end; once more: end at once
              INT   as TERM

            ENVIRONMENT
              NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS   as systemd sets them: readiness,
                                                         watchdog, sockets to listen on
            """)

    @Option(
        help: ArgumentHelp("The configuration file.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]))
    var config: String = "/etc/strait/strait.yaml"

    @Flag(help: "Validate the configuration and end.")
    var check = false

    func run() async throws {
        let predecessor = self.check ? nil : try Self.receivePredecessor()
        do {
            try await self.run(takingOverFrom: predecessor)
        } catch let failure as CommandFailure {
            if !failure.message.isEmpty { predecessor?.refuse(failure.message) }
            throw failure
        }
    }

    private static func receivePredecessor() throws(CommandFailure) -> Predecessor? {
        do throws(UpgradeRefusal) {
            return try Predecessor.receive()
        } catch {
            throw CommandFailure(.refused, error.description)
        }
    }

    private func run(takingOverFrom predecessor: Predecessor?) async throws {
        let judged = JudgedConfiguration(path: self.config)
        guard let configuration = judged.configuration, judged.errors == 0, !self.check else {
            if self.check {
                CheckCommand.printText(judged)
            } else {
                for problem in judged.problems { writeError(problem.text + "\n") }
            }
            guard self.check, judged.errors == 0 else {
                predecessor?.refuse(Self.sentence(judged.problems))
                throw CommandFailure(.refused)
            }
            return
        }
        let log = try Self.openLog(configuration.log)
        defer { log.stop() }
        let logger = Logger(label: "strait") { _ in
            LineLogHandler(
                label: "strait", level: configuration.log.level.ours,
                format: configuration.log.format.ours
            ) { log.write($0) }
        }
        logger.notice("\(BuildInformation.text)", metadata: ["config": "\(self.config)"])
        do {
            try await Self.serve(
                configuration, path: self.config, predecessor, logger: logger, log: log)
        } catch let failure as StartFailure {
            throw Self.commandFailure(failure)
        } catch let failure as AdminSocketFailure {
            throw CommandFailure(.refused, failure.description)
        } catch let refused as SocketActivationRefused {
            throw CommandFailure(.refused, refused.description)
        }
    }

    private static func openLog(
        _ settings: Configuration.LogSettings
    ) throws(CommandFailure) -> LineWriter {
        do throws(PosixError) {
            return try LineWriter(.standardError, name: "log")
        } catch {
            throw CommandFailure(.refused, "the log's thread cannot be started: \(error)")
        }
    }

    /// The first error, and how many there are.
    private static func sentence(_ problems: [ConfigurationProblem]) -> String {
        let errors = problems.filter { $0.severity == .error }
        guard let first = errors.first else { return "nothing was started" }
        let rest = errors.count == 1 ? "" : " (and \(errors.count - 1) more)"
        return "nothing was started: \(first.text)\(rest)"
    }

    private static func commandFailure(_ failure: StartFailure) -> CommandFailure {
        switch failure {
        case .refused(let refused):
            for problem in refused.problems { writeError(problem.text + "\n") }
            return CommandFailure(.refused, Self.sentence(refused.problems))
        case .registry(let reason):
            return CommandFailure(.refused, "the registry cannot be used: \(reason)")
        case .engine(let reason): return CommandFailure(.refused, reason)
        case .notTakenOver:
            return CommandFailure(
                .refused, "the process that offered its listeners has ended; so does this one")
        }
    }

    /// Starts everything, runs until the end, in the order in which it must end: router first, API
    /// last.
    private static func serve(
        _ configuration: Configuration, path: String, _ predecessor: Predecessor?, logger: Logger,
        log: LineWriter
    ) async throws {
        let environment = ProcessInfo.processInfo.environment
        let inherited = try SocketActivation.take(
            environment: environment, process: processIdentifier(),
            addresses: Set(configuration.listeners.map(\.address)))
        let adminPath = configuration.admin.unixPath
        if let old = predecessor?.adminPath, old != adminPath {
            throw CommandFailure(
                .refused, "admin.unix is \(adminPath) and was \(old); it changes by a restart only")
        }
        let socket = try AdminSocket(path: adminPath, takesOver: predecessor != nil)
        defer { socket.remove() }
        let webAPISocket = try EngineSocket(.webAPI, beside: socket)
        defer { webAPISocket.remove() }
        let operatorsSocket = try EngineSocket(.operators, beside: socket)
        defer { operatorsSocket.remove() }
        let control = try ControlPlane(
            path: path, configuration: configuration, logger: logger,
            setup: UpgradeSetup(
                admin: socket, passed: inherited, webAPI: webAPISocket.address,
                operators: OperatorsAccess(address: operatorsSocket.address)),
            takingOverFrom: predecessor,
            serviceManager: ServiceManager(
                environment: environment, process: processIdentifier()
            ) { logger.warning("\($0)") }, logLinesDropped: { log.droppedLines })
        // Trapped before anything listens: a signal that comes early is not lost and kills nothing.
        let signals = await UnixSignalsSequence(trapping: .sighup, .sigusr1, .sigterm, .sigint)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await control.deliverReports() }
            try await control.start(configuration)
            let webAPI = WebAPI(
                directory: control.webAPI, socket: webAPISocket, logger: logger)
            let operators = Self.operators(control, socket, webAPI, logger)
            var groupLogger = logger
            groupLogger.logLevel = max(logger.logLevel, .warning)
            let group = ServiceGroup(
                configuration: ServiceGroupConfiguration(
                    services: [
                        .init(service: operators),
                        .init(
                            service: RemoteAdminAPI(
                                operators, socket: operatorsSocket, logger: logger)),
                        .init(service: webAPI),
                        .init(
                            service: control,
                            successTerminationBehavior: .gracefullyShutdownGroup),
                    ], logger: groupLogger))
            tasks.addTask {
                await Self.obey(signals, control: control, group: group, logger: logger, log: log)
            }
            tasks.addTask { await control.keepPresence() }
            try await group.run()
            await control.leavePresence()
            tasks.cancelAll()
        }
    }

    /// The router is ready when operators reach it, too: `strait reload` is the unit's.
    private static func operators(
        _ control: ControlPlane, _ socket: AdminSocket, _ webAPI: WebAPI, _ logger: Logger
    ) -> AdminAPI {
        AdminAPI(control: control, socket: socket, logger: logger) {
            Task {
                await webAPI.isListening()
                await control.announceServing()
                await control.announceReady()
            }
        }
    }

    private static func obey(
        _ signals: UnixSignalsSequence, control: ControlPlane, group: ServiceGroup,
        logger: Logger, log: LineWriter
    ) async {
        var endings = 0
        for await signal in signals {
            switch signal {
            case .sighup: control.reloadBySignal()
            case .sigusr1: control.reopenRecords()
            default:
                endings += 1
                logger.notice("received \(signal)")
                switch endings {
                case 1:
                    await control.announceEnd()
                    await group.triggerGracefulShutdown()
                case 2: await control.hasten()
                default:
                    log.stop()
                    StraitCommand.exit(withError: ExitCode(CommandStatus.done.rawValue))
                }
            }
        }
    }
}

extension Configuration.LogSettings.Level {
    fileprivate var ours: Logger.Level {
        switch self {
        case .trace: .trace
        case .debug: .debug
        case .info: .info
        case .notice: .notice
        case .warning: .warning
        case .error: .error
        case .critical: .critical
        }
    }
}

extension Configuration.LogSettings.Format {
    fileprivate var ours: LineLogHandler.Format {
        switch self {
        case .text: .text
        case .json: .json
        }
    }
}
