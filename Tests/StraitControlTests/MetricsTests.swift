// Prometheus' text format, and what is in it.

import Foundation
import StraitControl
import StraitCore
import StraitEngine
import StraitRouting
import StraitSnapshot
import Testing

@Suite("PrometheusText") struct PrometheusTextTests {
    @Test("values of labels are escaped, and stay on one line")
    func escaping() {
        var text = PrometheusText()
        text.family("a_total", .counter, "One\\two\nthree \"four\".")
        text.sample(["name": "a\"b\\c\nd"], 1)
        #expect(
            text.text == """
                # HELP a_total One\\\\two\\nthree "four".
                # TYPE a_total counter
                a_total{name="a\\"b\\\\c\\nd"} 1

                """)
    }

    @Test("buckets of a histogram are cumulative and end with +Inf, sum and count")
    func histogram() {
        var histogram = WorkerMetrics.Histogram()
        for microseconds: UInt64 in [1, 100, 100, 5000, 10_000_000] {
            histogram.record(nanoseconds: microseconds * 1000)
        }
        var text = PrometheusText()
        text.family("b_seconds", .histogram, "B.")
        text.histogram(["x": "y"], histogram, exponents: 7...13)
        let lines = text.text.split(separator: "\n").dropFirst(2).map(String.init)
        #expect(lines.first == "b_seconds_bucket{x=\"y\",le=\"0.000128\"} 3")
        #expect(lines.contains("b_seconds_bucket{x=\"y\",le=\"0.008192\"} 4"))
        #expect(lines.contains("b_seconds_bucket{x=\"y\",le=\"+Inf\"} 5"))
        #expect(lines.contains("b_seconds_sum{x=\"y\"} 10.005201"))
        #expect(lines.last == "b_seconds_count{x=\"y\"} 5")
        let counts = lines.filter { $0.contains("_bucket") }
            .compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }
        #expect(counts == counts.sorted())
    }

    @Test(
        "durations are seconds, exactly",
        arguments: [
            (UInt64(0), "0"), (1, "0.000000001"), (1_500_000_000, "1.5"), (128_000, "0.000128"),
            (UInt64.max, "18446744073.709551615"),
        ])
    func seconds(nanoseconds: UInt64, expected: String) {
        var text = PrometheusText()
        text.family("c_seconds", .gauge, "C.")
        text.sample(seconds: nanoseconds)
        #expect(text.text.hasSuffix("c_seconds \(expected)\n"))
    }
}

@Suite("MetricsRenderer") struct MetricsRendererTests {
    private static func directory() throws -> MetricsDirectory {
        var compiling = Compiling()
        return try compiling.compile(ConfigurationText().text).directory
    }

    private static func text(
        _ workers: [WorkerMetrics], _ directory: MetricsDirectory
    ) -> String {
        var control = ControlFacts()
        control.desiredRevision = 3
        control.liveRevisions = [3, 2]
        return MetricsRenderer(
            directory: directory, workers: workers, control: control, process: ProcessFacts()
        ).text()
    }

