// Which role may ask for which request. What is not named here is the operators' alone.

internal import StraitControl

/// Who may ask for a request.
enum OperationAccess: Hashable {
    /// Whoever is known.
    case anyone
    /// Whoever is known; answers to an administrator tell of its tenant alone.
    case scoped
    /// Operators, and administrators of the tenant in the path.
    case ofTenant
    case operators

    /// For the OpenAPI document.
    var rolesJSON: String {
        self == .operators ? #"["operator"]"# : #"["operator","tenant administrator"]"#
    }

    /// Why `caller` may not; nil where it may.
    ///
    /// A sentence that says which role would do.
    func refusal(_ caller: Caller, tenant: String?) -> String? {
        guard let own = caller.tenant else { return nil }
        switch self {
        case .anyone, .scoped: return nil
        case .ofTenant where tenant == own: return nil
        case .ofTenant:
            return
                "you are \(caller.role.text); role operator would do, or administrator of tenant "
                + (tenant ?? "")
        case .operators: return "you are \(caller.role.text); role operator would do"
        }
    }
}

extension APIOperation {
    private static let open: Set<String> = [
        "/livez", "/healthz", "/readyz", "/version", "/v1/openapi.json", "/v1/whoami",
        "/v1/installation/authority",
    ]
    /// Their handlers ask who the caller is.
    private static let scoped: Set<String> = [
        "/v1/tenants", "/v1/audit",
        "/v1/watch", "/v1/top", "/v1/names",
    ]

    /// Who may ask for `method` of `path`, which is a template; nil where nothing is there, which
    /// anyone may be told.
    static func access(_ method: String, _ path: String?) -> OperationAccess {
        guard let path else { return .anyone }
        if Self.open.contains(path) { return .anyone }
        if Self.scoped.contains(path) { return .scoped }
        // What tenants are called is the operators' to say.
        if path == "/v1/tenants/{name}/rename" { return .operators }
        return path == "/v1/tenants/{name}" || path.hasPrefix("/v1/tenants/{name}/")
            ? .ofTenant : .operators
    }
}
