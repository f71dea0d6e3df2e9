// Addresses: odd spellings in, one spelling out.

import StraitCore
import Testing

@Suite("IPAddress") struct IPAddressTests {
    @Test(
        "every spelling of an address is written as RFC 5952 has it",
        arguments: [
            // RFC 5952 §4.1 to §4.3.
            ("2001:0db8::0001", "2001:db8::1"), ("2001:db8:0:0:0:0:2:1", "2001:db8::2:1"),
            ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
            ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"), ("2001:DB8::AbCd", "2001:db8::abcd"),
            ("0:0:0:0:0:0:0:0", "::"), ("::", "::"), ("::1", "::1"), ("1::", "1::"),
            ("0:0:1::", "0:0:1::"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"), ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("1::8", "1::8"),
            ("fe80:0000:0000:0000::0001", "fe80::1"),
            ("64:ff9b::192.0.2.33", "64:ff9b::c000:221"),
            ("1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"),
            (
                "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
                "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
            ),
            // IPv4, also within IPv6.
            ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"),
            ("::ffff:10.0.0.1", "10.0.0.1"),
            ("::FFFF:0a00:0001", "10.0.0.1"), ("0:0:0:0:0:ffff:10.0.0.1", "10.0.0.1"),
            ("::10.0.0.1", "::a00:1"),
        ])
    func canonical(text: String, expected: String) throws {
        let address = try #require(IPAddress(text))
        #expect(address.description == expected)
        #expect(IPAddress(expected) == address)
        #expect(IPAddress(ascii: Array(text.utf8).span) == address)
    }

    @Test(
        "what is no strict spelling is refused",
        arguments: [
            "", ".", ":", ":::", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3",
            "256.1.1.1", "1.1.1.1000",
            "01.2.3.4", "1.2.3.04", "00.0.0.0", "0x1.2.3.4", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4",
            "-1.2.3.4", "1.2.3.4:80",
            "1.2.3.a", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
            "::1:2:3:4:5:6:7:8", "1::2::3", ":1", "1:",
            "1:::2", "12345::", "00001::", "g::", "::%lo", "fe80::1%eth0", "[::1]", "::1/128",
            "::1.2.3", "::1.2.3.4.5",
            "::1.2.3.256", "1.2.3.4::", "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::ffff:01.2.3.4",
            "::ffff:1.2.3.4:",
            "::\0", "::１", "1.2.3.４", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.2555",
        ])
    func refused(text: String) {
        #expect(IPAddress(text) == nil)
        #expect(IPAddress(ascii: Array(text.utf8).span) == nil)
    }

    @Test("what was written is read again, for addresses of every shape")
    func roundTrip() {
        // Every pattern of zero groups, so every place of `::`.
        for pattern in 0..<256 {
            var words: (UInt64, UInt64) = (0, 0)
            for group in 0..<8 where pattern >> group & 1 == 1 {
                let bits = UInt64(0xA0 + group) << UInt64(48 - 16 * (group % 4))
                if group < 4 { words.0 |= bits } else { words.1 |= bits }
            }
            let address = IPAddress(high: words.0, low: words.1)
            #expect(IPAddress(address.description) == address)
        }
    }

    @Test("a mapped address is the IPv4 address itself")
    func mapped() {
        let address = IPAddress(high: 0, low: 0xFFFF_C000_0201)
        #expect(address.isIPv4)
        #expect(address == IPAddress(v4: 192, 0, 2, 1))
        #expect(address.v4Bits == 0xC000_0201)
        #expect(!IPAddress(high: 0, low: 0xC000_0201).isIPv4)
        #expect(!IPAddress(high: 1, low: 0xFFFF_C000_0201).isIPv4)
    }

    @Test("loopback is 127.0.0.0/8 and ::1, and nothing near them")
    func loopback() {
        for text in ["127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"] {
            #expect(IPAddress(text)?.isLoopback == true)
        }
        for text in ["126.255.255.255", "128.0.0.0", "::2", "::", "::127.0.0.1", "fe80::1"] {
            #expect(IPAddress(text)?.isLoopback == false)
        }
    }

    @Test("what can stand for one machine is neither unspecified nor many machines")
    func unicast() {
        for text in ["1.0.0.0", "10.0.3.7", "127.0.0.1", "223.255.255.255", "::1", "2001:db8::1"] {
            #expect(IPAddress(text)?.isUnicast == true)
        }
        let others = [
            "0.0.0.0", "0.1.2.3", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "ff02::1",
        ]
        for text in others { #expect(IPAddress(text)?.isUnicast == false) }
    }
}

@Suite("CIDRBlock") struct CIDRBlockTests {
    @Test(
        "a block holds its first and last address, and not their neighbours",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.128", "192.0.2.255", "192.0.2.127", "192.0.3.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.0", "192.0.2.2"),
            (
                "2001:db8::/32", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
                "2001:db7:ffff::", "2001:db9::"
            ),
            (
                "2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", "2001:db7::",
                "2001:db8:0:1::"
            ),
            (
                "2001:db8::/65", "2001:db8::", "2001:db8::7fff:ffff:ffff:ffff", "2001:db7::",
                "2001:db8:0:0:8000::"
            ),
            ("::1/128", "::1", "::1", "::", "::2"),
            ("::ffff:10.0.0.0/8", "10.0.0.0", "10.9.9.9", "9.0.0.0", "11.0.0.0"),
        ])
    func contains(text: String, first: String, last: String, before: String, after: String) throws {
        let block = try #require(CIDRBlock(text))
        for (address, isIn) in [(first, true), (last, true), (before, false), (after, false)] {
            #expect(block.contains(try #require(IPAddress(address))) == isIn, "\(address)")
        }
        #expect(CIDRBlock(block.description) == block)
    }

    @Test("a block of everything holds everything of its family only")
    func families() throws {
        let four = try #require(CIDRBlock("0.0.0.0/0"))
        let six = try #require(CIDRBlock("::/0"))
        let addresses = ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"].compactMap {
            IPAddress($0)
        }
        #expect(addresses.allSatisfy { four.contains($0) && !six.contains($0) })
        for text in ["::1", "ffff::", "::1.2.3.4"] {
            let address = try #require(IPAddress(text))
            #expect(six.contains(address))
            #expect(!four.contains(address))
        }
    }

