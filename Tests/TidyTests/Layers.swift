// The layer table of ARCHITECTURE.md: what each target may import, besides the standard library.

/// One row of the table.
struct Layer {
    let number: Int
    let target: String
    /// Targets of this package.
    let uses: Set<String>
    /// Modules of the platform and of packages.
    let touches: Set<String>

    init(_ number: Int, _ target: String, uses: Set<String> = [], touches: Set<String> = []) {
        self.number = number
        self.target = target
        self.uses = uses
        self.touches = touches
    }
}

enum Layers {
    private static let pure: Set<String> = [
        "StraitCore", "StraitWire", "StraitRouting", "StraitState",
    ]
    private static let engine: Set<String> = pure.union([
        "StraitPosix", "StraitTLS", "StraitSnapshot", "StraitEngine",
    ])
    private static let service: Set<String> = [
        "Foundation", "Synchronization", "Logging", "ServiceLifecycle",
    ]

    /// In the order of the manifest.
    ///
    /// A target that is not here may not exist.
    static let table: [Layer] = [
        Layer(1, "StraitCore"),
        Layer(1, "StraitWire", uses: ["StraitCore"]),
        Layer(1, "StraitRouting", uses: ["StraitCore"]),
        Layer(1, "StraitState", uses: ["StraitCore", "StraitWire"]),
        Layer(
            2, "StraitPosix", uses: ["StraitCore", "CStrait"],
            touches: ["Glibc", "Synchronization"]),
        Layer(
            2, "StraitTLS", uses: ["StraitCore", "StraitPosix", "CStrait", "COpenSSL"],
            touches: ["Glibc", "Synchronization"]),
        Layer(
            3, "StraitSnapshot", uses: ["StraitCore", "StraitRouting"],
            touches: ["Synchronization"]),
        Layer(
            4, "StraitEngine", uses: engine.subtracting(["StraitEngine"]),
            touches: ["Synchronization"]),
        Layer(
            5, "StraitConfig", uses: pure.subtracting(["StraitWire", "StraitState"]),
            touches: ["Yams", "Foundation"]),
        Layer(
            5, "StraitStore", uses: ["StraitCore", "StraitPosix"],
            touches: ["GRDB", "Foundation", "Synchronization"]),
        Layer(
            5, "StraitIdentity", uses: ["StraitCore", "StraitTLS"],
            touches: ["X509", "Crypto", "SwiftASN1", "Foundation"]),
        Layer(
            6, "StraitControl",
            uses: engine.union(["StraitConfig", "StraitStore", "StraitIdentity"]),
            touches: service),
        Layer(
            // Wire and Routing: `/webapi` reads the PROXY header that the engine writes, and tells
            // of ports by their kinds.
            7, "StraitAPI",
            uses: [
                "StraitCore", "StraitWire", "StraitRouting", "StraitConfig", "StraitStore",
                "StraitControl",
            ],
            touches: service.union([
                "Hummingbird", "HummingbirdCore", "HTTPTypes", "NIOCore", "NIOPosix", "NIOHTTP1",
                "NIOHTTP2",
                "NIOHTTPTypes", "NIOHTTPTypesHTTP1", "NIOHTTPTypesHTTP2",
            ])),
        Layer(
            8, "strait",
            uses: engine.union(["StraitConfig", "StraitControl", "StraitAPI", "CJemalloc"]),
            touches: service.union(["ArgumentParser", "UnixSignals"])),
    ]

    static let fence: Set<String> = ["StraitPosix", "StraitTLS"]
    static let libraries: Set<String> = ["COpenSSL", "CJemalloc", "CStrait", "Glibc"]
    /// C that is not Swift: system libraries and the one C target.
    static let cTargets: Set<String> = ["COpenSSL", "CJemalloc", "CStrait"]

    static func row(_ target: String) -> Layer? { table.first { $0.target == target } }
}
