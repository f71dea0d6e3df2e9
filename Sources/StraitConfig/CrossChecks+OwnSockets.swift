// The router's own sockets, which no tenant's upstream may be: who reaches the operators' by a
// tenant's name is an operator, and who reaches that of `/webapi` says itself who asks.

internal import Foundation
internal import StraitCore

extension TenantCheck {
    /// Reports upstreams of tenants in the registry that are sockets of this router; whoever writes
    /// the file is an operator already.
    func checkOwnSockets(_ service: Configuration.Service) {
        guard self.context.registeredTenant != nil else { return }
        for upstream in service.upstreams {
            guard case .address(.unix(let path)) = upstream.target, self.isOwn(path) else {
                continue
            }
            self.context.report(
                .wrongRelation, at: self.context.place(of: "address", in: upstream.place),
                found: "\"unix:\(path)\", a socket of the router itself",
                expected: "a socket of the service",
                remedy: "write where the service listens")
        }
    }

    /// Whether a path is the operators' socket, or one of those beside it: `admin.sock.4711`,
    /// `admin.sock.4711.web/s`.
    private func isOwn(_ path: String) -> Bool {
        let admin = Self.resolved(self.configuration.admin.unixPath)
        let other = Self.resolved(path)
        return other == admin || other.hasPrefix(admin + ".")
    }

    /// Without links and dots, as the kernel finds it; the socket itself need not be there.
    private static func resolved(_ path: String) -> String {
        let whole = URL(fileURLWithPath: path).standardizedFileURL.resolvingSymlinksInPath()
        return whole.deletingLastPathComponent().resolvingSymlinksInPath()
            .appendingPathComponent(whole.lastPathComponent).path
    }
}
