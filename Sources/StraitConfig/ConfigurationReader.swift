// One YAML file -> a validated configuration, or every problem that keeps it from being one.

private import Foundation
internal import StraitCore

/// Reads a configuration.
package struct ConfigurationReader: Sendable {
    /// A larger file is not read.
    package static let fileBytesMax = 32 * 1024 * 1024

    /// Whether files that the configuration names must exist and be readable.
    private let checksFiles: Bool

    /// - Parameter checksFiles: Whether files that the configuration names must exist.
    package init(checksFiles: Bool = true) { self.checksFiles = checksFiles }

    /// What reading came to.
    package struct Reading: Sendable {
        /// Nil exactly when a problem is an error.
        package var configuration: Configuration?
        /// The same also where there are errors, with placeholders for what was reported.
        ///
        /// Only good for finding more problems; nil where the file is no YAML.
        package var draft: Configuration?
        /// All problems, in the file's order.
        package var problems: [ConfigurationProblem]
    }

    /// Reads the file at `path`; relative paths in it start at its folder.
    package func read(path: String) -> Reading {
        let context = self.context(file: path)
        guard let text = self.text(path: path, context: context) else {
            return Reading(problems: context.sortedProblems)
        }
        return self.read(text, context: context)
    }

    /// Reads `text` as if it stood in `file`, which is not opened.
    package func read(text: String, file: String) -> Reading {
        let context = self.context(file: file)
        guard text.utf8.count <= Self.fileBytesMax else {
            self.reportTooLarge(context)
            return Reading(problems: context.sortedProblems)
        }
        return self.read(text, context: context)
    }

    private func context(file: String) -> ReadingContext {
        let folder = URL(fileURLWithPath: file).standardized.deletingLastPathComponent().path
        return ReadingContext(file: file, folder: folder, checksFiles: self.checksFiles)
    }

    private func read(_ text: String, context: ReadingContext) -> Reading {
        var reader = YAMLReader(text, context: context)
        guard let root = reader.read() else { return Reading(problems: context.sortedProblems) }
        context.root = root
        let place = SourcePlace(line: root.line, column: root.column, path: "")
        let section = Section(root, keys: Keys.top, place: place, context: context)
        let configuration = section.configuration()
        configuration.checkTogether(section)
        return Reading(
            configuration: context.hasErrors ? nil : configuration, draft: configuration,
            problems: context.sortedProblems)
    }

    // MARK: The file

    private func text(path: String, context: ReadingContext) -> String? {
        var bytes = Data()
        do {
            if ReadingContext.isFolder(path) {
                self.reportUnreadable("a folder", remedy: "name the file in it", context)
                return nil
            }
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            // A pipe gives less than asked for at a time.
            while bytes.count <= Self.fileBytesMax,
                let more = try handle.read(upToCount: Self.fileBytesMax + 1 - bytes.count),
                !more.isEmpty
            {
                bytes.append(more)
            }
            try handle.close()
        } catch CocoaError.fileReadNoSuchFile, CocoaError.fileNoSuchFile {
            self.reportUnreadable(
                "no such file",
                remedy: "check the path, or write one: `strait config init` prints a beginning",
                context)
            return nil
        } catch CocoaError.fileReadNoPermission {
            self.reportUnreadable(
                "a file that may not be read", remedy: "run as a user who may read it", context)
            return nil
        } catch {
            self.reportUnreadable(
                error.localizedDescription, remedy: "check that it is a file that can be read",
                context)
            return nil
        }
        guard bytes.count <= Self.fileBytesMax else {
            self.reportTooLarge(context)
            return nil
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            self.reportNotUTF8(bytes, context)
            return nil
        }
        return text
    }

    private func reportUnreadable(_ found: String, remedy: String, _ context: ReadingContext) {
        context.report(
            .fileUnreadable, at: .wholeFile, found: found, expected: "a YAML file", remedy: remedy)
    }

    private func reportTooLarge(_ context: ReadingContext) {
        context.report(
            .fileTooLarge, at: .wholeFile, found: "more than \(Self.fileBytesMax) bytes",
            expected: "at most 32 MiB", remedy: "check that it is the right file")
    }

    private func reportNotUTF8(_ bytes: Data, _ context: ReadingContext) {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let index = lines.firstIndex { String(validating: $0, as: UTF8.self) == nil } ?? 0
        context.report(
            .notUTF8, at: SourcePlace(line: index + 1, column: 1, path: ""),
            found: "bytes in this line that are not UTF-8", expected: "UTF-8",
            remedy: "save the file as UTF-8")
    }
}

extension SourcePlace {
    /// No line in particular.
    static let wholeFile = SourcePlace(line: 0, column: 0, path: "")
}

