// swift-tools-version: 6.2
//
// The layers of ARCHITECTURE.md, in order: a target may depend only on targets above it in this
// list.
//
//   STRAIT_SCOPE=engine      leaves out everything that needs a package (layers 5 to 8): the inner
//                            loop.
//   STRAIT_BENCHMARKS=1      adds the load generator and the micro-benchmarks of Benchmarks/.

import PackageDescription

let engineOnly = Context.environment["STRAIT_SCOPE"] == "engine"
/// What `strait --version` says it was built from; tools/quickstart sets it.
let commit = Context.environment["STRAIT_COMMIT"] ?? "unknown"
let withBenchmarks = Context.environment["STRAIT_BENCHMARKS"] == "1"

let common: [SwiftSetting] = [
    .swiftLanguageMode(.v6), .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"), .enableExperimentalFeature("Lifetimes"),
]
let strict: [SwiftSetting] = common + [.strictMemorySafety()]
let asynchronous: [SwiftSetting] =
    strict + [.enableUpcomingFeature("NonisolatedNonsendingByDefault")]

var targets: [Target] = [
    // Layer 0, C: the platform.
    .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
        name: "CJemalloc", pkgConfig: "jemalloc", providers: [.apt(["libjemalloc-dev"])]),
    // One function per C macro or variadic that Swift cannot call; no logic.
    .target(name: "CStrait", cSettings: [.define("STRAIT_COMMIT", to: "\"\(commit)\"")]),

    // Layer 1, pure: no IO, no clock, no unsafe.
    .target(name: "StraitCore", swiftSettings: strict),  // words
    .target(name: "StraitWire", dependencies: ["StraitCore"], swiftSettings: strict),  // bytes
    .target(name: "StraitRouting", dependencies: ["StraitCore"], swiftSettings: strict),  // where
    .target(  // what next
        name: "StraitState", dependencies: ["StraitCore", "StraitWire"], swiftSettings: strict),

    // Layer 2, fence: the only targets that import C and say `unsafe`.
    .target(  // the kernel
        name: "StraitPosix", dependencies: ["StraitCore", "CStrait"], swiftSettings: strict),
    .target(  // OpenSSL
        name: "StraitTLS", dependencies: ["COpenSSL", "CStrait"], swiftSettings: strict),

    // Layer 3: the contract between the planes.
    .target(
        name: "StraitSnapshot", dependencies: ["StraitCore", "StraitRouting"],
        swiftSettings: strict),

    // Layer 4: the workers. No package dependency.
    .target(
        name: "StraitEngine",
        dependencies: [
            "StraitCore", "StraitWire", "StraitRouting", "StraitState", "StraitPosix", "StraitTLS",
            "StraitSnapshot",
        ], swiftSettings: strict),

    // What several test targets share.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: common),

    .testTarget(name: "StraitCoreTests", dependencies: ["StraitCore"], swiftSettings: common),
    .testTarget(
        name: "StraitWireTests", dependencies: ["StraitCore", "StraitWire", "TestSupport"],
        resources: [.copy("Corpus")], swiftSettings: common),
    .testTarget(
        name: "StraitRoutingTests", dependencies: ["StraitCore", "StraitRouting", "TestSupport"],
        resources: [.copy("Corpus")], swiftSettings: common),
    .testTarget(
        name: "StraitStateTests",
        dependencies: ["StraitCore", "StraitWire", "StraitState", "TestSupport"],
        resources: [.copy("Corpus")], swiftSettings: common),
    .testTarget(
        name: "StraitPosixTests", dependencies: ["StraitCore", "StraitPosix"],
        swiftSettings: common),
    .testTarget(
        name: "StraitTLSTests", dependencies: ["StraitTLS", "COpenSSL"], swiftSettings: common),
    .testTarget(
        name: "StraitSnapshotTests",
        dependencies: ["StraitCore", "StraitRouting", "StraitSnapshot", "TestSupport"],
        swiftSettings: common),
    .testTarget(
        name: "StraitEngineTests",
        dependencies: [
            "StraitCore", "StraitWire", "StraitRouting", "StraitPosix", "StraitTLS",
            "StraitSnapshot", "StraitEngine", "COpenSSL",
        ], swiftSettings: common),
    .testTarget(name: "TidyTests", swiftSettings: common),
]
var dependencies: [Package.Dependency] = []
var products: [Product] = []

