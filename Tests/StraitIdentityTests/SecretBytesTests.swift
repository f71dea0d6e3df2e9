// That nothing shows a secret by accident.

import StraitIdentity
import Testing

@Suite("SecretBytes") struct SecretBytesTests {
    @Test("no way of making text of it, or of what holds it, shows its bytes")
    func hidden() {
        struct Holder { let secret: SecretBytes }
        let secret = SecretBytes(Array("hunter2".utf8))
        var dumped = ""
        dump(Holder(secret: secret), to: &dumped)
        for text in [
            "\(secret)", String(reflecting: secret), "\(Holder(secret: secret))", dumped,
        ] {
            #expect(text.contains("secret of 7 bytes"))
            #expect(!text.contains("hunter2") && !text.contains("104"))
        }
        #expect(secret.revealed == Array("hunter2".utf8))
    }
}
