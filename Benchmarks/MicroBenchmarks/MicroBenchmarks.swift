// Runs one operation so many times and exits. It measures nothing by itself: Benchmarks/micro
// counts the instructions of two runs that differ only in how often they repeat.
//
//   MicroBenchmarks OPERATION TIMES [HEX]      HEX: the bytes of a ClientHello, for `hello` only

@main
enum MicroBenchmarks {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard let name = arguments.first,
            let times = arguments.dropFirst().first.flatMap({ Int($0) }),
            times > 0, let run = Operations.named(name, argument: arguments.dropFirst(2).first)
        else {
            print("usage: MicroBenchmarks OPERATION TIMES [HEX]", Operations.names)
            return
        }
        // Printed, so that no part of the work can be left out.
        print(name, times, run(times))
    }
}
