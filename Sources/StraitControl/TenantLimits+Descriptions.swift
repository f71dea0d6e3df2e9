// Limits in words.

internal import StraitCore
internal import StraitSnapshot

extension TenantLimits {
    /// Each limit that is set.
    func descriptions(open: Int) -> [String] {
        let most = self.whole.connections
        let openNow = most > 0 ? ["\(open) of \(most) open"] : []
        let mostOfSource = self.perSource.connections
        let openOfSource = mostOfSource > 0 ? ["\(mostOfSource) open of one address"] : []
        return openNow + self.whole.rateDescriptions(of: "") + openOfSource
            + self.perSource.rateDescriptions(of: " of one address")
    }
}

extension LimitSet {
    fileprivate func rateDescriptions(of whom: String) -> [String] {
        let rates: [(RateLimit, String)] = [
            (self.newConnections, "new"), (self.handshakes, "handshakes"),
            (self.bytesIn, "bytes in"), (self.bytesOut, "bytes out"),
        ]
        return rates.filter { $0.0.isSet }.map { rate, what in
            "at most \(rate.perSecond) \(what) a second\(whom)"
                + (rate.burst == rate.perSecond ? "" : ", \(rate.burst) at once")
        }
    }
}
