// What a worker counts by stays within bounds, whatever peers send.

import StraitCore
import StraitEngine
import Testing

@Suite("A worker's counters") struct WorkerMetricsTests {
    @Test("alerts without a name in the RFCs share one series")
    func alerts() {
        let keys = Set(
            (0...255).map {
                WorkerMetrics.AlertKey(slot: 1, side: .downstream, alert: UInt8($0))
            })
        #expect(keys.count == 33)
        #expect(keys.count { $0.alert == nil } == 1)
        #expect(WorkerMetrics.AlertKey(slot: 1, side: .downstream, alert: 112).alert == 112)
        #expect(WorkerMetrics.AlertKey(slot: 1, side: .downstream, alert: 200).alert == nil)
    }
}
