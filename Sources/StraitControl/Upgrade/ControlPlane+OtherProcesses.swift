// What other processes of this router are asked. Above all what Postgres cancel keys stand for
// that they gave out: after an upgrade the keys of the connections that they still have come here.

internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitSnapshot
internal import StraitState

/// The answer of `GET /v1/process`, for which nobody is waited for.
package struct ProcessAnswer: Codable, Sendable {
    /// The process.
    package var pid: Int32

    /// Of this one.
    package static var current: ProcessAnswer { ProcessAnswer(pid: processIdentifier()) }
}

/// The question of `POST /v1/cancel-key`.
package struct CancelKeyQuestion: Codable, Sendable {
    /// The upstream's, which the downstream was told.
    package var process: UInt32
    /// What the router gave out.
    package var key: [UInt8]
}

/// The answer: what the key stands for.
package struct CancelKeyAnswer: Codable, Sendable {
    /// The tenant's name.
    package var tenant: String
    /// The service's name.
    package var service: String
    /// Where the query runs.
    package var upstream: String
    /// The upstream's own key.
    package var key: [UInt8]
    /// Whom the query's connection is charged to; nil where its address is not known.
    package var source: String?
}

extension ControlPlane {
    /// How long another process may take to answer.
    private static let answerMilliseconds: Int32 = 500

    /// What a key stands for that this process gave out; nil where it did not.
    package func cancelTarget(of question: CancelKeyQuestion) async -> CancelKeyAnswer? {
        let key = CancelKey(processID: question.process, bytes: question.key)
        let reports = await self.fleet.ask(timeout: Self.answerTimeout) {
            .findCancelTarget(token: $0, key)
        }
        for case .cancelTarget(_, .some(let found)) in reports {
            return CancelKeyAnswer(
                tenant: found.tenant, service: found.service,
                upstream: found.upstream.description, key: found.key,
                source: found.source.address?.description)
        }
        return nil
    }

    /// Asks the processes that drain for keys that nobody here knows, until cancelled.
    nonisolated func followCancelQuestions() async {
        await withDiscardingTaskGroup { group in
            for await question in self.fleet.cancelQuestions {
                group.addTask { await self.ask(question) }
            }
        }
    }

    private func ask(_ question: CancelQuestion) async {
        var target: CancelTarget?
        for process in self.draining where target == nil {
            guard let answer = await Self.answer(of: process, question.key) else { continue }
            target = self.target(of: answer)
        }
        self.fleet.answer(question, target)
        self.forgetEndedProcesses()
    }

    /// The plans of this process that another one's answer names; nil where it has none such.
    private func target(of answer: CancelKeyAnswer) -> CancelTarget? {
        let service = self.live?.snapshot.services.first {
            $0.tenant.name == answer.tenant && $0.name == answer.service
        }
        let upstream = service?.upstreams.first { $0.address.description == answer.upstream }
        guard let service, let upstream else { return nil }
        return CancelTarget(
            service: service, upstream: upstream, key: answer.key,
            source: CancelSource(answer.source.flatMap { IPAddress($0) }))
    }

    /// Waits on a thread of its own, because the other process may hang.
    private nonisolated static func answer(
        of process: DrainingProcess, _ key: CancelKey
    ) async -> CancelKeyAnswer? {
        await Self.onThread { Self.fetch(from: process, key) }
    }

    /// The process that answers operators at the common path; nil where it is this one, or nobody.
    func servingProcess() async -> Int32? {
        guard let path = self.setup.admin?.path else { return nil }
        let found = await Self.onThread { () -> Int32? in
            for _ in 0..<3 {
                do {
                    let (_, body) = try AdminRequest("GET", "/v1/process").send(
                        to: path, milliseconds: 2 * Self.answerMilliseconds)
                    return try AnswerJSON.decode(ProcessAnswer.self, from: body).pid
                } catch {
                    continue  // it compiles, or nobody is there
                }
            }
            return nil
        }
        return found == processIdentifier() ? nil : found
    }

    /// What `work` returns, from a thread of its own; nil where there is no thread.
    nonisolated static func onThread<Value: Sendable>(
        _ work: @escaping @Sendable () -> Value?
    ) async -> Value? {
        await withCheckedContinuation { continuation in
            do throws(PosixError) {
                try Thread.spawn(name: "ask") { continuation.resume(returning: work()) }.detach()
            } catch {
                continuation.resume(returning: nil)
            }
        }
    }

    private nonisolated static func fetch(
        from process: DrainingProcess, _ key: CancelKey
    ) -> CancelKeyAnswer? {
        do {
            let question = CancelKeyQuestion(process: key.processID, key: key.bytes)
            let (status, body) = try AdminRequest(
                "POST", "/v1/cancel-key", body: try AnswerJSON.encode(question)
            ).send(to: process.admin, milliseconds: Self.answerMilliseconds)
            return status == 200 ? try AnswerJSON.decode(CancelKeyAnswer.self, from: body) : nil
        } catch {
            return nil  // it has ended, or hangs: its keys lead nowhere
        }
    }
}
