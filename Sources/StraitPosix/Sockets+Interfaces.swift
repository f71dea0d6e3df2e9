// The addresses of this machine, getifaddrs(3).

internal import Glibc
package import StraitCore

extension Sockets {
    /// Every address of every interface; none where the kernel does not tell.
    package static func interfaceAddresses() -> [IPAddress] {
        var list: UnsafeMutablePointer<ifaddrs>?
        guard unsafe getifaddrs(&list) == 0 else { return [] }
        defer { unsafe freeifaddrs(list) }
        var found: [IPAddress] = []
        var next = unsafe list
        while let entry = unsafe next {
            unsafe next = entry.pointee.ifa_next
            guard let name = unsafe entry.pointee.ifa_addr else { continue }
            let length: Int
            switch unsafe Int32(name.pointee.sa_family) {
            case AF_INET: length = MemoryLayout<sockaddr_in>.size
            case AF_INET6: length = MemoryLayout<sockaddr_in6>.size
            default: continue  // a link's
            }
            var room = KernelAddress()
            unsafe room.withMutablePointer { address, count in
                unsafe UnsafeMutableRawPointer(address).copyMemory(from: name, byteCount: length)
                unsafe count.pointee = socklen_t(length)
            }
            if let address = room.socketAddress?.address { found.append(address) }
        }
        return found
    }
}
