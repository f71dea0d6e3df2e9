// Whom a process speaks to, and what is said.

import StraitControl
import StraitWire
import Synchronization
import Testing

@Suite("ServiceManager") struct ServiceManagerTests {
    /// What was reported.
    private final class Reports: Sendable {
        let lines = Mutex<[String]>([])
        func take(_ line: String) { self.lines.withLock { $0.append(line) } }
        var count: Int { self.lines.withLock { $0.count } }
    }

    private static func made(_ environment: [String: String]) -> (ServiceManager, Reports) {
        let reports = Reports()
        return (ServiceManager(environment: environment, process: 7) { reports.take($0) }, reports)
    }

    @Test(
        "without a socket nobody is spoken to, and nothing is reported",
        arguments: [[:], ["NOTIFY_SOCKET": ""], ["WATCHDOG_USEC": "1000"]] as [[String: String]])
    func nobody(environment: [String: String]) {
        let (nobody, reports) = Self.made(environment)
        #expect(!nobody.isPresent && nobody.watchdogInterval == nil)
        nobody.tell([.ready])
        #expect(reports.count == 0)
    }

    @Test("a socket that cannot be one is reported, and nobody is spoken to")
    func wrongSocket() {
        let (nobody, reports) = Self.made(["NOTIFY_SOCKET": "relative", "WATCHDOG_USEC": "1"])
        #expect(!nobody.isPresent && nobody.watchdogInterval == nil && reports.count == 1)
    }

    @Test("a word that cannot be said is reported")
    func gone() {
        let (gone, reports) = Self.made(["NOTIFY_SOCKET": "@strait-nobody-has-this-name"])
        gone.tell([.ready])
        #expect(gone.isPresent && reports.count == 1)
    }

    @Test(
        "the watchdog's interval is read where it is meant for this process",
        arguments: [
            (["WATCHDOG_USEC": "30000000"], .seconds(30)),
            (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"], .seconds(30)),
            (["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "8"], nil),
            (["WATCHDOG_PID": "7"], nil), ([:], nil),
        ] as [([String: String], Duration?)])
    func watchdog(environment: [String: String], interval: Duration?) {
        let (one, reports) = Self.made(environment.merging(["NOTIFY_SOCKET": "@a"]) { $1 })
        #expect(one.watchdogInterval == interval && reports.count == 0)
    }

    @Test(
        "an interval that is none is reported",
        arguments: ["", "0", "-1", "1s", "99999999999999999999"])
    func wrongInterval(text: String) {
        let (one, reports) = Self.made(["NOTIFY_SOCKET": "@a", "WATCHDOG_USEC": text])
        #expect(one.watchdogInterval == nil && reports.count == 1)
    }

    @Test("what belongs to one process is not what a successor needs")
    func variables() {
        #expect(ServiceManager.variablesOfOneProcess.contains("LISTEN_FDS"))
        #expect(!ServiceManager.variablesOfOneProcess.contains("NOTIFY_SOCKET"))
    }

    @Test("the status is one line that counts")
    func status() {
        var status = ServiceStatus(
            revision: 3, listeners: 2, services: 12, isLastReloadSuccessful: true)
        #expect(status.text == "revision 3, 2 listeners, 12 services")
        status.listeners = 1
        status.services = 1
        status.isLastReloadSuccessful = false
        #expect(status.text == "revision 3, 1 listener, 1 service; the last reload was refused")
    }
}
