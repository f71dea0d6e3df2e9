// The load generator of the benchmarks: the downstreams (`connect`, `pingpong`, `bulk`,
// `handshake`, `idle`, `paced`, `arrivals`, `hellos`) and the upstream (`sink`) between which a
// proxy is measured.
//
// One thread, one epoll instance, no allocation per unit; what is allocated lives as long as the
// process, which runs one mode and exits. It measures nothing of the proxy: the runner reads the
// proxy's CPU time while this program proves that the work was really done.

private import COpenSSL
private import Glibc

@main
enum LoadGenerator {
    static let usage = """
        usage: strait-load MODE [--option value ...]

          sink       --listen SERVICE:PORT,...     SERVICE: answer, hello-echo, hello-source,
                                                   echo, source, counters
          connect    --target ADDRESS:PORT --name HOST --count N [--concurrency 16]
                     [--names N] [--ports N [--port-step 1]]
          pingpong   --target ... --name HOST --count ROUND_TRIPS [--connections 16] [--size 64]
          bulk       --target ... --name HOST --bytes N [--streams 1] [--tls yes]
          handshake  --target ... --name HOST --count N [--concurrency 16] [--resume yes]
                     [--certificate FILE --key FILE] [--seconds N]
          idle       --target ... --name HOST --count N [--tls yes] [--certificate ... --key ...]
          paced      --target ... --name HOST --rate MESSAGES_PER_SECOND [--connections 100]
                     [--seconds 5] [--parts 2] [--tls yes]
          arrivals   --target ... --name HOST --rate CONNECTIONS_PER_SECOND [--seconds 5]
                     [--parts 2]
          hellos     --target ... --name HOST --seconds N [--concurrency 64] [--slow yes]

        all but sink: --warmup N    units before the measured ones
                      --gate yes    print {"event":"ready"}, wait for a line on stdin between
                                    warm-up and measurement (idle: while the connections are held)
        Results are one JSON object on stdout. Exit code 1: a check failed, or no progress for 10 s.

        """

    static func main() {
        signal(SIGPIPE, SIG_IGN)
        let arguments = CommandLine.arguments
        guard arguments.count >= 2 else {
            Output.complain(Self.usage)
            exit(2)
        }
        do throws(Failure) {
            try Self.run(mode: arguments[1], options: Options(Array(arguments.dropFirst(2))))
        } catch {
            Output.complain("strait-load \(arguments[1]): \(error.message)\n")
            exit(1)
        }
    }

    private static func run(mode: String, options: Options) throws(Failure) {
        switch mode {
        case "sink":
            var sink = try Sink(options: options)
            try sink.run()
        case "connect":
            var load = try ConnectLoad(options: options)
            try load.run(options)
        case "pingpong":
            var load = try PingPongLoad(options: options)
            try load.run(options)
        case "bulk":
            var load = try BulkLoad(options: options)
            try load.run(options)
        case "handshake":
            var load = try HandshakeLoad(options: options)
            try load.run(options)
        case "idle":
            var load = try IdleLoad(options: options)
            try load.run(options)
        case "paced":
            var load = try PacedLoad(options: options)
            try load.run(options)
        case "arrivals":
            var load = try ArrivalsLoad(options: options)
            try load.run(options)
        case "hellos":
            var load = try HellosLoad(options: options)
            try load.run(options)
        default:
            throw Failure("unknown mode\n\(Self.usage)")
        }
    }
}
