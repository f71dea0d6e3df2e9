// Connections and pipes together never take what is kept back of the descriptors.

import StraitCore
import Testing

@Suite("Shares of the descriptors") struct DescriptorSharesTests {
    @Test(
        "all shares and the reserve fit into the limit",
        arguments: [300, 1024, 4096, 20_000, 65_536, 1_000_000, Int.max],
        [(1, 0), (1, 1), (2, 7), (2, 150), (16, 1), (16, 100), (80, 1)])
    func fit(descriptors: Int, others: (workers: Int, listeners: Int)) {
        let workers = others.workers
        let shares = DescriptorShares(
            descriptors: descriptors, workers: workers, listeners: others.listeners)
        let pipes = workers * shares.pipesPerWorker
        let used =
            2 * (shares.connections + pipes + workers) + others.listeners
            + Limits.descriptorsReserved
        #expect(shares.isEnough == (used <= descriptors))
        #expect(shares.isEnough || descriptors == 300)
        #expect(shares.connections >= 1)
        #expect((0...Limits.pipesMax).contains(shares.pipesPerWorker))
    }

    @Test("a worker has all its pipes where there are many descriptors, and connections the rest")
    func plenty() {
        let shares = DescriptorShares(descriptors: 1_000_000, workers: 2)
        #expect(shares.pipesPerWorker == Limits.pipesMax)
        #expect(shares.connections == (1_000_000 - Limits.descriptorsReserved - 4) / 2 - 2048)
    }

    @Test("twenty thousand descriptors hold nine thousand connections, and pipes besides")
    func nineThousand() {
        let shares = DescriptorShares(descriptors: 20_000, workers: 2, listeners: 16)
        #expect(shares.connections >= 9_200)
        #expect(shares.pipesPerWorker >= 256)
    }

    @Test(
        "with hardly any descriptors one connection is left, and no pipe", arguments: [0, 3, 130])
    func few(descriptors: Int) {
        let shares = DescriptorShares(descriptors: descriptors, workers: 2)
        #expect(shares.connections == 1)
        #expect(shares.pipesPerWorker == 0)
        #expect(!shares.isEnough)
    }

    @Test(
        "the fewest descriptors that do are told, and one less does not",
        arguments: [(1, 0), (1, 27), (2, 7), (2, 200), (16, 100), (16, 4096), (80, 1)])
    func fewest(workers: Int, listeners: Int) {
        let fewest = DescriptorShares.descriptorsMin(workers: workers, listeners: listeners)
        func isEnough(_ descriptors: Int) -> Bool {
            DescriptorShares(descriptors: descriptors, workers: workers, listeners: listeners)
                .isEnough
        }
        #expect(isEnough(fewest) && !isEnough(fewest - 1))
    }

    @Test("listeners take from connections, one descriptor each, and leave the pipes alone")
    func listeners() {
        let none = DescriptorShares(descriptors: 2000, workers: 2)
        let some = DescriptorShares(descriptors: 2000, workers: 2, listeners: 100)
        #expect(some.connections == none.connections - 50)
        #expect(some.pipesPerWorker == none.pipesPerWorker)
        #expect(!DescriptorShares(descriptors: 2000, workers: 2, listeners: 1900).isEnough)
    }
}
