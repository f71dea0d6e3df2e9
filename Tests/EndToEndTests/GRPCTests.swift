// gRPC's own program at both ends, through every mode on both families.

import Foundation
import Testing

/// A router of its own in front of the echo service: in clear and over TLS.
struct GRPCRig: Sendable {
    let router: Router
    let port: Int
    let services: [Daemon]

    static func start(_ rig: Rig) async throws -> GRPCRig {
        let ports = try (0..<3).map { _ in try Loopback.freePort() }
        let tls = rig.certificates.upstream
        let echo = [Programs.python, Programs.script("grpc_echo.py")]
        let services = [
            try Daemon.start("grpc", echo + ["\(ports[1])"], in: rig.shell),
            try Daemon.start(
                "grpc-tls", echo + ["\(ports[2])", tls.certificate, tls.key], in: rig.shell),
        ]
        for (service, port) in zip(services, ports[1...]) {
            try await service.ready("listens") { Loopback.answers(.ipv6, port) }
        }
        // HTTP/2 wants a certificate whose names all lead to one service.
        let open = try await Certificates.renew(
            "grpc-open", names: [Self.host(.terminate)], in: rig.shell)
        let closed = try await Certificates.renew(
            "grpc-closed", names: [Self.host(.terminateWithCertificate)], in: rig.shell)
        let body = Self.configuration(rig, ports, open: open, closed: closed)
        let router = try await Router.start("grpc-router", body, in: rig.shell)
        return GRPCRig(router: router, port: ports[0], services: services)
    }

    /// The host name that stands for a mode.
    static func host(_ mode: Mode) -> String {
        switch mode {
        case .passthrough: "pass.acme.test"
        case .terminate: "open.acme.test"
        case .terminateWithCertificate: "closed.acme.test"
        }
    }

    private static func configuration(
        _ rig: Rig, _ ports: [Int], open: Identity, closed: Identity
    ) -> String {
        """
        listeners:
          - { name: shared, address: "[::]:\(ports[0])", protocols: [tls] }
        tenants:
          - name: acme
            domains: [acme.test]
            certificates:
              - { chain: \(open.certificate), key: \(open.key) }
              - { chain: \(closed.certificate), key: \(closed.key) }
            client_ca: [\(rig.certificates.acmeUsers)]
            services:
              - name: pass
                protocol: web
                mode: passthrough
                upstreams: [{ address: "tcp://127.0.0.1:\(ports[2])" }]
              - name: open
                protocol: web
                mode: terminate
                alpn: [h2]
                upstreams: [{ address: "tcp://[::1]:\(ports[1])" }]
              - name: closed
                protocol: web
                mode: terminate
                alpn: [h2]
                client_certificate: required
                upstreams:
                  - address: "tls://127.0.0.1:\(ports[2])"
                    ca: \(rig.certificates.hostAuthority)
                    server_name: localhost

        """
    }

    func ask(_ rig: Rig, _ mode: Mode, _ family: Family, person: Identity?) async throws -> Output {
        let pair = person.map { [$0.certificate, $0.key] } ?? []
        return try await rig.shell.run(
            [
                Programs.python, Programs.script("grpc_ask.py"), Self.host(mode), family.address,
                "\(self.port)", rig.certificates.hostAuthority,
            ] + pair, seconds: 150)
    }

    func stop() async throws {
        #expect(try await self.router.daemon.stop() == 0)
        for service in self.services { try await service.stop() }
    }
}

extension EndToEnd {
    @Suite("gRPC") struct GRPCTests {
        private static let answers = """
            unary 5 True True
            unary 5242880 True True
            down 1000 message 999
            up True
            both bbe wolf edit
            deadline begun DEADLINE_EXCEEDED yes
            cancel begun CANCELLED yes
            """

        @Test(
            "calls of every kind are answered, and deadlines and cancels reach the service",
            .timeLimit(.minutes(5)))
        func calls() async throws {
            let rig = try EndToEnd.rig()
            let grpc = try await GRPCRig.start(rig)
            for mode in Mode.allCases {
                let person = mode == .terminateWithCertificate ? rig.certificates.alice : nil
                for family in Family.allCases {
                    let output = try await grpc.ask(rig, mode, family, person: person)
                    #expect(output.trimmed == Self.answers, "\(mode), \(family): \(output)")
                }
            }
            for person in [nil, rig.certificates.mallory] {
                let output = try await grpc.ask(
                    rig, .terminateWithCertificate, .ipv4, person: person)
                #expect(!output.succeeded && output.text.isEmpty, "\(output)")
            }
            let refused = try grpc.router.records().compactMap { $0["strait.reason"] }
            #expect(refused.contains("client_certificate_missing"))
            #expect(refused.contains("client_certificate_rejected"))
            try await grpc.stop()
        }
    }
}
