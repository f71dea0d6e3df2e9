// Prelude: what Postgres says inside TLS before a query: a startup, or a CancelRequest.

internal import StraitCore
internal import StraitPosix
internal import StraitWire

extension Worker {
    /// Reads until the startup packet is whole.
    mutating func readPrelude(_ index: Int) {
        let connection = self.connections.reference(index)
        while connection.value.phase == .prelude, connection.value.downstream.isReadable {
            switch self.receive(index, .downstream) {
            case .wouldBlock: connection.value.downstream.isReadable = false
            case .end:
                self.close(index, CloseReason(.downstream, .closedEarly))
                return
            case .broken(let kind):
                self.close(index, CloseReason(.downstream, kind))
                return
            case .bytes(let count):
                connection.value.replay += self.buffer.copy(0..<count)
                self.decidePrelude(index)
            }
        }
    }

    private mutating func decidePrelude(_ index: Int) {
        let connection = self.connections.reference(index)
        let bytes = connection.value.replay
        switch PostgresPrelude.startupOutcome(bytes.span) {
        case .needMore: return
        case .malformed: self.refuseInside(index, CloseReason(.local, .preludeMalformed))
        case .done(let startup):
            switch startup.kind {
            case .ssl: self.decline(index, request: 1, length: startup.length)
            case .gssenc: self.decline(index, request: 2, length: startup.length)
            case .cancel(let processID, let key):
                self.cancelRequested(index, processID, Array(bytes[key]))
            case .startup:
                connection.value.keyRewriter = KeyRewriter()
                self.startConnect(index)
            }
        }
    }

    /// Answers a request for encryption inside TLS with `N`, each once.
    ///
    /// A program behind `strait connect` knows nothing of the TLS around it and asks as ever; after
    /// `N` it goes on in plain text, inside TLS. Who has asked before the handshake asks twice, and
    /// nothing may follow a request before its answer.
    private mutating func decline(_ index: Int, request: UInt8, length: Int) {
        let connection = self.connections.reference(index)
        guard !connection.value.arrivedByPostgresRequest,
            connection.value.declinedRequests & request == 0,
            connection.value.replay.count == length
        else {
            self.refuseInside(index, CloseReason(.local, .preludeMalformed))
            return
        }
        connection.value.declinedRequests |= request
        connection.value.replay = []
        let answer: [UInt8] = [UInt8(ascii: "N")]
        _ = self.write(index, .downstream, answer.span, more: false)
    }
}
