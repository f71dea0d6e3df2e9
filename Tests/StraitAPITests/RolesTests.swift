// Who may ask for what, by TLS with certificates: every request with every identity.

import Foundation
import StraitAPI
import StraitControl
import StraitCore
import StraitState
import Testing

@Suite("Roles", .timeLimit(.minutes(2))) struct RolesTests {
    /// Every request, and whose it is: anyone's, a tenant's administrators' too, or the operators'.
    private static let requests = """
        anyone   GET /livez
        anyone   GET /healthz
        anyone   GET /readyz
        anyone   GET /version
        anyone   GET /v1/openapi.json
        anyone   GET /v1/whoami
        anyone   GET /v1/installation/authority
        scoped   GET /v1/tenants
        scoped   GET /v1/audit
        operator GET /v1/connections
        operator GET /v1/connections/{id}
        operator DELETE /v1/connections/{id}
        scoped   GET /v1/top
        scoped   GET /v1/names
        operator POST /v1/tenants/{name}/rename
        tenant   GET /v1/tenants/{name}/problems
        operator GET /v1/regions
        operator GET /v1/regions/{name}
        operator PUT /v1/regions/{name}
        operator DELETE /v1/regions/{name}
        operator GET /v1/state/tenants
        operator PUT /v1/state/tenants/{name}
        operator GET /v1/state/ports
        operator PUT /v1/state/ports
        operator GET /v1/state/installation
        operator PUT /v1/state/installation
        operator GET /v1/routers
        operator GET /v1/routers/{name}
        lasts    GET /v1/watch
        tenant   GET /v1/tenants/{name}
        tenant   PUT /v1/tenants/{name}
        tenant   GET /v1/tenants/{name}/ports
        tenant   GET /v1/tenants/{name}/certificates
        tenant   GET /v1/tenants/{name}/certificates/{item}
        tenant   PUT /v1/tenants/{name}/certificates/{item}
        tenant   DELETE /v1/tenants/{name}/certificates/{item}
        tenant   GET /v1/tenants/{name}/authorities
        tenant   GET /v1/tenants/{name}/authorities/{item}
        tenant   PUT /v1/tenants/{name}/authorities/{item}
        tenant   DELETE /v1/tenants/{name}/authorities/{item}
        tenant   GET /v1/tenants/{name}/administrators
        tenant   POST /v1/tenants/{name}/administrators
        tenant   DELETE /v1/tenants/{name}/administrators/{fingerprint}
        operator GET /metrics
        operator GET /v1/status
        operator POST /v1/explain
        operator GET /v1/ports
        operator GET /v1/operators
        operator POST /v1/operators
        operator DELETE /v1/operators/{fingerprint}
        operator POST /v1/reload
        operator POST /v1/cancel-key
        operator DELETE /v1/drain
        operator DELETE /v1/upgrade
        ends     POST /v1/drain
        ends     POST /v1/upgrade
        tenant   DELETE /v1/tenants/{name}
        """

    private static var table: [(role: String, method: String, path: String)] {
        Self.requests.split(separator: "\n").map { line in
            let words = line.split(separator: " ").map(String.init)
            return (words[0], words[1], words[2])
        }
    }

    private static func filled(_ path: String) -> String {
        path.replacing("{name}", with: "acme").replacing("{item}", with: "one")
            .replacing("{id}", with: "c-0000000000000")
            .replacing("{fingerprint}", with: String(repeating: "0", count: 64))
    }

    @Test("every request of the API, with every identity")
    func everyRequest() async throws {
        let rig = try await RemoteRig()
        #expect(Set(Self.table.map { "\($0.method) \($0.path)" }) == rig.rig.requests)
        let anna = try await rig.issue("anna")
        let bob = try await rig.issue("bob", tenant: "acme")
        let eve = try await rig.issue("eve", tenant: "beta")
        let gone = try await rig.issue("gone", tenant: "acme")
        let withdrawn = try await anna.ask(
            "DELETE", "/v1/tenants/acme/administrators/\(gone.fingerprint)")
        #expect(withdrawn.status == 200)
        for (role, method, path) in Self.table {
            let target = Self.filled(path)
            let body = method == "PUT" || method == "POST" ? "{}" : ""
            #expect(try await gone.ask(method, target, body: body).status == 401, "\(target)")
            if role == "lasts" { continue }  // see below: its answer has no end
            let other = try await eve.ask(method, target, body: body)
            let isOpen = role == "anyone" || role == "scoped"
            #expect((other.status == 403) == !isOpen, "\(method) \(path): \(other)")
            if !isOpen { #expect(other.text.contains("role operator would do"), "\(other)") }
            if method == "DELETE", path == "/v1/tenants/{name}" { continue }
            let own = try await bob.ask(method, target, body: body)
            let isForbidden = role == "operator" || role == "ends"
            #expect((own.status == 403) == isForbidden, "\(method) \(path): \(own)")
            #expect(own.status != 401 && own.status != 500, "\(method) \(path): \(own)")
            guard role != "ends" else { continue }
            let all = try await anna.ask(method, target, body: body)
            #expect(![401, 403].contains(all.status), "\(method) \(path): \(all)")
        }
        // Who administers a tenant that is gone is nobody to the next of that name.
        #expect(try await bob.ask("DELETE", "/v1/tenants/acme").status == 200)
        #expect(try await rig.put("acme").status == 201)
        #expect(try await bob.ask("GET", "/v1/whoami").status == 401)
        #expect(try await eve.ask("GET", "/v1/whoami").status == 200)
        try await rig.end()
    }

    @Test("an administrator sees its own tenant alone")
    func scope() async throws {
        let rig = try await RemoteRig()
        let bob = try await rig.issue("bob", tenant: "acme")
        let tenants = try await bob.ask("GET", "/v1/tenants").text
        #expect(tenants.contains("acme") && !tenants.contains("beta"))
        #expect(!(try await bob.ask("GET", "/v1/tenants?after=acme").text).contains("acme"))
        let audit = try await bob.ask("GET", "/v1/audit").text
        #expect(audit.contains("tenant/acme") && !audit.contains("beta"))
        let anna = try await rig.issue("anna")
        #expect(try await anna.ask("GET", "/v1/connections").text.contains("operators"))
        let top = try await bob.ask("GET", "/v1/top?tenant=beta").text
        #expect(top.contains("acme") && !top.contains("beta"))
        let told = try await bob.watch("/v1/watch?after=0&tenant=beta", until: "tenant/acme")
        #expect(!told.contains("beta"), "\(told)")
        let who = try await bob.ask("GET", "/v1/whoami").text
        #expect(who.contains(#""role":"administrator""#) && who.contains(#""tenant":"acme""#))
        try await rig.end()
    }

    @Test("an administrator changes its tenant, but not what others would pay for")
    func rules() async throws {
        let rig = try await RemoteRig()
        let bob = try await rig.issue("bob", tenant: "acme")
        func put(_ more: String) async throws -> (status: Int, text: String) {
            try await bob.ask(
                "PUT", "/v1/tenants/acme", body: RemoteRig.document("acme", more))
        }
        func service(_ upstream: String, host: String = "www.example.org") -> String {
            """
            ,"services":[{"name":"www","protocol":"web","mode":"passthrough","hosts":["\(host)"],\
            "upstreams":[{"address":"\(upstream)"}]}]
            """
        }
        #expect(try await put(service("tcp://10.1.2.3:80")).status == 200)
        let refused = [
            service("tcp://127.0.0.1:80"), service("unix:/run/strait/admin.sock"),
            service("tcp://169.254.169.254:80"), service("tcp://[::1]:80"),
            service("tcp://[::ffff:127.0.0.1]:80"), service("tcp://[fe80::1]:80"),
            service("tcp://[64:ff9b::7f00:1]:80"), service("tcp://[2002:7f00:1::]:80"),
            service("tcp://[::ffff:0:127.0.0.1]:80"), service("tcp://[fec0::1]:80"),
            service("tcp://[fd00:ec2::254]:80"), service("tcp://100.100.100.200:80"),
            service("tcp://168.63.129.16:80"),
            service("tcp://10.1.2.3:80", host: "*.com"),
            service("tcp://10.1.2.3:80", host: "localhost"),
            service("tcp://10.1.2.3:80", host: "*.example.com"),
            service("tcp://10.1.2.3:80", host: "gamma.example.com"),
            service("tcp://10.1.2.3:80", host: "*.gamma.example.com"),
            #","limits":{"connections":1000000}"#,
            #","domains":["acme.example.com","acme.example.org"]"#,
        ]
        for more in refused {
            let answer = try await put(more)
            #expect([403, 422].contains(answer.status), "\(more): \(answer)")
        }
        let own = service("tcp://10.1.2.3:80", host: "*.apps.acme.example.com")
        #expect(try await put(own).status == 200)
        let limits = try await put(#","limits":{"connections":1000000}"#)
        #expect(limits.status == 403 && limits.text.contains("role operator would do"))
        let loopback = try await put(service("tcp://127.0.0.1:80"))
        #expect(loopback.status == 403)
        let row = try await bob.ask("GET", "/v1/audit").text
        #expect(row.contains(bob.name))
        // What an operator has written stays with what its administrator writes.
        let local = service("tcp://127.0.0.1:80") + #","limits":{"connections":7}"#
        #expect(try await rig.put("acme", local).status == 200)
        let both = local.replacing(#""hosts""#, with: #""default":true,"hosts""#)
        #expect(try await put(both).status == 200)
        let moved = local.replacing(#""name":"www""#, with: #""name":"web""#)
        #expect(try await put(moved).status == 403, "it is not another service's to use")
        let opened = local.replacing("passthrough", with: "terminate")
        #expect(try await put(opened).status == 403, "nor is it to be opened here")
        // Conflicts do not tell whose a name is.
        let beta = service("tcp://10.1.2.3:80", host: "shop.example.net")
            .replacing("www", with: "shop")
        let document = RemoteRig.document("beta", beta).replacing(
            #""beta.example.com""#, with: #""beta.example.com","beta.example.edu""#)
        let changed = try await rig.rig.ask("PUT", "/v1/tenants/beta", body: document)
        #expect(changed.status == 200, "\(changed)")
        for name in ["shop.example.net", "x.beta.example.edu"] {
            let taken = try await put(
                service("tcp://10.1.2.3:80", host: name) + #","limits":{"connections":7}"#)
            #expect([409, 422].contains(taken.status), "\(taken)")
            #expect(!taken.text.contains("tenant beta") && !taken.text.contains(#"\"beta\""#))
            #expect(taken.text.contains("another tenant"), "\(taken)")
        }
        try await rig.end()
    }

    @Test("names in other tenants' way, and those of the router, are not an administrator's")
    func names() async throws {
        let rig = try await RemoteRig()
        let bob = try await rig.issue("bob", tenant: "acme")
        func put(_ host: String) async throws -> (status: Int, text: String) {
            let more =
                #","services":[{"name":"www","protocol":"web","mode":"passthrough","#
                + #""hosts":["\#(host)"],"upstreams":[{"address":"tcp://10.1.2.3:80"}]}]"#
            return try await bob.ask(
                "PUT", "/v1/tenants/acme?dry_run=true", body: RemoteRig.document("acme", more))
        }
        let service =
            #","services":[{"name":"www","protocol":"web","mode":"passthrough","#
            + #""hosts":["*.shop.example.net","one.example.edu"],"#
            + #""upstreams":[{"address":"tcp://10.1.2.3:80"}]}]"#
        let document = RemoteRig.document("beta", service)
            .replacing(#""beta.example.com""#, with: #""beta.example.com","b.zone.example.org""#)
        #expect(
            try await rig.rig.ask("PUT", "/v1/tenants/beta", body: document).status == 200)
        for host in [
            "login.shop.example.net", "*.example.edu", "x.zone.example.org", "*.zone.example.org",
            "*.x.zone.example.org",
        ] {
            let answer = try await put(host)
            #expect(answer.status == 422 && !answer.text.contains("beta"), "\(host): \(answer)")
        }
        for host in ["router-1.example.org", "*.example.org"] {
            let answer = try await put(host)
            #expect(answer.status == 403 && answer.text.contains("router"), "\(host): \(answer)")
        }
        for host in ["shop.example.net", "two.example.edu", "x.y.shop.example.net"] {
            let answer = try await put(host)
            #expect(answer.status == 200, "\(host): \(answer)")
        }
        try await rig.end()
    }

    @Test("one change of a tenant's administrators at a time, tried ones too")
    func turns() async throws {
        let hold = DispatchSemaphore(value: 0)
        let (asked, ask) = AsyncStream<Void>.makeStream()
        let rig = try await RemoteRig { name in
            ask.yield()
            hold.wait()
            return (.none, .none)
        }
        let bob = try await rig.issue("bob", tenant: "acme")
        let eve = try await rig.issue("eve", tenant: "beta")
        let body = RemoteRig.document(
            "acme",
            #","services":[{"name":"www","protocol":"web","mode":"passthrough","#
                + #""upstreams":[{"address":"tcp://held.internal:80"}]}]"#)
        async let first = bob.ask("PUT", "/v1/tenants/acme?dry_run=true", body: body)
        for await _ in asked { break }
        let second = try await bob.ask(
            "PUT", "/v1/tenants/acme?dry_run=true", body: RemoteRig.document("acme"))
        #expect(second.status == 429, "\(second)")
        #expect(try await bob.ask("GET", "/v1/tenants/acme").status == 200)
        let other = try await eve.ask(
            "PUT", "/v1/tenants/beta?dry_run=true", body: RemoteRig.document("beta"))
        #expect(other.status == 200)
        hold.signal()
        #expect(try await first.status == 200)
        let third = try await bob.ask(
            "PUT", "/v1/tenants/acme?dry_run=true", body: RemoteRig.document("acme"))
        #expect(third.status == 200)
        for _ in 0..<9 { hold.signal() }  // whoever asks again
        try await rig.end()
    }

    @Test("who was withdrawn while a body came is nobody, and so is who watches")
    func meanwhile() async throws {
        let rig = try await RemoteRig()
        let anna = try await rig.issue("anna")
        let answer = try await anna.exchange(
            head: "POST /v1/operators HTTP/1.1\r\nHost: a\r\nContent-Length: 14\r\n\r\n",
            then: { try await rig.rig.ask("DELETE", "/v1/operators/\(anna.fingerprint)") },
            body: #"{"name":"eve"}"#)
        #expect(answer.hasPrefix("HTTP/1.1 401"), "\(answer)")
        #expect(try await rig.rig.ask("GET", "/v1/operators").body.contains("eve") == false)
        try await rig.end()
    }

    @Test("a GET with a body is refused; one certificate has so many connections")
    func bounds() async throws {
        let rig = try await RemoteRig()
        let bob = try await rig.issue("bob", tenant: "acme")
        let watch = try await bob.ask("GET", "/v1/watch", body: "x")
        #expect(watch.status == 400)
        let most = Limits.adminConnectionsPerCertificateMax
        let bobs = Array(repeating: bob, count: most + 3)
        #expect(try await Remote.opened(bobs).closed == 3)
        try await rig.end()
    }

    @Test("a tenant's administrators have so many connections together, and operators room")
    func connectionsOfTenants() async throws {
        let rig = try await RemoteRig()
        let carol = try await rig.issue("carol")
        let most = Limits.adminConnectionsPerCertificateMax
        var all: [Remote] = []
        for name in ["acme", "beta", "gamma", "delta"] {
            if name > "c" { #expect(try await rig.put(name).status == 201) }
            for number in 0..<Limits.adminConnectionsPerTenantMax / most {
                let remote = try await rig.issue("a\(number)", tenant: name)
                all += Array(repeating: remote, count: most)
            }
        }
        let eve = try await rig.issue("eve", tenant: "acme")
        let own = Limits.adminConnectionsPerTenantMax
        let ofOne = try await Remote.opened(Array(all[..<own]) + [eve, eve], beside: carol)
        #expect(ofOne.closed == 2)
        #expect(ofOne.other == 200)
        let ofAll = try await Remote.opened(all, beside: carol)
        #expect(ofAll.closed == all.count - Limits.adminConnectionsOfTenantsMax)
        #expect(ofAll.other == 200)
        try await rig.end()
    }

    @Test("a tenant with more rows than a commit takes is removed all the same")
    func many() async throws {
        let rig = try await RemoteRig()
        for number in 0..<70 { _ = try await rig.issue("a\(number)", tenant: "acme") }
        let gone = try await rig.rig.ask("DELETE", "/v1/tenants/acme")
        #expect(gone.status == 200, "\(gone)")
        #expect(try await rig.put("acme").status == 201)
        let list = try await rig.rig.ask("GET", "/v1/tenants/acme/administrators")
        #expect(list.body == "{\"identities\":[]}\n", "\(list)")
        try await rig.end()
    }

    @Test("a tenant is renamed however many administrators it has; those are nobody's then")
    func renamed() async throws {
        let rig = try await RemoteRig()
        let bob = try await rig.issue("bob", tenant: "acme")
        for number in 0..<70 { _ = try await rig.issue("a\(number)", tenant: "acme") }
        let path = "/v1/tenants/acme/rename"
        let moved = try await rig.rig.ask("POST", path, body: #"{"name":"anvil","grace":"0s"}"#)
        #expect(moved.status == 200, "\(moved)")
        #expect(try await bob.ask("GET", "/v1/whoami").status == 401)
        let list = try await rig.rig.ask("GET", "/v1/tenants/anvil/administrators")
        #expect(list.body == "{\"identities\":[]}\n", "\(list)")
        // The names of the old one are free; its administrators stay nobody.
        let document = RemoteRig.document("acme").replacing("acme.ex", with: "a.ex")
        #expect(
            try await rig.rig.ask("PUT", "/v1/tenants/acme", body: document).status == 201)
        #expect(try await bob.ask("GET", "/v1/whoami").status == 401)
        try await rig.end()
    }

    @Test("a rename that does not fit one commit is refused when it is tried, too")
    func renamedLarge() async throws {
        let rig = try await RemoteRig()
        for count in [40, 70] {
            let hosts = (0..<count).map { "\"h\($0).example.net\"" }.joined(separator: ",")
            let service =
                #","services":[{"name":"www","protocol":"web","mode":"passthrough","#
                + #""hosts":[\#(hosts)],"upstreams":[{"address":"tcp://10.1.2.3:80"}]}]"#
            #expect(try await rig.put("acme", service).status < 300)
        }
        for query in ["?dry_run=true", ""] {
            let answer = try await rig.rig.ask(
                "POST", "/v1/tenants/acme/rename" + query, body: #"{"name":"anvil"}"#)
            #expect(answer.status == 422 && answer.body.contains("in one commit"), "\(answer)")
        }
        try await rig.end()
    }

    @Test("who shows no certificate, or another authority's, is not heard")
    func strangers() async throws {
        let rig = try await RemoteRig()
        let other = try await RemoteRig()
        let stranger = try await other.issue("anna")
        guard case .https(let host, _, let file) = stranger.endpoint else { return }
        let here = Remote(
            endpoint: .https(host: host, port: rig.port, file), fingerprint: "", name: "")
        await #expect(throws: AdminRequest.Failure.self) {
            _ = try await here.ask("GET", "/v1/whoami")
        }
        try await other.end()
        try await rig.end()
    }
}
