// Files that replace others, kinds of errors, and writes that nobody reads.

import Glibc
import StraitPosix
import Testing

@Suite("Files") struct FilesTests {
    @Test("a file takes another's place in one step, and a missing one is an error")
    func rename() throws {
        let folder = try TemporaryFolder()
        let (source, target) = ("\(folder.path)/rotated.log", "\(folder.path)/lines.log")
        for (path, text) in [(source, "new"), (target, "old")] {
            try LineOutput(.file(path: path)).write(Array(text.utf8))
        }
        try renameReplacing(from: source, to: target)
        let file = OwnedDescriptor(owning: open(target, O_RDONLY | O_CLOEXEC))
        #expect(readAll(file.number) == Array("new".utf8))
        #expect(throws: PosixError(call: "rename", number: ENOENT)) {
            try renameReplacing(from: source, to: target)
        }
    }

    @Test("memory is given back where there is an allocator that can, and nothing breaks without")
    func memory() {
        let first = Memory.giveBack()
        #expect(Memory.giveBack() == first)
    }

    @Test("each kind of error is told by its numbers alone")
    func kinds() {
        for number in 0..<200 as Range<Int32> {
            let error = PosixError(call: "open", number: number)
            #expect(error.isRefused == (number == ECONNREFUSED))
            #expect(error.isAbsent == (number == ENOENT))
            #expect(error.isForbidden == (number == EACCES || number == EPERM))
        }
    }

    @Test("a program that ignores broken pipes gets an error instead")
    func brokenPipes() async {
        await #expect(processExitsWith: .success) {
            ignoreBrokenPipes()
            var ends: [Int32] = [-1, -1]
            pipe(&ends)
            close(ends[0])
            let count = write(ends[1], [1] as [UInt8], 1)
            precondition(count == -1 && errno == EPIPE)
        }
    }
}
