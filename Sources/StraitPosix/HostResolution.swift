// Names to addresses, by the system's resolver. Blocks: for command-line programs, never for a
// worker.

internal import Glibc
package import StraitCore

/// A name that the system's resolver could not resolve.
package struct ResolutionError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The name that was asked for.
    package let host: String
    /// The resolver's own words.
    package let description: String

    /// See the properties.
    package init(host: String, description: String) {
        self.host = host
        self.description = description
    }
}

/// The addresses of `host`, in the resolver's order (RFC 6724).
package func resolveAddresses(host: String) throws(ResolutionError) -> [IPAddress] {
    if let address = IPAddress(host) { return [address] }
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    var list: UnsafeMutablePointer<addrinfo>?
    let status = unsafe host.withCString { unsafe getaddrinfo($0, nil, &hints, &list) }
    guard status == 0 else {
        let words = unsafe String(cString: gai_strerror(status))
        throw ResolutionError(host: host, description: words)
    }
    defer { if let list = unsafe list { unsafe freeaddrinfo(list) } }
    var found: [IPAddress] = []
    var next = unsafe list
    while let entry = unsafe next {
        if let name = unsafe entry.pointee.ai_addr {
            var room = KernelAddress()
            let length = unsafe min(entry.pointee.ai_addrlen, room.length)
            unsafe room.withMutablePointer { address, count in
                unsafe UnsafeMutableRawPointer(address).copyMemory(
                    from: name, byteCount: Int(length))
                unsafe count.pointee = length
            }
            if let address = room.socketAddress?.address, !found.contains(address) {
                found.append(address)
            }
        }
        unsafe next = entry.pointee.ai_next
    }
    return found
}
