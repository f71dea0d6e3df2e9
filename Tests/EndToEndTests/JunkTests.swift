// A hundred megabytes of junk in one connection, in every phase in which the router takes bytes.

import Testing

/// Where the junk goes, and how that must end.
struct Junk: Sendable, CustomTestStringConvertible {
    enum Place: Sendable { case shared, plain, raw, admin }

    let what: String
    let place: Place
    var host = "-"
    /// Whether all of it is taken, by an upstream.
    var isTaken = false
    /// Pipes stay in the pools of both workers: two of a connection, two descriptors each.
    var pooledDescriptors: Int { self.place == .raw ? 8 : 0 }

    var testDescription: String { "\(self.what), \(self.place), \(self.host)" }

    static let all: [Junk] = [
        Junk(what: "raw", place: .shared), Junk(what: "raw", place: .plain),
        Junk(what: "raw", place: .raw, isTaken: true),
        Junk(what: "record", place: .shared), Junk(what: "fragments", place: .shared),
        Junk(what: "http", place: .shared), Junk(what: "http", place: .plain),
        Junk(what: "header", place: .shared), Junk(what: "header", place: .plain),
        Junk(what: "tls", place: .shared, host: "www.acme.test"),
        Junk(what: "tls", place: .shared, host: "www-pass.acme.test"),
        Junk(what: "relayed", place: .shared, host: "www.acme.test", isTaken: true),
        Junk(what: "relayed", place: .shared, host: "digest.acme.test", isTaken: true),
        Junk(what: "raw", place: .admin), Junk(what: "http", place: .admin),
        Junk(what: "header", place: .admin), Junk(what: "body", place: .admin),
        Junk(what: "chunks", place: .admin),
    ]
}

extension Rig {
    func pour(_ junk: Junk) async throws -> String {
        let place =
            switch junk.place {
            case .shared: "127.0.0.1,\(self.ports.shared)"
            case .plain: "127.0.0.1,\(self.ports.plain)"
            case .raw: "127.0.0.1,\(self.ports.raw)"
            case .admin: self.router.adminSocket
            }
        return try await self.shell.must(
            [
                Programs.python, Programs.script("junk.py"), junk.what, place,
                self.certificates.hostAuthority, junk.host, "\(100 * 1024 * 1024)",
            ], seconds: 100
        ).trimmed
    }
}

extension EndToEnd {
    @Suite("Junk") struct JunkTests {
        @Test(
            "a hundred megabytes in one connection cost nothing that lasts",
            .timeLimit(.minutes(3)),
            arguments: Junk.all)
        func junk(_ junk: Junk) async throws {
            let rig = try EndToEnd.rig()
            let before = try await rig.idleDescriptors()
            let memory = rig.router.daemon.residentKiB
            let words = try await rig.pour(junk).split(separator: " ")
            #expect(words[0] != "stuck", "\(words)")
            #expect(words[1] == (junk.isTaken ? "all" : "part"), "\(words)")
            if words[2] != "-" {
                #expect(["400", "408", "413", "414", "431"].contains(words[2]), "\(words)")
            }
            try await rig.serves("\(junk)", descriptors: before + junk.pooledDescriptors)
            #expect(rig.router.daemon.residentKiB < memory + 16 * 1024)
        }
    }
}
