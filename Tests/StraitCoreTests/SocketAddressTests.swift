// Where a socket is, as text.

import StraitCore
import Testing

@Suite("SocketAddress") struct SocketAddressTests {
    @Test(
        "every form is read and written again",
        arguments: [
            "1.2.3.4:80", "[::1]:443", "[2001:db8::1]:65535", "0.0.0.0:0",
            "unix:/run/strait/admin.sock", "unix:/",
        ])
    func roundTrip(text: String) {
        #expect(SocketAddress(text)?.description == text)
    }

    @Test("a mapped address is written as IPv4")
    func mapped() {
        #expect(SocketAddress("[::ffff:10.0.0.1]:5432")?.description == "10.0.0.1:5432")
    }

    @Test(
        "what is no socket address is refused",
        arguments: [
            "", ":", "1.2.3.4", "1.2.3.4:", ":80", "1.2.3.4:65536", "1.2.3.4:+80", "1.2.3.4:8a",
            "1.2.3.4:100000",
            "1.2.3.4:-1", "1.2.3.4: 80", "::1:80", "[::1]", "[::1]80", "[1.2.3.4]:80", "[::1:80",
            "::1]:80", "[]:80",
            "[[::1]]:80", "[::1%lo]:80", "localhost:80", "1.2.3.4:080", "1.2.3.4:00", "unix:",
            "unix:run", "unix:./x", "/run/x",
            "UNIX:/run/x",
        ])
    func refused(text: String) {
        #expect(SocketAddress(text) == nil)
    }

    @Test("a path has 107 bytes at most and no NUL")
    func path() {
        let longest = "/" + String(repeating: "x", count: 106)
        #expect(SocketAddress("unix:" + longest) == .unix(path: longest))
        #expect(SocketAddress("unix:" + longest + "x") == nil)
        #expect(SocketAddress("unix:/a\0b") == nil)
    }

    @Test("the address and port of a path are none")
    func parts() {
        #expect(SocketAddress.unix(path: "/x").address == nil)
        #expect(SocketAddress.unix(path: "/x").port == 0)
        #expect(SocketAddress("[::1]:443")?.port == 443)
        #expect(SocketAddress("[::1]:443")?.address == IPAddress("::1"))
    }
}
