// A question to `/webapi` and its answer. No IO: the request, who asks and the time are given; what
// is live is read from the directory, which leads nowhere else.

package import HTTPTypes
package import StraitControl
internal import StraitCore
internal import Synchronization

/// An answer, ready to be sent.
package struct WebAPIResponse: Hashable, Sendable {
    /// Status and header fields.
    package var head: HTTPResponse
    /// Empty for HEAD, and where nothing changed.
    package var body: [UInt8]
    /// Whether the connection, or the HTTP/2 stream, ends with it.
    package var closes = false
}

/// Answers questions, all of one process.
package final class WebAPIResponder: Sendable {
    private let directory: WebAPIDirectory
    private let answers: Mutex<RenderedAnswers>
    private let budget: Mutex<RequestBudget>

    /// - Parameter directory: What is live.
    package init(_ directory: WebAPIDirectory) {
        self.directory = directory
        self.answers = Mutex(RenderedAnswers())
        self.budget = Mutex(RequestBudget())
    }

    /// Answers one request.
    ///
    /// - Parameters:
    ///   - request: Its head.
    ///   - source: Who asks.
    ///   - hasBody: Whether a body comes with it, or was begun.
    ///   - now: Nanoseconds of a clock that does not go back.
    /// - Returns: The answer, also to what is no question.
    package func answer(
        _ request: HTTPRequest, from source: WebAPISource, hasBody: Bool, now: UInt64
    ) -> WebAPIResponse {
        let perSecond = self.directory.requestsPerSecond
        let isAdmitted = self.budget.withLock {
            $0.admits(source.prefix, perSecond: perSecond, now: now)
        }
        guard isAdmitted else {
            return .problem(
                .tooManyRequests, "too many requests from your address; try again in a second",
                with: [.retryAfter: "1"])
        }
        guard !hasBody else {
            return .problem(.contentTooLarge, "a question here has no body", closes: true)
        }
        guard request.method == .get || request.method == .head else {
            return .problem(
                .methodNotAllowed, "only GET and HEAD are answered", with: [.allow: "GET, HEAD"])
        }
        let form = source.isHTTP2 ? nil : Self.absoluteForm(request.path ?? "")
        if let problem = self.judge(request, askedAt: form?.authority, source) { return problem }
        let target = form?.rest ?? request.path ?? ""
        let mark = target.firstIndex(of: "?") ?? target.endIndex
        guard let question = WebAPIQuestion(path: target[..<mark]) else {
            return .problem(.notFound, "there is nothing here; ask /webapi/ping")
        }
        var response = self.answer(question, query: target[mark...].dropFirst(), source)
        if response.head.status == .ok, let tag = response.head.headerFields[.eTag],
            request.headerFields[.ifNoneMatch]?.names(tag: tag) == true
        {
            response.head.status = .notModified
            response.head.headerFields[.contentType] = nil
            response.head.headerFields[.contentLength] = nil
            response.body = []
        }
        // RFC 9110 §9.3.2: the fields are those of GET, its Content-Length too.
        if request.method == .head { response.body = [] }
        return response
    }

    /// Why a request is not for this connection's tenant: by the matcher that routes connections.
    ///
    /// Another own name of the tenant is good, too: its certificate may carry both, and browsers
    /// then use one connection for both (RFC 9113 §9.1.1).
    ///
    /// A target in absolute-form says the host, whatever Host says (RFC 9112 §3.2.2).
    private func judge(
        _ request: HTTPRequest, askedAt authority: String?, _ source: WebAPISource
    ) -> WebAPIResponse? {
        // RFC 9112 §3.2: a second Host is to be refused; the first became the authority.
        guard let host = request.authority,
            !request.headerFields.contains(where: { $0.name.canonicalName == "host" })
        else {
            return .problem(.badRequest, "a request names one host", closes: true)
        }
        let name = HostName(String(Self.withoutPort(authority ?? host)))
        let isOwn =
            name.map {
                self.directory.isOwnName(
                    $0, ofTenant: source.tenant, incarnation: source.incarnation)
            } ?? false
        guard isOwn else {
            return .problem(
                .misdirectedRequest, "this connection is not for that host; make another one")
        }
        return nil
    }

    /// The parts of `https://authority/path?query`; nil where a target is of another form.
    private static func absoluteForm(_ target: String) -> (authority: String, rest: String)? {
        guard !target.hasPrefix("/"), let mark = target.firstRange(of: "://") else { return nil }
        let behind = target[mark.upperBound...]
        let end = behind.firstIndex { "/?#".contains($0) } ?? behind.endIndex
        return (String(behind[..<end]), String(behind[end...]))
    }

    private static func withoutPort(_ authority: String) -> Substring {
        guard let colon = authority.lastIndex(of: ":") else { return authority[...] }
        let port = authority[authority.index(after: colon)...]
        return port.utf8.allSatisfy { (0x30...0x39).contains($0) }
            ? authority[..<colon] : authority[...]
    }

    private func answer(
        _ question: WebAPIQuestion, query: Substring, _ source: WebAPISource
    ) -> WebAPIResponse {
        do {
            switch question {
            case .ping, .find: return try self.discovery(question, source)
            case .ips:
                return .found(
                    try Self.render(
                        AddressesAnswer(
                            region: self.directory.place.region,
                            addresses: self.directory.addresses)))
            case .whoami:
                guard let pin = WebAPIQuestion.pin(in: query) else {
                    return .problem(
                        .badRequest,
                        "pin is an address or a block like 10.0.0.0/8, or several "
                            + "with commas, at most \(Limits.webAPIPinBlocksMax)")
                }
                let (region, router) = self.directory.place
                let answer = WhoAmIAnswer(source, region: region, router: router, pin: pin)
                return .found(try Self.render(answer), isForOne: true)
            }
        } catch {
            return .problem(.internalServerError, "the answer could not be written")
        }
    }

    private func discovery(
        _ question: WebAPIQuestion, _ source: WebAPISource
    ) throws -> WebAPIResponse {
        // Before the facts: what is rendered from newer ones is rendered once more.
        let revision = self.directory.revision
        let dialled = source.dialledPort ?? 0
        let key = RenderedAnswers.Key(
            question: question, tenant: source.tenant, webPort: dialled)
        if let known = self.answers.withLock({ $0.answer(key, revision: revision) }) {
            return .found(known)
        }
        guard let facts = self.directory.facts(ofTenant: source.tenant) else {
            return .problem(.misdirectedRequest, "the tenant is gone; make another connection")
        }
        let answer = try Self.render(
            DiscoveryAnswer(
                facts, webPort: facts.webPort(dialled: source.dialledPort),
                version: BuildInformation.version, isPing: question == .ping))
        self.answers.withLock { $0.keep(key, answer, revision: revision) }
        return .found(answer)
    }

    private static func render(_ answer: some Encodable) throws -> RenderedAnswer {
        RenderedAnswer(bytes: try AnswerJSON.encode(answer) + [UInt8(ascii: "\n")])
    }
}