if !engineOnly {
    dependencies += [
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
        // Certificates: Hummingbird's packages need these three, too.
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1"),
        // What Hummingbird is built on: its channels and the parts of a request.
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        .package(url: "https://github.com/apple/swift-nio-http2", from: "1.45.0"),
    ]
    products += [.executable(name: "strait", targets: ["strait"])]
    targets += [
        // Layer 5: one foreign format each.
        .target(
            name: "StraitConfig",
            dependencies: ["StraitCore", .product(name: "Yams", package: "Yams")],
            swiftSettings: asynchronous),  // the YAML file

        .target(  // rows that last: SQLite
            name: "StraitStore",
            dependencies: [
                "StraitCore", "StraitPosix", .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: asynchronous),

        // Authorities, certificates, who an operator is, and keys that are sealed where they lie.
        .target(
            name: "StraitIdentity",
            dependencies: [
                "StraitCore", "StraitTLS",
                .product(name: "X509", package: "swift-certificates"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ], swiftSettings: asynchronous),

        // Layer 6: orchestrate.
        .target(
            name: "StraitControl",
            dependencies: [
                "StraitCore", "StraitWire", "StraitRouting", "StraitState", "StraitSnapshot",
                "StraitEngine", "StraitConfig", "StraitStore", "StraitIdentity", "StraitPosix",
                "StraitTLS",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: asynchronous),

        // Layer 7: HTTP over the control plane.
        .target(
            name: "StraitAPI",
            dependencies: [
                "StraitCore", "StraitWire", "StraitRouting", "StraitConfig", "StraitStore",
                "StraitControl",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTP2", package: "swift-nio-http2"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
                .product(name: "NIOHTTPTypesHTTP2", package: "swift-nio-extras"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: asynchronous),

        // Layer 8: composition root and command line, one subcommand a file.
        .executableTarget(
            name: "strait",
            dependencies: [
                "StraitCore", "StraitRouting", "StraitSnapshot", "StraitEngine", "StraitConfig",
                "StraitControl", "StraitAPI", "StraitPosix", "StraitTLS", "CJemalloc",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ], swiftSettings: asynchronous),

        .testTarget(
            name: "StraitConfigTests", dependencies: ["StraitCore", "StraitConfig", "TestSupport"],
            swiftSettings: common),
        .testTarget(
            name: "StraitStoreTests",
            dependencies: [
                "StraitCore", "StraitStore", .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: common),
        .testTarget(
            name: "StraitIdentityTests",
            dependencies: [
                "StraitCore", "StraitTLS", "StraitIdentity", "TestSupport",
            ], swiftSettings: common),
        .testTarget(
            name: "StraitControlTests",
            dependencies: [
                "StraitCore", "StraitRouting", "StraitState", "StraitSnapshot", "StraitEngine",
                "StraitConfig", "StraitStore", "StraitIdentity", "StraitControl", "StraitPosix",
                "StraitWire",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "GRDB", package: "GRDB.swift"),
            ], swiftSettings: common),
        .testTarget(
            name: "StraitAPITests",
            dependencies: [
                "StraitCore", "StraitWire", "StraitRouting", "StraitState", "StraitConfig",
                "StraitStore", "StraitControl", "StraitPosix", "StraitAPI",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: common),
        .testTarget(
            name: "StraitCommandTests",
            dependencies: [
                "strait", "StraitControl",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: common),
        .testTarget(
            name: "EndToEndTests", dependencies: ["strait"], exclude: ["Clients"],
            swiftSettings: common),
    ]
}

if withBenchmarks {
    products += [.executable(name: "strait-load", targets: ["LoadGenerator"])]
    targets += [
        .executableTarget(
            name: "LoadGenerator", dependencies: ["COpenSSL", "CStrait"],
            path: "Benchmarks/LoadGenerator", swiftSettings: common),
        .executableTarget(
            name: "MicroBenchmarks",
            dependencies: ["StraitCore", "StraitWire", "StraitRouting", "StraitState"],
            path: "Benchmarks/MicroBenchmarks", swiftSettings: common),
        .executableTarget(
            name: "ManyPorts", dependencies: ["StraitCore", "StraitRouting", "StraitPosix"],
            path: "Benchmarks/ManyPorts", swiftSettings: common),
    ]
}

let package = Package(
    name: "strait", products: products, dependencies: dependencies, targets: targets)
