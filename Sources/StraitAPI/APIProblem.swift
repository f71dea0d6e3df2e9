// Why a request was refused, as `application/problem+json` (RFC 9457).

internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import StraitConfig
internal import StraitControl
internal import StraitStore

/// A refusal, in words and for programs.
struct APIProblem: Error {
    var status: HTTPResponse.Status
    var title: String
    var detail: String
    /// Each thing that is wrong with what was sent.
    var problems: [ConfigurationProblem] = []
    /// What it is called now.
    var renamedTo: String?
    /// The same of a certificate.
    var uploadProblems: [UploadProblem] = []

    init(
        status: HTTPResponse.Status, title: String, detail: String,
        problems: [ConfigurationProblem] = []
    ) {
        self.status = status
        self.title = title
        self.detail = detail
        self.problems = problems
    }

    init(_ refusal: RegistryRefusal) {
        switch refusal {
        case .wrong(let problems):
            let errors = problems.filter { $0.severity == .error }
            self.init(
                status: .unprocessableContent, title: "the document is wrong",
                detail: errors.first.map { "\($0.path): \($0.found); expected \($0.expected)" }
                    ?? "it cannot be used",
                problems: problems)
        case .notFound(let name):
            self.init(
                status: .notFound, title: "not found", detail: "there is no tenant \"\(name)\"")
        case .renamed(let name, let new):
            self.init(
                status: .gone, title: "it has another name",
                detail: "tenant \"\(name)\" is called \"\(new)\"")
            self.renamedTo = new
        case .inUse(let sentence):
            self.init(status: .conflict, title: "it is needed", detail: sentence)
        case .absent(let sentence):
            self.init(status: .notFound, title: "not found", detail: sentence)
        case .badCertificate(let problems): self.init(problems)
        case .exists(let revision):
            self.init(
                status: .preconditionFailed, title: "it is there already",
                detail: "it is of revision \(revision); change that, or take another name")
        case .changedSince(let revision?):
            self.init(
                status: .preconditionFailed, title: "it was changed meanwhile",
                detail: "it is of revision \(revision); read it again and decide anew")
        case .changedSince(nil):
            self.init(
                status: .preconditionFailed, title: "it is not there",
                detail: "there is none; without a condition it is made")
        case .nameTaken(let name, let owner):
            self.init(
                status: .conflict, title: "the name is another tenant's",
                detail: "\"\(name)\" belongs to "
                    + (owner.map { "tenant \"\($0)\"" } ?? "another tenant"))
        case .forbidden(let reason):
            self.init(
                status: .forbidden, title: "not with your role",
                detail: "\(reason); role operator would do")
        case .port:
            self.init(
                status: refusal.asksForTooMuch ? .unprocessableContent : .conflict,
                title: "the tenant does not get its ports", detail: refusal.portText)
        case .store(let error): self.init(error)
        }
    }

    /// A certificate that is not taken.
    init(_ problems: [UploadProblem]) {
        self.init(
            status: .unprocessableContent, title: "the certificate is not taken",
            detail: problems.first.map { "\($0.path): \($0.found); expected \($0.expected)" }
                ?? "it cannot be used")
        self.uploadProblems = problems
    }

    init(_ error: StoreError) {
        let status: HTTPResponse.Status
        switch error {
        case .conflict: status = .conflict
        case .refused: status = .unprocessableContent
        case .full: status = .init(code: 507, reasonPhrase: "Insufficient Storage")
        case .compacted: status = .gone
        case .locked, .corrupted, .unavailable, .cancelled: status = .serviceUnavailable
        }
        self.init(status: status, title: "the registry did not do it", detail: error.text)
    }

    var response: Response {
        func member(_ name: String, _ text: String) -> String {
            "\"\(name)\":\(JSONString.quoted(text))"
        }
        let items =
            self.problems.map { problem in
                "{"
                    + [
                        member("severity", problem.severity.rawValue),
                        member("code", problem.code.rawValue), member("path", problem.path),
                        member("found", problem.found), member("expected", problem.expected),
                        member("remedy", problem.remedy),
                    ].joined(separator: ",") + "}"
            }
            + self.uploadProblems.map { problem in
                "{"
                    + [
                        member("severity", "error"), member("code", problem.code),
                        member("path", problem.path), member("found", problem.found),
                        member("expected", problem.expected), member("remedy", problem.remedy),
                    ].joined(separator: ",") + "}"
            }
        let text =
            "{" + member("title", self.title) + ",\"status\":\(self.status.code),"
            + member("detail", self.detail)
            + (self.renamedTo.map { "," + member("renamed_to", $0) } ?? "")
            + (items.isEmpty ? "" : ",\"problems\":[\(items.joined(separator: ","))]") + "}\n"
        return Response(
            status: self.status, headers: [.contentType: "application/problem+json"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