extension Section {
    /// The whole configuration; placeholders stand for what was reported.
    fileprivate func configuration() -> Configuration {
        let defaults = self.section("defaults")
        var references: [ServiceProtocol: Configuration.ServiceReference] = [:]
        references[.ssh] = defaults.serviceReference("ssh")
        references[.mysql] = defaults.serviceReference("mysql")
        let limits = self.section("limits")
        return Configuration(
            file: self.context.file,
            region: self.name("region"),
            router: self.name("router"),
            workers: self.integer("workers"),
            admin: self.section("admin").admin(hasRegistry: self.mentions("registry")),
            registry: self.mentions("registry") ? self.section("registry").registry() : nil,
            ports: self.ports(),
            listeners: self.sections("listeners").map { $0.listener() },
            tenants: self.sections("tenants").map { $0.tenant() },
            defaults: references,
            timeouts: self.section("timeouts").timeouts(),
            limits: .init(
                connections: limits.integer("connections"),
                unroutedConnections: limits.integer("unrouted_connections")
                    ?? Limits.unroutedConnectionsMax),
            tcp: self.section("tcp").tcp(),
            sourceAddresses: self.addresses("source_addresses"),
            access: self.section("access").access(),
            metrics: .init(tenants: self.section("metrics").integer("tenants") ?? 0),
            webAPI: self.section("webapi").webAPI(),
            tls: .init(
                ticketLifetime: self.section("tls").duration("ticket_lifetime")
                    ?? Limits.ticketLifetime),
            log: self.section("log").log())
    }

    private func registry() -> Configuration.Registry? {
        guard self.mentions("path") else {
            self.report(
                .missingKey, "path", found: "no \"path\"", expected: KeyType.newFile.expectation,
                remedy: "add path: registry.db")
            return nil
        }
        guard let text = self.text("path") else { return nil }
        let path = self.resolved(text)
        let place = self.place(of: "path")
        self.context.checkFolder(ofFile: path, at: place)
        let snapshot = self.text("snapshot").map { self.resolved($0) } ?? path + ".snapshot"
        self.context.checkFolder(ofFile: snapshot, at: self.place(of: "snapshot"))
        return .init(
            path: path, snapshotPath: snapshot, place: place,
            key: self.keySource(file: "key_file", variable: "key_env"),
            oldKey: self.keySource(file: "old_key_file", variable: "old_key_env"))
    }

    /// A file or a variable; both are reported.
    private func keySource(file: String, variable: String) -> Configuration.Registry.KeySource? {
        guard self.mentions(file), self.mentions(variable) else {
            if self.mentions(file) { return self.file(file).map { .file($0) } }
            return self.mentions(variable) ? self.variable(variable).map { .variable($0) } : nil
        }
        self.report(
            .keysExclude, variable, found: "\(variable) beside \(file)",
            expected: "one place that the key comes from", remedy: "take one of the two out")
        return nil
    }

    /// The name of an environment variable.
    private func variable(_ key: String) -> String? {
        guard let text = self.text(key) else { return nil }
        let isName =
            (1...255).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "_") || (0x30...0x39).contains(byte)
                    || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
            }
        guard isName else {
            // It may be the key itself, which nobody should read in a log.
            self.report(
                .malformedText, key, found: "what is no name of a variable",
                expected: KeyType.variable.expectation,
                remedy: "write the variable's name here, and the key into the environment")
            return nil
        }
        return text
    }

    private func timeouts() -> Configuration.TimeoutSettings {
        .init(
            firstByte: self.duration("first_byte") ?? Limits.firstByteTimeout,
            hello: self.duration("hello") ?? Limits.helloTimeout,
            handshake: self.duration("handshake") ?? Limits.handshakeTimeout,
            connect: self.duration("connect") ?? Limits.connectTimeout,
            idle: self.duration("idle") ?? Limits.idleTimeout,
            halfClosed: self.duration("half_closed") ?? Limits.halfClosedTimeout,
            drain: self.duration("drain") ?? Limits.drainTimeout,
            upgrade: self.duration("upgrade") ?? Limits.upgradeDrainTimeout)
    }

    private func tcp() -> Configuration.TCPSettings {
        .init(
            keepaliveIdle: self.duration("keepalive_idle") ?? Limits.keepaliveIdle,
            userTimeout: self.duration("user_timeout") ?? Limits.userTimeout)
    }

    private func access() -> Configuration.AccessSettings {
        let place = self.place(of: "path")
        let destination: Configuration.AccessSettings.Destination
        switch self.text("path") {
        case "stdout"?, nil: destination = .standardOutput
        case "stderr"?: destination = .standardError
        case "off"?: destination = .off
        case let text?:
            let path = self.resolved(text)
            self.context.checkFolder(ofFile: path, at: place)
            destination = .file(path)
        }
        return .init(
            destination: destination, recent: self.integer("recent") ?? Limits.recentConnectionsMax,
            place: place)
    }

    private func log() -> Configuration.LogSettings {
        .init(
            level: self.choice("level", Configuration.LogSettings.Level.self) ?? .info,
            format: self.choice("format", Configuration.LogSettings.Format.self) ?? .text)
    }
}
