// Which services a certificate's names lead to. Browsers reuse a connection for every name that its
// certificate carries (RFC 9113 §9.1.1), so h2 is offered only where all of them lead to one
// service.

package import StraitCore

extension RouteTable {
    /// Every service that some name of a certificate leads to, with some ALPN.
    ///
    /// A tenant's own name reaches its default services, but for web, which it leads nowhere with.
    ///
    /// - Parameters:
    ///   - exact: The names that the certificate carries in full.
    ///   - wildcards: The names that it covers one label deep, without their `*.`.
    /// - Returns: Indices of services.
    /// - Complexity: O(names + what lies one label beneath a wildcard).
    package func servicesReached(by exact: [HostName], wildcards: [HostName]) -> Set<Int> {
        var reached: Set<Int> = []
        for name in exact {
            let bytes = name.bytes
            guard let target = self.compiled.target(of: bytes.span) else { continue }
            self.compiled.insertServices(of: target, into: &reached)
        }
        for name in wildcards {
            let bytes = name.bytes
            if let raw = self.compiled.wildcards.value(of: bytes.span) {
                self.compiled.insertServices(of: NameTarget(rawValue: raw), into: &reached)
            }
            for child in self.compiled.children.members(beneath: bytes.span) {
                self.compiled.insertServices(of: child, into: &reached)
            }
        }
        return reached
    }
}

extension CompiledRules {
    /// What an exact name stands for: itself, or through the wildcard that covers it.
    fileprivate func target(of name: Span<UInt8>) -> NameTarget? {
        var trace = NoTrace()
        return self.find(name, &trace)?.0
    }

    fileprivate func insertServices(of target: NameTarget, into reached: inout Set<Int>) {
        switch target.kind {
        case .service: reached.insert(target.index)
        case .tenant:
            for serviceProtocol in [ServiceProtocol.ssh, .postgres, .mysql, .tcp] {
                self.insertDefault(serviceProtocol, target.index, into: &reached)
            }
        case .kubernetesAlias: self.insertDefault(.kubernetes, target.index, into: &reached)
        }
    }

    private func insertDefault(
        _ serviceProtocol: ServiceProtocol, _ tenant: Int, into reached: inout Set<Int>
    ) {
        guard let service = self.tenants[tenant].defaultService(serviceProtocol) else { return }
        reached.insert(service)
    }
}