extension WebAPIResponse {
    /// An answer that whoever asks may keep; `isForOne`: only for this connection and this moment.
    fileprivate static func found(_ answer: RenderedAnswer, isForOne: Bool = false) -> Self {
        var fields = Self.fields(count: answer.bytes.count)
        // Short: who asks after a change gets the new ports soon, and a tag makes asking cheap.
        fields[.cacheControl] = isForOne ? "no-store" : "public, max-age=10"
        if !isForOne { fields[.eTag] = answer.tag }
        return Self(head: HTTPResponse(status: .ok, headerFields: fields), body: answer.bytes)
    }

    /// A refusal in the model's form.
    package static func problem(
        _ status: HTTPResponse.Status, _ message: String, with more: HTTPFields = [:],
        closes: Bool = false
    ) -> Self {
        // The messages are this program's own: nothing in them needs to be escaped.
        let body = Array("{\"error\":{\"message\":\"\(message)\"}}\n".utf8)
        var fields = Self.fields(count: body.count)
        fields[.cacheControl] = "no-store"
        for field in more { fields.append(field) }
        return Self(
            head: HTTPResponse(status: status, headerFields: fields), body: body, closes: closes)
    }

    private static func fields(count: Int) -> HTTPFields {
        [
            .contentType: "application/json", .contentLength: "\(count)",
            .xContentTypeOptions: "nosniff",
        ]
    }
}

extension String {
    /// Whether an If-None-Match has the tag, RFC 9110 §13.1.2: weak comparison, or `*`.
    fileprivate func names(tag: String) -> Bool {
        self.split(separator: ",").contains { part in
            let text = part.drop { $0 == " " }.prefix { $0 != " " }
            return text == "*" || text == tag || text == "W/" + tag
        }
    }
}
