// The program that the kernel runs when a connection arrives and no connection has its addresses:
// it looks the port up in a table and gives the connection to a listening socket, whatever port
// that one is bound to. Read beside the kernel's Documentation/bpf/prog_sk_lookup.rst.

internal import CStrait
internal import Glibc
internal import StraitCore

/// The instructions for one local address; 30 for `::`.
///
/// In the words of C, with `ctx` what arrives:
/// ```
/// if (ctx->protocol != IPPROTO_TCP || ctx's local address is another) return SK_PASS;
/// u8 verdict = table[ctx->local_port];
/// if (verdict == 0) return SK_PASS;      // who listens there, else it is refused
/// if (verdict == 255) return SK_DROP;    // refused, whoever listens there
/// sk = sockets[verdict - 1];
/// if (sk) { bpf_sk_assign(ctx, sk, 0); bpf_sk_release(sk); }
/// return SK_PASS;
/// ```
/// Where an earlier program of the network namespace has chosen a socket, `bpf_sk_assign` fails and
/// that choice stays; it fails for IPv4 and a socket of IPv6 alone, too. A socket that is closed
/// leaves `sockets` by itself.
struct SteeringProgram {
    /// As bpf(2) takes them.
    private(set) var instructions: [UInt64] = []
    private var jumpsToPass: [Int] = []

    /// - Parameters:
    ///   - address: The local address that downstreams dial; `0.0.0.0` is any of IPv4, `::` any.
    ///   - table: The map with a byte for each port.
    ///   - sockets: The map with the listening sockets.
    init(address: IPAddress, table: Int32, sockets: Int32) {
        let (context, socket, frame): (UInt64, UInt64, UInt64) = (6, 7, 10)
        self.append(0xBF, context, 1)  // r6 = r1, the context
        self.load(2, context, Field.protocol)
        self.passUnless(2, equals: UInt32(IPPROTO_TCP))
        self.match(address, context)
        self.load(2, context, Field.localPort)
        self.append(0x57, 2, value: UInt32(PortSet.capacity - 1))  // r2 &= 65535, for the verifier
        self.loadMap(1, table, source: 2)  // r1 = the table's bytes (BPF_PSEUDO_MAP_VALUE)
        self.append(0x0F, 1, 2)  // r1 += r2
        self.append(0x71, socket, 1)  // r7 = *(u8 *)r1
        self.passIf(socket, equals: 0)
        // if != 255, skip two
        self.append(0x55, socket, offset: 2, value: UInt32(SteeringVerdict.refused))
        self.append(0xB7, 0, value: 0)  // r0 = SK_DROP
        self.append(0x95)  // exit
        self.append(0x07, socket, value: UInt32(bitPattern: -1))  // r7 -= 1
        self.append(0x63, frame, socket, offset: -4)  // *(u32 *)(r10 - 4) = r7
        self.loadMap(1, sockets, source: 1)  // r1 = the map (BPF_PSEUDO_MAP_FD)
        self.append(0xBF, 2, frame)
        self.append(0x07, 2, value: UInt32(bitPattern: -4))  // r2 = r10 - 4
        self.append(0x85, value: 1)  // r0 = bpf_map_lookup_elem(r1, r2)
        self.passIf(0, equals: 0)
        self.append(0xBF, socket, 0)  // r7 = r0
        self.append(0xBF, 1, context)
        self.append(0xBF, 2, socket)
        self.append(0xB7, 3, value: 0)
        self.append(0x85, value: 124)  // bpf_sk_assign(r1, r2, 0)
        self.append(0xBF, 1, socket)
        self.append(0x85, value: 86)  // bpf_sk_release(r1)
        let pass = self.instructions.count
        self.append(0xB7, 0, value: 1)  // r0 = SK_PASS
        self.append(0x95)
        for jump in self.jumpsToPass { self.instructions[jump] |= UInt64(pass - jump - 1) << 16 }
    }

    private mutating func match(_ address: IPAddress, _ context: UInt64) {
        let isWildcard =
            address.isIPv4 ? address.v4Bits == 0 : address.high == 0 && address.low == 0
        if isWildcard, !address.isIPv4 { return }
        self.load(2, context, Field.family)
        self.passUnless(2, equals: UInt32(address.isIPv4 ? AF_INET : AF_INET6))
        if isWildcard { return }
        let words: [UInt32]
        if address.isIPv4 {
            words = [address.v4Bits]
        } else {
            words = [
                UInt32(address.high >> 32), UInt32(truncatingIfNeeded: address.high),
                UInt32(address.low >> 32), UInt32(truncatingIfNeeded: address.low),
            ]
        }
        let field = address.isIPv4 ? Field.localIP4 : Field.localIP6
        for (index, word) in words.enumerated() {
            self.load(2, context, field + UInt64(4 * index))
            self.passUnless(2, equals: word.bigEndian)  // the context has network order
        }
    }

    /// Offsets in `struct bpf_sk_lookup`.
    private enum Field {
        static let family: UInt64 = 8
        static let `protocol`: UInt64 = 12
        static let localIP4: UInt64 = 40
        static let localIP6: UInt64 = 44
        static let localPort: UInt64 = 60
    }

    // MARK: Encoding: `struct bpf_insn`

    private mutating func append(
        _ code: UInt64, _ target: UInt64 = 0, _ source: UInt64 = 0, offset: Int16 = 0,
        value: UInt32 = 0
    ) {
        let offset = UInt64(UInt16(bitPattern: offset))
        self.instructions.append(
            code | target << 8 | source << 12 | offset << 16 | UInt64(value) << 32)
    }

    /// In C: `target = *(u32 *)(source + offset)`.
    private mutating func load(_ target: UInt64, _ source: UInt64, _ offset: UInt64) {
        self.append(0x61, target, source, offset: Int16(offset))
    }

    /// Two instructions; `source` says what of the map the register gets.
    private mutating func loadMap(_ target: UInt64, _ map: Int32, source: UInt64) {
        self.append(0x18, target, source, value: UInt32(bitPattern: map))
        self.append(0)
    }

    /// By 32 bits: in 64 bits the value would be extended by its sign.
    private mutating func passUnless(_ register: UInt64, equals value: UInt32) {
        self.jumpsToPass.append(self.instructions.count)
        self.append(0x56, register, value: value)
    }

    private mutating func passIf(_ register: UInt64, equals value: UInt32) {
        self.jumpsToPass.append(self.instructions.count)
        self.append(0x15, register, value: value)
    }
}

/// What the table says of a port.
enum SteeringVerdict {
    /// The kernel goes on as if there were no program.
    static let pass: UInt8 = 0
    /// The connection is refused; lower ones are a place among the sockets, from 1 on.
    static let refused: UInt8 = 255
}
