// The certificate of the operators' listener: issued when it is first wanted, when it is to carry
// other names, and when two thirds of its time have gone.

internal import Foundation
internal import Logging
internal import StraitConfig
internal import StraitCore
internal import StraitIdentity
internal import StraitPosix

extension ControlPlane {
    /// What the operators' listener of `configuration` is to show: what it shows where that is good
    /// for it, or nothing better can be had.
    func operatorsMaterial(_ configuration: Configuration) async -> OperatorsAccess.Material? {
        let current = self.compiler.operators?.material
        guard self.compiler.operators != nil, let https = configuration.admin.https,
            let issuer = self.registry?.issuer
        else { return current }
        let names = configuration.admin.certificateNames(https.address)
        let now = wallClockSeconds()
        do throws(IssuingFailure) {
            let authority = try await issuer.authority(now: now).certificatePEM
            if let current, current.names == names, now < current.renewal,
                current.authorityPEM == authority
            {
                return current
            }
            return try await issuer.operatorsMaterial(names, now: now)
        } catch {
            self.logger.error(
                "admin.https: no certificate can be issued: \(error.reason); admin.unix answers")
            return current
        }
    }

    /// Renews its certificate where that is due.
    func renewOperators() async {
        await self.inTurn { control in
            guard let live = control.live, control.stage == .serving else { return }
            let material = await control.operatorsMaterial(live.configuration)
            guard material?.chainPEM != control.compiler.operators?.material?.chainPEM else {
                return
            }
            control.compiler.operators?.material = material
            await control.carry([], onto: live, since: monotonicNow())
            control.logger.notice("admin.https: it has a new certificate")
        }
    }
}

extension InstallationIssuer {
    fileprivate func operatorsMaterial(
        _ names: OperatorsNames, now: Int64
    ) async throws(IssuingFailure) -> OperatorsAccess.Material {
        let authority = try await self.authority(now: now)
        do {
            let bundle = try authority.issue(
                for: names.names.map { .exact($0) }, addresses: names.addresses, now: now)
            return OperatorsAccess.Material(
                installation: authority.installation, authorityPEM: authority.certificatePEM,
                chainPEM: bundle.chainPEM, keyPEM: bundle.keyPEM, names: names,
                renewal: now + (bundle.notAfter - now) / 3 * 2)
        } catch {
            throw IssuingFailure(reason: "\(error)")
        }
    }
}

extension Configuration.Admin {
    /// What a certificate for `address` carries: what was configured, else what the machine is
    /// called and where it surely is.
    func certificateNames(_ address: SocketAddress) -> OperatorsNames {
        guard self.names.isEmpty, self.addresses.isEmpty else {
            return OperatorsNames(names: self.names, addresses: self.addresses)
        }
        let machine = HostName(Self.machineName)
        let local = HostName("localhost")
        var names = OperatorsNames(names: [machine, local].compactMap(\.self), addresses: [])
        if case .ip(let ip, _) = address, ip != IPAddress("0.0.0.0"), ip != IPAddress("::") {
            names.addresses = [ip]
        } else {
            names.addresses = [IPAddress("127.0.0.1"), IPAddress("::1")].compactMap(\.self)
        }
        return names
    }

    /// As proc(5) has it, without asking DNS.
    private static var machineName: String {
        // A machine without a name that can be read is reached by its address.
        let text = try? String(contentsOfFile: "/proc/sys/kernel/hostname", encoding: .utf8)
        return text?.trimmingCharacters(in: .whitespacesAndNewlines).lowercased() ?? ""
    }
}
