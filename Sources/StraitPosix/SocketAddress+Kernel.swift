// Between our addresses and the kernel's `sockaddr`.

internal import Glibc
internal import StraitCore

/// A `sockaddr` of any family that we know.
@safe struct KernelAddress {
    private var storage = sockaddr_storage()
    private(set) var length = socklen_t(MemoryLayout<sockaddr_storage>.size)

    /// Room for the kernel to write an address into.
    init() {}

    /// The kernel's form of `address`.
    ///
    /// `mapped`: an IPv4 address in an IPv6 socket's form.
    init(_ address: SocketAddress) {
        switch address {
        case .ip(let ip, let port) where ip.isIPv4:
            var form = sockaddr_in()
            form.sin_family = sa_family_t(AF_INET)
            form.sin_port = port.bigEndian
            form.sin_addr.s_addr = ip.v4Bits.bigEndian
            self.store(form)
        case .ip(let ip, let port):
            var form = sockaddr_in6()
            form.sin6_family = sa_family_t(AF_INET6)
            form.sin6_port = port.bigEndian
            unsafe withUnsafeMutableBytes(of: &form.sin6_addr) { bytes in
                unsafe bytes.storeBytes(of: ip.high.bigEndian, as: UInt64.self)
                unsafe bytes.storeBytes(of: ip.low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            self.store(form)
        case .unix(let path):
            var form = sockaddr_un()
            form.sun_family = sa_family_t(AF_UNIX)
            unsafe withUnsafeMutableBytes(of: &form.sun_path) { bytes in
                for (index, byte) in path.utf8.prefix(bytes.count - 1).enumerated() {
                    unsafe bytes[index] = byte
                }
            }
            self.store(form)
        }
    }

    /// The kernel's form of a UNIX socket's name; `@` in front stands for the NUL that begins an
    /// abstract one, which has no other end than its length, unix(7).
    init(localName name: String) {
        var form = sockaddr_un()
        form.sun_family = sa_family_t(AF_UNIX)
        let isAbstract = name.hasPrefix("@")
        let count = unsafe withUnsafeMutableBytes(of: &form.sun_path) { bytes in
            let name = name.utf8.prefix(bytes.count)
            for (index, byte) in name.enumerated() {
                unsafe bytes[index] = isAbstract && index == 0 ? 0 : byte
            }
            return name.count
        }
        self.store(form)
        guard isAbstract else { return }
        let head = MemoryLayout<sockaddr_un>.size - MemoryLayout.size(ofValue: form.sun_path)
        self.length = socklen_t(head + count)
    }

    /// Our form of what the kernel wrote; nil for a family that we do not know.
    var socketAddress: SocketAddress? {
        switch Int32(self.storage.ss_family) {
        case AF_INET:
            let form = self.load(sockaddr_in.self)
            return .ip(
                IPAddress(v4: UInt32(bigEndian: form.sin_addr.s_addr)),
                port: UInt16(bigEndian: form.sin_port))
        case AF_INET6:
            let form = self.load(sockaddr_in6.self)
            let (high, low) = unsafe withUnsafeBytes(of: form.sin6_addr) { bytes in
                unsafe (
                    UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
                )
            }
            return .ip(IPAddress(high: high, low: low), port: UInt16(bigEndian: form.sin6_port))
        case AF_UNIX:
            let form = self.load(sockaddr_un.self)
            let path = unsafe withUnsafeBytes(of: form.sun_path) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            return .unix(path: path)
        default: return nil
        }
    }

    /// Lends the address to a system call that reads it.
    func withPointer<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        unsafe withUnsafePointer(to: self.storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, self.length)
            }
        }
    }

    /// Lends the room to a system call that writes an address.
    mutating func withMutablePointer<Result>(
        _ body: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Result
    ) -> Result {
        var length = self.length
        defer { self.length = length }
        return unsafe withUnsafeMutablePointer(to: &self.storage) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, &length)
            }
        }
    }

    private mutating func store<Form>(_ form: Form) {
        self.length = socklen_t(MemoryLayout<Form>.size)
        unsafe withUnsafeMutableBytes(of: &self.storage) { bytes in
            unsafe withUnsafeBytes(of: form) { unsafe bytes.copyMemory(from: $0) }
        }
    }

    /// The first bytes of the storage as one of the kernel's forms, none of which is longer.
    private func load<Form>(_: Form.Type) -> Form {
        unsafe withUnsafePointer(to: self.storage) { pointer in
            unsafe UnsafeRawPointer(pointer).assumingMemoryBound(to: Form.self).pointee
        }
    }
}
