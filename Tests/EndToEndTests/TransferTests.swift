// scp and COPY of what no buffer holds, through every mode, compared with the direct connection.

import Foundation
import Testing

extension EndToEnd {
    @Suite("Large transfers") struct TransferTests {
        @Test(
            "scp takes a large file there and back intact", .timeLimit(.minutes(15)),
            arguments: [SSHWay.direct, .raw(.ipv4)] + Mode.allCases.map { .tls($0, .ipv6) })
        func scp(_ way: SSHWay) async throws {
            let rig = try EndToEnd.rig()
            let large = try await rig.largeFile()
            let hash = try await Rig.sha256(of: large, in: rig.shell)
            let config = try way.configuration(rig)
            let work = "\(rig.shell.directory)/scp"
            let output = try await rig.shell.bash(
                """
                mkdir -p '\(work)' && cd '\(work)'
                scp -q -F '\(config)' '\(large)' target:'\(work)/there'
                scp -q -F '\(config)' target:'\(work)/there' back
                sha256sum there back
                rm -f there back
                """, seconds: 800)
            let hashes = output.text.split(separator: "\n").map { $0.prefix(64) }
            #expect(hashes == [hash[...], hash[...]], "\(output)")
        }

        @Test(
            "COPY takes a large table in and out, the same as directly", .timeLimit(.minutes(30)),
            arguments: Mode.allCases)
        func copy(_ mode: Mode) async throws {
            let rig = try EndToEnd.rig()
            let way = PostgresWay(program: .psql17, mode: mode, family: .ipv4)
            // Lines of text, made as they are sent; the last is shorter.
            let lines = (runsLong ? 1024 : 48) * 1024 * 1024 / 128
            let rows = "seq -f '%0127.0f' \(lines)"
            let expected = try await rig.shell.bash("\(rows) | sha256sum", seconds: 300).text
            for connection in [way.upstream(rig).direct(), way.connection(rig)] {
                let psql = "'\(way.program.psql)' -qAtX -v ON_ERROR_STOP=1 '\(connection)'"
                let output = try await rig.shell.bash(
                    """
                    \(psql) -c 'create unlogged table large (line text)'
                    \(rows) | \(psql) -c '\\copy large from stdin'
                    \(psql) -c '\\copy large to stdout' | sha256sum
                    \(psql) -c 'drop table large'
                    """, seconds: 800)
                #expect(output.text == expected, "\(mode): \(output)")
            }
        }
    }
}
