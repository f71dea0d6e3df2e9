// What is said to who asks why a connection was refused.

import StraitControl
import StraitCore
import Testing

@Suite("RefusalFacts") struct RefusalFactsTests {
    @Test(
        "every refusal says what would have made it pass, and nothing else does",
        arguments: CloseReason.Kind.allCases)
    func everyRefusal(kind: CloseReason.Kind) {
        let remedy = RefusalFacts().remedy(for: kind)
        #expect((remedy != nil) == (kind.check != nil))
        #expect(remedy?.isEmpty != true && remedy?.hasSuffix(".") != true)
    }

    @Test(
        "names what the record names",
        arguments: [
            (CloseReason.Kind.nameUnknown, "a.test"), (.proxySourceUntrusted, "192.0.2.1"),
            (.protocolNotAllowed, "listener public"), (.connectFailed, "10.0.0.1:22"),
            (.connectionLimit, "tenant acme"), (.clientCertificateRejected, "tenant acme"),
            (.alpnMismatch, "a.test"), (.noDefaultService, "listener public"),
            (.rateLimit, "limits.new_connections_per_second"), (.cancelLimit, "cancel requests"),
        ])
    func names(kind: CloseReason.Kind, word: String) {
        var facts = RefusalFacts()
        facts.serverName = "a.test"
        facts.listener = "public"
        facts.tenant = "acme"
        facts.peer = "192.0.2.1"
        facts.upstream = "10.0.0.1:22"
        #expect(facts.remedy(for: kind)?.contains(word) == true)
    }
}
