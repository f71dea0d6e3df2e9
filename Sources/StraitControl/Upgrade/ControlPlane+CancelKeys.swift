// What Postgres cancel keys stand for that another process of this router gave out: after an
// upgrade the keys of the connections that it still has come here, and it is asked.

internal import StraitCore
internal import StraitEngine
internal import StraitPosix
internal import StraitRouting
internal import StraitSnapshot
internal import StraitState

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
        for process in self.handOver.draining where target == nil {
            guard let answer = await Self.answer(of: process, question.key) else { continue }
            target = self.target(of: answer)
        }
        self.fleet.answer(question, target)
    }

    /// The plans of this process that another one's answer names; nil where it has none such.
    private func target(of answer: CancelKeyAnswer) -> CancelTarget? {
        let service = self.live?.snapshot.services.elements.first {
            $0.tenant.name == answer.tenant && $0.name == answer.service
        }
        let upstream = service?.upstreams.first { $0.address.description == answer.upstream }
        guard let service, let upstream else { return nil }
        return CancelTarget(
            service: service, upstream: upstream, key: answer.key,
            source: SourcePrefix(answer.source.flatMap { IPAddress($0) }))
    }

    /// Waits on a thread of its own, because the other process may hang.
    private nonisolated static func answer(
        of process: DrainingProcess, _ key: CancelKey
    ) async -> CancelKeyAnswer? {
        await Self.onThread { Self.fetch(from: process, key) }
    }

    private nonisolated static func fetch(
        from process: DrainingProcess, _ key: CancelKey
    ) -> CancelKeyAnswer? {
        do {
            let question = CancelKeyQuestion(process: key.processID, key: key.bytes)
            let (status, body) = try AdminRequest(
                "POST", "/v1/cancel-key", body: try AnswerJSON.encode(question)
            ).send(
                to: process.admin, milliseconds: Self.otherAnswerMilliseconds,
                bytesMax: Limits.processAnswerBytesMax)
            return status == 200 ? try AnswerJSON.decode(CancelKeyAnswer.self, from: body) : nil
        } catch {
            return nil  // it has ended, or hangs: its keys lead nowhere
        }
    }
}
