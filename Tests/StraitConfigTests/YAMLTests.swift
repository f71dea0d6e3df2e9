// What YAML has and we do not take, and what is not YAML at all.

import StraitConfig
import Testing

@Suite("YAML that is not taken") struct YAMLTests {
    /// What is wrong with a text, as `line:column code`.
    private func places(_ text: String) -> [String] {
        ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml").problems.map {
            "\($0.line):\($0.column) \($0.code.rawValue)"
        }
    }

    private func problems(_ text: String) -> [ConfigurationProblem] {
        ConfigurationReader(checksFiles: false).read(text: text, file: "strait.yaml").problems
    }

    @Test("a syntax error has its line")
    func syntax() throws {
        let problem = try #require(self.problems("region: a\nrouter: [b\nworkers: 2\n").first)
        #expect(problem.code == .syntax)
        #expect(problem.line == 3)
        #expect(problem.remedy == "put a comma between the items, or close the bracket")
    }

    @Test("an address without quotes gets a remedy that names the quotes")
    func unquotedAddress() throws {
        let text = "listeners:\n  - { name: a, address: [::]:443 }\n"
        let problem = try #require(self.problems(text).first)
        #expect(problem.code == .syntax)
        #expect(problem.line == 2)
        #expect(problem.remedy == "quote addresses that begin with a bracket: \"[::]:443\"")
    }

    @Test("a colon in a value gets a remedy")
    func colon() throws {
        let problem = try #require(self.problems("region: a: b\n").first)
        #expect(problem.code == .syntax)
        #expect(problem.line == 1)
        #expect(
            problem.remedy
                == "quote a value that holds a colon and a space, or check the indentation")
    }

    @Test("an open quote gets a remedy")
    func openQuote() throws {
        let problem = try #require(self.problems("region: \"a\nrouter: b\n").first)
        #expect(problem.code == .syntax)
        #expect(problem.remedy == "close the quote or bracket that is open")
    }

    @Test("each tab in the indentation is told, others are not")
    func tabs() {
        #expect(
            self.places("region:\ta\t# a\ttab\n\t\nlog:\n\tlevel: info\n \tformat: text\n")
                == ["4:1 E2005", "5:2 E2005"])
    }

    @Test("a tab within brackets is space")
    func tabInBrackets() {
        #expect(self.places("log: {\n\tlevel: info }\nlisteners: 1\n").first == "3:12 E2105")
    }

    @Test("anchors, aliases, merge keys and tags are told, and do not hide what comes after")
    func features() {
        let text = """
            log: &log { level: info }
            tcp: *log
            limits: { <<: *log }
            region: !!str eu
            regon: x
            """
        #expect(
            self.places(text + "\n").prefix(7) == [
                "1:1 E2103", "1:6 E2006", "2:6 E2006", "3:11 E2006", "3:15 E2006", "4:9 E2006",
                "5:1 E2101",
            ])
    }

    @Test("stars and ampersands in quotes, comments and words are text")
    func noFeatures() {
        let text = """
            region: 'a&b'  # &anchor *alias !tag | >
            router: a*b
            log: { level: "*info" }
            """
        #expect(self.places(text + "\n").map { $0.suffix(5) }.allSatisfy { $0 != "E2006" })
        #expect(self.problems(text + "\n").contains { $0.found == "\"*info\"" })
    }

    @Test("a wildcard without quotes gets a remedy that quotes it")
    func wildcard() throws {
        let text = "tenants: [{ name: a, domains: [*.example.com] }]\nlisteners: []\n"
        let problem = try #require(self.problems(text).first)
        #expect(problem.code == .yamlFeature)
        #expect(problem.remedy == "write \"*.example.com\"")
    }

    @Test("a block of text is told, and its lines are not read")
    func block() {
        let text = "region: |\n  a\n  *b: [\nregon: x\nlisteners: 1\n"
        #expect(self.places(text) == ["1:9 E2006", "4:1 E2101", "5:12 E2105"])
    }

    @Test("every duplicate key is told with both lines, beside all other problems")
    func duplicates() {
        let text = """
            region: a
            region: b
            log: { level: info, "level": debug }
            "region": c
            listeners: 1
            """
        let problems = self.problems(text + "\n")
        #expect(
            problems.map { "\($0.line):\($0.column) \($0.code.rawValue) \($0.path)" } == [
                "2:1 E2007 region", "3:21 E2007 log.level", "4:1 E2007 region",
                "5:12 E2105 listeners",
            ])
        #expect(problems.first?.found == "\"region\" a second time; first in line 1")
    }

    @Test("more duplicate keys than are counted end the reading with a problem")
    func manyDuplicates() {
        let text = (0..<40).map { "key\($0): 1\nkey\($0): 1\n" }.joined()
        let problems = self.problems(text)
        #expect(problems.contains { $0.code == .duplicateKey })
        #expect(problems.count <= 41)
    }

    @Test("a second document is told with its line")
    func documents() {
        #expect(self.places("region: a\n---\nregion: b\n") == ["2:1 E2008"])
    }

    @Test(
        "a text without content is told",
        arguments: ["", "\n", "# only a comment\n", "---\n", " ", "~", "null\n"])
    func empty(text: String) {
        let problems = self.problems(text)
        #expect(problems.map(\.code) == [.empty])
    }

    @Test("a root that is no mapping is told", arguments: ["[a, b]", "- a", "text", "7", "\"\""])
    func root(text: String) {
        #expect(self.problems(text).first?.code == .wrongType)
    }

    @Test(
        "deep nesting is refused, in brackets and by indentation", arguments: [17, 40, 900, 5000])
    func depth(levels: Int) {
        let brackets = String(repeating: "[", count: levels) + String(repeating: "]", count: levels)
        #expect(self.problems("region: \(brackets)\n").contains { $0.code == .tooDeep })
        let lines = (0..<levels).map { String(repeating: " ", count: $0) + "a:\n" }.joined()
        #expect(self.problems(lines).contains { [.tooDeep, .syntax].contains($0.code) })
    }

    @Test("a key that is a list is told")
    func listAsKey() {
        #expect(self.problems("[a]: b\nlisteners: 1\n").first?.code == .wrongType)
    }

    @Test("a control character is told")
    func control() {
        #expect(self.problems("region: a\u{1}b\n").first?.code == .syntax)
    }

    @Test("line ends of every system count as one line", arguments: ["\n", "\r\n", "\r"])
    func lineEnds(end: String) {
        #expect(
            self.places(["region: &a b", "log: { level: *a }", "x: 1", ""].joined(separator: end))
                == ["1:1 E2103", "1:9 E2006", "2:15 E2006", "3:1 E2101"])
    }
}
