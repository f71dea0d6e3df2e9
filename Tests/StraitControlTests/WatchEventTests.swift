// What of a commit is told to those who watch, and in which words.

import StraitControl
import StraitStore
import Testing

@Suite("Events of a commit") struct WatchEventTests {
    private static func commit(_ changes: [(String, String?)]) throws -> StoreCommit {
        StoreCommit(
            revision: 7,
            changes: try changes.map { key, value in
                StoreChange(key: try RowKey(key), value: value.map { Array($0.utf8) })
            })
    }

    @Test(
        "name the resource, whose it is, and what has become of it",
        arguments: [
            ("tenant/acme/document", "{}", "tenant", "tenant/acme", "acme"),
            (
                "tenant/acme/certificate/a/b", "{}", "certificate", "tenant/acme/certificate/a/b",
                "acme"
            ),
            ("tenant/acme/authority/x", "pem", "authority", "tenant/acme/authority/x", "acme"),
            ("name/*.acme.test", "acme", "name", "name/*.acme.test", "acme"),
            (
                "port/eu/31000", #"{"tenant":"acme","kind":"ssh"}"#, "port", "port/eu/31000", "acme"
            ),
            ("port/eu/31000", "by hand", "port", "port/eu/31000", nil),
            ("authority/installation", "{}", "authority", "authority/installation", nil),
        ] as [(String, String, String, String, String?)])
    func rows(key: String, value: String, kind: String, resource: String, tenant: String?) throws {
        let events = WatchEvent.events(of: try Self.commit([(key, value)]), tenant: nil)
        #expect(
            events == [
                WatchEvent(
                    kind: kind, resource: resource, tenant: tenant, action: .put, revision: 7)
            ])
    }

    @Test(
        "leave out rows of the audit and those that nobody knows",
        arguments: ["audit/1", "tenant/acme", "tenant/acme/secret/1", "else/x", "tenant", "x"])
    func others(key: String) throws {
        let commit = try Self.commit([(key, "sealed"), (key + "2", nil)])
        #expect(WatchEvent.events(of: commit, tenant: nil).isEmpty)
    }

    @Test("tell of a row that is gone whose it was where the commit is one tenant's")
    func gone() throws {
        let rows: [(String, String?)] = [("name/a.test", nil), ("port/eu/1", nil)]
        let alone = WatchEvent.events(of: try Self.commit(rows), tenant: nil)
        #expect(alone.map(\.tenant) == [nil, nil] && alone.allSatisfy { $0.action == .delete })
        let ones = try Self.commit(rows + [("tenant/acme/document", nil)])
        #expect(WatchEvent.events(of: ones, tenant: nil).map(\.tenant) == ["acme", "acme", "acme"])
        let two = try Self.commit(
            rows + [("tenant/acme/document", nil), ("tenant/zed/document", "{}")])
        #expect(
            WatchEvent.events(of: two, tenant: nil).map(\.tenant) == [nil, nil, "acme", "zed"])
    }

    @Test("for one tenant are its own only")
    func filtered() throws {
        let commit = try Self.commit([
            ("tenant/acme/document", "{}"), ("tenant/acme2/document", "{}"),
            ("name/a.test", "acme"), ("name/b.test", "acme2"), ("authority/installation", "{}"),
        ])
        let events = WatchEvent.events(of: commit, tenant: "acme")
        #expect(events.map(\.resource) == ["tenant/acme", "name/a.test"])
    }

    @Test("have the id at the last one only, and nothing of what rows say")
    func words() throws {
        let commit = try Self.commit([
            ("tenant/acme/certificate/main", #"{"sealed_key":"c2VjcmV0"}"#),
            ("name/\"a\".test", "acme"),
        ])
        let text = WatchText.commit(WatchEvent.events(of: commit, tenant: nil))
        #expect(
            text == """
                event: certificate
                data: {"resource":"tenant/acme/certificate/main","tenant":"acme","action":"put",\
                "revision":7}

                id: 7
                event: name
                data: {"resource":"name/\\"a\\".test","tenant":"acme","action":"put","revision":7}


                """)
        #expect(WatchText.commit([]).isEmpty)
        #expect(
            WatchText.live(7, milliseconds: 1.5)
                == "event: live\ndata: {\"revision\":7,\"milliseconds\":1.5}\n\n")
        #expect(WatchText.live(7, milliseconds: nil) == "event: live\ndata: {\"revision\":7}\n\n")
        #expect(
            WatchText.compacted(goingOnFrom: 9)
                == "id: 9\nevent: compacted\ndata: {\"revision\":9}\n\n")
        #expect(WatchText.ended("a\nb") == "event: ended\ndata: {\"reason\":\"a\\nb\"}\n\n")
    }
}
