// Upstreams behind a name, and sources that run out of ports: real DNS, in a network of its own.

import Testing

extension EndToEnd {
    @Suite("Names and sources of upstreams") struct NamesTests {
        @Test(
            "a name is followed, keeps its last good answer, and a full source gives way to others",
            .timeLimit(.minutes(2)))
        func names() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must(
                [
                    "unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork",
                    "--kill-child", "--mount-proc", Programs.python, Programs.script("names.py"),
                    Programs.strait, "\(rig.shell.directory)/names",
                ], seconds: 90)
            let lines = output.text.split(separator: "\n").map(String.init)
            #expect(
                lines.prefix(4) == [
                    "first 127.0.0.2", "held still here", "lost 127.0.0.3", "both 127.0.0.3 ::1",
                ], "\(output)")
            let sources = lines.dropFirst(4).prefix(5).sorted()
            #expect(
                sources == [
                    "from", "from 127.0.0.8", "from 127.0.0.8", "from 127.0.0.9", "from 127.0.0.9",
                ], "\(output)")
            #expect(lines.suffix(3) == ["used 4", "exhausted True", "router 0"], "\(output)")
        }
    }
}
