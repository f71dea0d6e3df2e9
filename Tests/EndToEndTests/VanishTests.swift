// Downstreams that vanish: no FIN, no RST, no answer any more.

import Testing

extension EndToEnd {
    @Suite("A downstream that vanishes") struct VanishTests {
        @Test(
            "is noticed by keepalive when it is silent, and by unacknowledged bytes when it is not",
            .timeLimit(.minutes(2)))
        func vanish() async throws {
            let rig = try EndToEnd.rig()
            // Networks of its own need no privilege within a user namespace of its own.
            let output = try await rig.shell.must(
                [
                    "unshare", "--user", "--map-root-user", "--net", "--pid", "--fork",
                    "--kill-child", "--mount-proc", Programs.python, Programs.script("vanish.py"),
                    Programs.strait, "\(rig.shell.directory)/vanish",
                ], seconds: 90)
            #expect(
                output.text == """
                    endless reset downstream
                    silent reset downstream
                    open 0
                    router 0

                    """, "\(output)")
        }
    }
}
