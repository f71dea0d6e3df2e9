// The registry under a router that dies, and what becomes of changes then.

import Testing

extension EndToEnd {
    @Suite("A registry") struct RegistryTests {
        @Test(
            "a killed router loses no change that it acknowledged, and tears none",
            .timeLimit(.minutes(10)))
        func killed() async throws {
            let rig = try EndToEnd.rig()
            let kills = runsLong ? 200 : 15
            let output = try await rig.shell.must(
                [
                    Programs.python, Programs.script("registry_kill.py"), Programs.strait,
                    "\(rig.shell.directory)/registry", "\(kills)",
                    "\(Int.random(in: 0..<1_000_000))",
                ], seconds: 500)
            let words = output.trimmed.split(separator: " ")
            #expect(words.prefix(2) == ["kills", "\(kills)"], "\(output)")
            let acknowledged = words.dropFirst(3).first.flatMap { Int($0) } ?? 0
            #expect(acknowledged > kills, "\(output)")
        }

        @Test("the operator API answers as its document says", .timeLimit(.minutes(5)))
        func conformance() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must(
                [
                    Programs.python, Programs.script("api_conformance.py"), Programs.strait,
                    Programs.schemathesis, "\(rig.shell.directory)/conformance",
                    runsLong ? "200" : "15",
                ], seconds: 280)
            let words = output.text.split { " \n".contains($0) }.suffix(6)
            #expect(words.suffix(4) == ["schemathesis", "0", "router", "0"], "\(output.text)")
            #expect(words.dropFirst().first.flatMap { Int($0) } ?? 0 > 100, "\(output.text)")
        }
    }
}