    @Test("a service that was never used has its series from the start")
    func zeroSeries() throws {
        let text = Self.text([WorkerMetrics(worker: 0)], try Self.directory())
        let www: KeyValuePairs = ["tenant": "acme", "service": "www"]
        let unknown = Array(repeating: "unknown", count: 4)
        let lines = [
            Self.line("strait_connections_accepted_total", ["listener": "public"]),
            Self.line("strait_connections_open", www, ["protocol": "web", "mode": "terminate"]),
            Self.line(
                "strait_connections_open", ["tenant": unknown[0], "service": unknown[1]],
                ["protocol": unknown[2], "mode": unknown[3]]),
            Self.line("strait_received_bytes_total", www, ["side": "downstream"]),
            Self.line("strait_sent_bytes_total", www, ["side": "upstream"]),
            Self.line(
                "strait_tls_handshakes_total", ["tenant": "acme", "version": "1.3"],
                ["resumed": "false", "client_certificate": "false"]),
            Self.line(
                "strait_upstream_connect_errors_total", www,
                ["upstream": "127.0.0.1:8080", "reason": "connect_timeout"]),
            Self.line(
                "strait_phase_duration_seconds_count", ["phase": "connect", "protocol": "web"]),
            Self.line(
                "strait_phase_duration_seconds_count", ["phase": "peek", "protocol": "unknown"]),
        ]
        for line in lines { #expect(text.contains(line), "\(line)") }
    }

    private static func line(
        _ name: String, _ labels: KeyValuePairs<String, String>,
        _ more: KeyValuePairs<String, String> = [:], _ value: Int = 0
    ) -> String {
        let all = (Array(labels) + Array(more)).map { "\($0.key)=\"\($0.value)\"" }
        return "\(name){\(all.joined(separator: ","))} \(value)\n"
    }

    @Test("workers are added up, and revisions stay apart")
    func sums() throws {
        let directory = try Self.directory()
        let slot = try #require(directory.liveServices.max())
        var one = WorkerMetrics(worker: 0)
        one.open[slot] = 2
        one.bytes[slot] = WorkerMetrics.Bytes()
        one.bytes[slot]?.downstreamReceived = 10
        var two = WorkerMetrics(worker: 1)
        two.open[slot] = 3
        two.listeners = 4
        two.bytes[slot] = WorkerMetrics.Bytes()
        two.bytes[slot]?.downstreamReceived = 5
        let text = Self.text([one, two], directory)
        #expect(text.contains(#"service="www",protocol="web",mode="terminate"} 5"# + "\n"))
        #expect(
            text.contains(
                #"strait_received_bytes_total{tenant="acme",service="www",side="downstream"} 15"#))
        #expect(text.contains("strait_snapshot_desired_revision 3\n"))
        #expect(text.contains("strait_worker_listeners{worker=\"1\"} 4\n"))
        #expect(text.contains(#"strait_snapshot_live_revision{worker="1"} 2"# + "\n"))
    }

    @Test("what a check refused is counted by the check, what ended well is not")
    func refusals() throws {
        var worker = WorkerMetrics(worker: 0)
        worker.closed[
            .init(slot: 0, phase: .route, reason: CloseReason(.local, .nameUnknown))] = 7
        worker.closed[
            .init(slot: 0, phase: .relay, reason: CloseReason(.upstream, .finished))] = 9
        let text = Self.text([worker], try Self.directory())
        let refused = text.split(separator: "\n").filter {
            $0.hasPrefix("strait_connections_refused_total{") && !$0.hasSuffix(" 0")
        }
        let expected = Self.line(
            "strait_connections_refused_total", ["tenant": "unknown", "check": "name"],
            ["reason": "name_unknown", "enforced": "true"], 7)
        #expect(refused.map { "\($0)\n" } == [expected])
        #expect(
            text.contains(
                #"phase="relay",side="upstream",reason="finished"} 9"#))
    }

    @Test(
        "a bound that was reached is counted under its own name, and under no other",
        arguments: [
            (CloseReason.Kind.connectionLimit, "connections", "refused"),
            (.rateLimit, "new_connections", "refused"),
            (.handshakeLimit, "handshakes", "refused"),
            (.sourceConnectionLimit, "source_connections", "refused"),
            (.sourceRateLimit, "source_new_connections", "refused"),
            (.sourceHandshakeLimit, "source_handshakes", "refused"),
            (.cancelLimit, "cancel_requests", "refused"),
            (.evicted, "unrouted_connections", "evicted"),
            (.descriptorsExhausted, "descriptors", "refused"),
        ])
    func limitsReached(kind: CloseReason.Kind, limit: String, outcome: String) throws {
        var worker = WorkerMetrics(worker: 0)
        worker.closed[.init(slot: 0, phase: .route, reason: CloseReason(.local, kind))] = 3
        let reached = Self.text([worker], try Self.directory()).split(separator: "\n").filter {
            $0.hasPrefix("strait_limit_reached_total{") && !$0.hasSuffix(" 0")
        }
        let name = "strait_limit_reached_total"
        #expect(
            reached.map { "\($0)\n" }
                == [Self.line(name, ["limit": limit, "outcome": outcome], [:], 3)])
    }

    @Test("what limits of bytes have held is told by tenant and limit, over workers and services")
    func limitDelays() throws {
        var workers = [WorkerMetrics(worker: 0), WorkerMetrics(worker: 1)]
        let slot = try #require(try Self.directory().liveServices.max())
        workers[0].limitDelays[.init(slot: slot, isUp: true, isOfSource: false)] = 1_000_000_000
        workers[1].limitDelays[.init(slot: slot, isUp: true, isOfSource: false)] = 500_000_000
        workers[1].limitDelays[.init(slot: slot, isUp: false, isOfSource: true)] = 2_000_000_000
        let lines = Self.text(workers, try Self.directory()).split(separator: "\n").filter {
            $0.hasPrefix("strait_limit_delay_seconds_total{")
        }
        #expect(lines.count == 2)
        #expect(lines[0].contains(#"limit="bytes_in""#) && lines[0].hasSuffix(" 1.5"))
        #expect(lines[1].contains(#"limit="source_bytes_out""#))
    }

    @Test("the series of a removed service go, but for connections that are still open")
    func removed() throws {
        var compiling = Compiling()
        let first = try compiling.compile(ConfigurationText().text)
        var text = ConfigurationText()
        text.services = ConfigurationText.www.replacingFirst("name: www", with: "name: shop")
        let second = try compiling.compile(text.text, revision: 2)
        let old = first.snapshot.services[0].metricsSlot
        var worker = WorkerMetrics(worker: 0)
        worker.bytes[old] = WorkerMetrics.Bytes()
        #expect(!Self.text([worker], second.directory).contains(#"service="www""#))
        worker.open[old] = 1
        #expect(Self.text([worker], second.directory).contains(#"service="www""#))
    }

    @Test("phases are told apart by protocol, connects that failed by their reason")
    func phases() throws {
        let directory = try Self.directory()
        let slot = try #require(directory.liveServices.max())
        let upstream = try #require(directory.liveUpstreams.max())
        var one = WorkerMetrics(worker: 0)
        one.phaseDuration[.init(slot: slot, phase: .connect), default: .init()]
            .record(nanoseconds: 1_000_000)
        one.phaseDuration[.init(slot: 0, phase: .peek), default: .init()]
            .record(nanoseconds: 1_000_000)
        one.connectErrors[.init(slot: upstream, reason: .upstreamTLSFailed)] = 4
        var two = WorkerMetrics(worker: 1)
        two.phaseDuration = one.phaseDuration
        let text = Self.text([one, two], directory)
        let name = "strait_phase_duration_seconds_count"
        let expected = [
            Self.line(name, ["phase": "connect", "protocol": "web"], [:], 2),
            Self.line(name, ["phase": "connect", "protocol": "unknown"], [:], 0),
            Self.line(name, ["phase": "peek", "protocol": "unknown"], [:], 2),
            Self.line(name, ["phase": "peek", "protocol": "web"], [:], 0),
            #"upstream="127.0.0.1:8080",reason="upstream_tls_failed"} 4"#,
            #"upstream="127.0.0.1:8080",reason="connect_failed"} 0"#,
        ]
        for line in expected { #expect(text.contains(line), "\(line)") }
        let count = text.split(separator: "\n").count { $0.hasPrefix(name) }
        #expect(count == 6, "three phases, two protocols")
    }

    @Test(
        "which tenants have series of their own does not depend on the order of the file",
        arguments: [["acme", "blue", "carrot"], ["carrot", "blue", "acme"]])
    func foldingOrder(names: [String]) throws {
        let tenants = names.map {
            """
              - name: \($0)
                domains: [\($0).test]
                services:
                  - { name: shop, protocol: web, upstreams: [{ address: "tcp://127.0.0.1:80" }] }
            """
        }
        var compiling = Compiling()
        for (count, shown) in [(1, ["acme"]), (2, ["acme", "blue"]), (3, names.sorted())] {
            let text = """
                region: local
                router: r-1
                listeners:
                  - { name: public, address: "127.0.0.1:8443", protocols: [tls] }
                tenants:
                \(tenants.joined(separator: "\n"))
                metrics: { tenants: \(count) }
                """
            let directory = try compiling.compile(text).directory
            let live = Set(directory.liveServices.map { directory.labels(ofSlot: $0).tenant })
            #expect(live == Set(shown + ["unknown"] + (count < 3 ? ["other"] : [])))
        }
    }

    @Test("tenants beyond metrics.tenants share the series of other")
    func folding() throws {
        var text = ConfigurationText()
        text.more = """
              - name: second
                domains: [other.test]
                services:
                  - { name: shop, protocol: web, mode: passthrough,
                      upstreams: [{ address: "tcp://127.0.0.1:8080" }] }
            metrics: { tenants: 1 }
            """
        var compiling = Compiling()
        let directory = try compiling.compile(text.text).directory
        #expect(directory.foldedServices == 1)
        let rendered = Self.text([WorkerMetrics(worker: 0)], directory)
        #expect(rendered.contains(#"tenant="other",service="other",protocol="web""#))
        #expect(!rendered.contains(#"tenant="second""#))
    }

    @Test("every line is a comment or a sample, and no series stands twice")
    func wellFormed() throws {
        let text = Self.text(
            [WorkerMetrics(worker: 0), WorkerMetrics(worker: 1)], try Self.directory())
        var seen: Set<Substring> = []
        var families: Set<Substring> = []
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# TYPE ") {
                #expect(families.insert(line.split(separator: " ")[2]).inserted, "\(line)")
                continue
            }
            guard !line.hasPrefix("#") else { continue }
            let end = try #require(line.lastIndex(of: " "))
            #expect(seen.insert(line[..<end]).inserted, "\(line)")
            #expect(Double(line[line.index(after: end)...]) != nil, "\(line)")
        }
        #expect(families.count > 30)
    }
}
