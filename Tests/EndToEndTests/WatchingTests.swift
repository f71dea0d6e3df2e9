// Those who look on while a router works: a watch that sees a change by the command line, also
// after a restart; and the tenant whose traffic it is.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Those who look on") struct WatchingTests {
        @Test(
            "see changes, go on after a restart, and see who has traffic", .timeLimit(.minutes(3)))
        func watching() async throws {
            let rig = try EndToEnd.rig()
            let output = try await rig.shell.must(
                [
                    Programs.python, Programs.script("watching.py"), Programs.strait,
                    "\(rig.shell.directory)/watching", "\(rig.web.plainPort)",
                ], seconds: 120)
            #expect(output.trimmed == "done", "\(output)")
        }
    }
}
