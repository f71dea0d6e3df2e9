// A peer of a test that speaks TLS with the router, and the certificate that is shown.

import Glibc
import StraitPosix
import StraitSnapshot
import StraitTLS

/// TLS over a blocking socket.
///
/// Stays on the thread that made it.
struct TLSWire: ~Copyable {
    let wire: Wire
    private var channel: TLSChannel
    private var tls: TLSSession

    /// Goes through the whole handshake as the dialler.
    init(
        over wire: Wire, serverName: String = "echo.acme.example.com",
        applicationProtocols: [[UInt8]] = []
    ) throws {
        let context = try TLSContext(client: TLSClientSettings(verifies: false))
        let channel = try TLSChannel()
        let tls = try TLSSession(
            clientContext: context, serverName: serverName, verifyName: nil, verifyAddress: nil,
            applicationProtocols: applicationProtocols, channel: channel)
        try self.init(wire, channel, tls)
    }

    /// Goes through the whole handshake as who was dialled; no `applicationProtocols`: ALPN is not
    /// answered.
    init(accepted wire: Wire, applicationProtocols: [[UInt8]]) throws {
        let certificate = try TestCertificate.plan.open()
        let context = try TLSContext(
            server: TLSServerSettings(
                certificates: [(certificate.chain, certificate.key)],
                applicationProtocols: applicationProtocols))
        let channel = try TLSChannel()
        let none: [UInt8] = []
        let tls = try TLSSession(serverContext: context, replay: none.span, channel: channel)
        try self.init(wire, channel, tls)
    }

    private init(
        _ wire: Wire, _ channel: consuming TLSChannel, _ tls: consuming TLSSession
    ) throws {
        var step = try tls.handshake(descriptor: wire.descriptor, channel: &channel)
        while step != .done {
            try wire.wait(for: step == .wantsRead ? POLLIN : POLLOUT)
            step = try tls.handshake(descriptor: wire.descriptor, channel: &channel)
        }
        self.wire = wire
        self.channel = channel
        self.tls = tls
    }

    mutating func send(_ bytes: [UInt8]) throws {
        let taken = try self.tls.write(
            bytes.span, descriptor: self.wire.descriptor, channel: &self.channel)
        guard taken == bytes.count else { throw RigError(description: "not taken") }
        while try self.tls.flush(
            descriptor: self.wire.descriptor, channel: &self.channel) != .done
        {
            try self.wire.wait(for: POLLOUT)
        }
    }

    /// What comes next, or how it ended.
    mutating func receive() throws -> (bytes: [UInt8], ending: TLSReadOutcome?) {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        while true {
            var room = bytes.mutableSpan
            switch try self.tls.read(
                into: &room, descriptor: self.wire.descriptor, channel: &self.channel)
            {
            case .bytes(let count): return (Array(bytes[..<count]), nil)
            case .wantsRead: try self.wire.wait(for: POLLIN)
            case .closeNotify: return ([], .closeNotify)
            case .truncated: return ([], .truncated)
            }
        }
    }

    mutating func receive(exactly count: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let (more, ending) = try self.receive()
            guard ending == nil else { throw RigError(description: "end after \(bytes.count)") }
            bytes += more
        }
        return bytes
    }
}

extension Wire {
    func wait(for events: Int32) throws {
        var event = pollfd(fd: self.descriptor, events: Int16(events), revents: 0)
        guard poll(&event, 1, 20_000) == 1 else { throw RigError(description: "nothing comes") }
    }
}

/// A certificate for `*.acme.example.com` that has signed itself; its key guards nothing.
enum TestCertificate {
    static let plan = CertificatePlan(chainPEM: Array(chain.utf8), keyPEM: Array(key.utf8))

    private static let chain = """
        -----BEGIN CERTIFICATE-----
        MIIBoDCCAUagAwIBAgIUFvpbclcbkMdXL/mGni8YM3CaVtAwCgYIKoZIzj0EAwIw
        FTETMBEGA1UEAwwKRW5naW5lIFJpZzAgFw0yNjExMjIxOTI0MzRaGA8yMTI2MTAy
        OTE5MjQzNFowFTETMBEGA1UEAwwKRW5naW5lIFJpZzBZMBMGByqGSM49AgEGCCqG
        SM49AwEHA0IABIQoN3AAA2KZRTDOXiC8XL9fWNY5UTxFNMXK5V+Lnzt9l8fsvoKC
        HPvEEHpY7A4zlQJVViwkCy46RZ0UruiofXijcjBwMB0GA1UdDgQWBBSg/nGEz7X9
        3ZeCmAEePr4AhOEtZzAfBgNVHSMEGDAWgBSg/nGEz7X93ZeCmAEePr4AhOEtZzAP
        BgNVHRMBAf8EBTADAQH/MB0GA1UdEQQWMBSCEiouYWNtZS5leGFtcGxlLmNvbTAK
        BggqhkjOPQQDAgNIADBFAiEAtCYtie/AMu2Om0JsZbEDqFlFAnjPCK3ZShR4ace+
        4dwCIHclEnPYSlbg+W3mJy+K8erkzui0wfDkiOfTv4Soos/g
        -----END CERTIFICATE-----
        """
    private static let key = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgwVWpEnfCR1GQagoR
        E/+1/z+ToC9x+JDXjbLoCk5+Y5mhRANCAASEKDdwAANimUUwzl4gvFy/X1jWOVE8
        RTTFyuVfi587fZfH7L6Cghz7xBB6WOwOM5UCVVYsJAsuOkWdFK7oqH14
        -----END PRIVATE KEY-----
        """
}
