// What the operators' listener leads to.

internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitSnapshot

extension SnapshotCompiler {
    /// The name of the service, and of nobody, to whom it belongs.
    private static let operatorsName = "operators"
    private static let nobody = "-"

    /// Nil where there is no such listener, or nothing to show on it.
    mutating func operatorsService(_ configuration: Configuration) -> ServicePlan? {
        guard configuration.admin.https != nil, let access = self.operators,
            let material = access.material
        else { return nil }
        let keyPEM = material.keyPEM.revealed
        let set = CertificateSet(
            id: ContentDigest(ofParts: [material.chainPEM, keyPEM]), names: [], wildcards: [],
            certificates: [CertificatePlan(chainPEM: material.chainPEM, keyPEM: keyPEM)])
        let tenant = TenantPlan(
            name: Self.nobody, certificates: CertificateTable(sets: [set]),
            clientAuthoritiesPEM: material.authorityPEM, usage: access.usage)
        let slots = self.series.builtInSlots(
            UpstreamLabels(
                tenant: Self.nobody, service: Self.operatorsName, address: "built in"))
        return ServicePlan(
            metricsSlot: slots.service, tenant: tenant, name: Self.operatorsName,
            serviceProtocol: .web, mode: .terminate, applicationProtocols: [.http11],
            clientCertificate: .required,
            policy: ContentDigest(
                ofParts: [Array(Self.operatorsName.utf8), material.authorityPEM]),
            upstreams: [
                UpstreamPlan(
                    metricsSlot: slots.upstream, address: access.address, proxyHeader: .v2)
            ], connectAttempts: 1, isForOperators: true)
    }
}