    @Test(
        "what is no block is refused",
        arguments: [
            "", "/", "10.0.0.0/", "/8", "10.0.0.0/33", "::/129", "10.0.0.0/08", "10.0.0.0/+8",
            "10.0.0.0/-1", "10.0.0.0/8/8",
            "10.0.0.1/8", "2001:db8::1/64", "10.0.0.0/255.0.0.0", "10.0.0.0 /8", "10/8", "::/0000",
            "::/1a", "a/8",
            "0.0.0.1/0", "::1/0", "10.0.0.0/99999999999999999999",
        ])
    func refused(text: String) {
        #expect(CIDRBlock(text) == nil)
    }

    @Test("a block from its parts has no host bits and a prefix within its family")
    func parts() {
        #expect(
            CIDRBlock(address: IPAddress(v4: 10, 0, 0, 0), prefixBits: 8)?.description
                == "10.0.0.0/8")
        #expect(
            CIDRBlock(address: IPAddress(v4: 10, 0, 0, 0), prefixBits: 7)?.description
                == "10.0.0.0/7")
        #expect(CIDRBlock(address: IPAddress(v4: 10, 0, 0, 0), prefixBits: 6) == nil)
        #expect(CIDRBlock(address: IPAddress(v4: 0, 0, 0, 0), prefixBits: -1) == nil)
        #expect(CIDRBlock(address: IPAddress(v4: 0, 0, 0, 0), prefixBits: 33) == nil)
        #expect(CIDRBlock(address: IPAddress(high: 0, low: 0), prefixBits: 128) != nil)
    }
}
