// That nothing stays allocated, counted in a process of its own.

import COpenSSL
import Glibc
import StraitTLS
import Synchronization
import Testing

/// What OpenSSL has allocated and not freed, in pieces.
private let livePieces = Atomic<Int>(0)

@Suite("TLS connection, memory") struct LeakTests {
    // In a process of its own: other tests allocate at the same time.
    @Test("contexts, connections and failures of every kind leave nothing behind")
    func leaks() async {
        await #expect(processExitsWith: .success) {
            let isCounting = CRYPTO_set_mem_functions(
                { count, _, _ in
                    livePieces.add(1, ordering: .relaxed)
                    return malloc(count)
                },
                { piece, count, _, _ in
                    if piece == nil { livePieces.add(1, ordering: .relaxed) }
                    return realloc(piece, count)
                },
                { piece, _, _ in
                    if piece != nil { livePieces.subtract(1, ordering: .relaxed) }
                    free(piece)
                })
            try #require(isCounting == 1)
            let rounds = try Rounds()
            for _ in 0..<5 { try rounds.run() }  // caches of OpenSSL and of the allocator fill up
            let pieces = livePieces.load(ordering: .relaxed)
            let resident = residentPages()
            for _ in 0..<40 { try rounds.run() }
            let grown = livePieces.load(ordering: .relaxed) - pieces
            // One leaked piece a round would be 40, and a leaked write of ours 4000 pages.
            // The address sanitizer keeps freed memory for a while.
            let keepsFreed = dlsym(nil, "__asan_init") != nil
            let isResidentBounded = keepsFreed || residentPages() - resident < 256
            guard abs(grown) < 20, isResidentBounded else {
                let text = "pieces +\(grown), pages \(resident) to \(residentPages())\n"
                write(STDERR_FILENO, text, text.utf8.count)
                exit(1)
            }
        }
    }
}

/// The second number of /proc/self/statm, proc(5).
private func residentPages() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return 0 }
    defer { fclose(file) }
    var text = [CChar](repeating: 0, count: 128)
    guard fgets(&text, 128, file) != nil else { return 0 }
    let words = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init), as: UTF8.self).split(
        separator: " ")
    return words.count > 1 ? Int(words[1]) ?? 0 : 0
}

/// One of everything that allocates.
private struct Rounds {
    let authority: TestAuthority
    let leaf: TestCertificate
    let stranger: TestCertificate
    let expired: TestCertificate

    init() throws {
        self.authority = try TestAuthority("Authority")
        self.leaf = try self.authority.leaf("web", dns: ["www.example.com"])
        self.stranger = try TestAuthority("Other").leaf("other")
        self.expired = try self.authority.leaf("old", days: (-2, -1))
    }

    func run() throws {
        let settings = TLSServerSettings(
            certificates: [self.leaf.pair], clientAuthoritiesPEM: self.authority.pem,
            requiresClientCertificate: true, applicationProtocols: [Array("h2".utf8)],
            sessionContext: [1], ticketKey: TLSTicketKey.derive(root: [1], label: [1]))
        let router = try TLSContext(server: settings)
        let nameless = try TLSContext(client: TLSClientSettings(verifies: false))
        for certificate in [self.leaf, self.stranger, self.expired] {
            let dialler = try TLSContext(
                client: TLSClientSettings(
                    authoritiesPEM: self.authority.pem, chainPEM: certificate.chainPEM,
                    keyPEM: certificate.keyPEM))
            var pair = try TestPair(
                router: router, dialler: dialler, serverName: "www.example.com",
                verifyName: "www.example.com", protocols: [Array("h2".utf8)])
            guard pair.failures() == (nil, nil) else { continue }
            _ = pair.router.peerCertificate
            _ = try pair.writeRouter([UInt8](repeating: 1, count: 400_000))
            _ = try pair.readDialler()
        }
        var halfWay = try TestPair(
            router: router, dialler: nameless, replay: [0x16, 3, 1, 2, 0, 1, 0])
        _ = try halfWay.stepDialler()
        _ = try halfWay.stepRouter()
        var garbage = try TestPair(
            router: router, dialler: nameless, replay: [1, 2, 3, 4, 5, 6, 7])
        _ = garbage.failures()
        try self.refuse(settings)
    }

    private func refuse(_ settings: TLSServerSettings) throws {
        var wrong = settings
        wrong.certificates[0].keyPEM = self.stranger.keyPEM
        #expect(throws: TLSSetupError.self) { try TLSContext(server: wrong) }
        wrong = settings
        wrong.clientAuthoritiesPEM = self.authority.pem + self.authority.pem.dropLast(40)
        #expect(throws: TLSSetupError.self) { try TLSContext(server: wrong) }
        let context = try TLSContext(client: TLSClientSettings())
        let channel = try TLSChannel()
        #expect(throws: TLSSetupError.self) {
            _ = try TLSSession(
                clientContext: context, serverName: "a", verifyName: nil, verifyAddress: "x",
                applicationProtocols: [], channel: channel)
        }
        _ = try TLSCertificateFacts(chainPEM: self.leaf.chainPEM, keyPEM: self.leaf.keyPEM)
    }
}
