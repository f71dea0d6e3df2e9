// The fuzz target of upgrades: whatever the other process says, somebody accepts. No test library
// in this file.

import StraitState

enum UpgradeFuzz {
    /// Each byte is an event; what accepts is told by the actions alone, and must never be nobody.
    static func violation(_ script: [UInt8]) -> String? {
        var machine = UpgradeMachine()
        var weAccept = true
        var theyAccept = false
        var othersAccept = false  // whoever has taken over from them
        for byte in script {
            let before = machine
            let action: UpgradeAction
            switch byte % 8 {
            case 0: action = machine.requested()
            case 1: action = machine.successorReady()
            case 2: action = machine.successorServes()
            case 3:
                othersAccept = othersAccept || before.mayReturn
                machine.released()
                action = .none
            case 4:
                theyAccept = false
                action = machine.failed(.gone)
            case 5: action = machine.failed(.late)
            case 6: action = machine.failed(.rolledBack)
            default: action = machine.failed(.refused("no"))
            }
            switch action {
            case .offer: if !before.isServing { return "an offer beside another" }
            case .go: theyAccept = true
            case .drain:
                if !theyAccept { return "we drain before they accept" }
                weAccept = false
            case .abandon:
                if !weAccept { return "abandoned while nobody else accepts" }
                theyAccept = false
            case .resume:
                if before.hasHandedOver != true || !before.mayReturn { return "no way back" }
                weAccept = true
                theyAccept = false
            case .none: if machine != before, byte % 8 != 3 { return "a change without an action" }
            }
            guard weAccept || theyAccept || othersAccept else { return "nobody accepts" }
            if machine.hasHandedOver == weAccept { return "handed over, and accepting" }
            if machine.mayReturn, machine.isServing { return "serving, and may return" }
        }
        return nil
    }
}
