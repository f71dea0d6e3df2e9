// A process of this router that is not the one that accepts.

/// Another process of this router, which has handed over and finishes what is open in it.
package struct DrainingProcess: Codable, Hashable, Sendable {
    /// Its number.
    package var pid: Int32
    /// Its operators' socket.
    package var admin: String
}
