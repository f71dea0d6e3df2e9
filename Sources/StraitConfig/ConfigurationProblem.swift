// What is wrong with a configuration, in words that an operator can act on.

/// One thing that is wrong: where, what was found, what was expected, and what to do.
package struct ConfigurationProblem: Sendable, Equatable, Error {
    /// Whether the configuration can be used all the same.
    package enum Severity: String, Sendable, Hashable {
        case error, warning
    }

    /// That of the code.
    package var severity: Severity
    /// What kind of problem it is.
    package var code: Code
    /// As it was named to the reader.
    package var file: String
    /// From 1; 0 where the file as a whole is meant.
    package var line: Int
    /// From 1, in Unicode scalars; 0 where the file as a whole is meant.
    package var column: Int
    /// `tenants[0].services[1].upstreams[0]`; empty for the whole file.
    package var path: String
    /// What stands there.
    package var found: String
    /// What could stand there.
    package var expected: String
    /// What to do.
    package var remedy: String

    /// A problem at `place`; the code's own severity.
    package init(
        _ code: Code, file: String, place: SourcePlace, found: String, expected: String,
        remedy: String
    ) {
        self.severity = code.severity
        self.code = code
        self.file = file
        self.line = place.line
        self.column = place.column
        self.path = place.path
        self.found = found
        self.expected = expected
        self.remedy = remedy
    }

    /// Four lines for people, without a line feed at the end.
    package var text: String {
        let place = self.line > 0 ? "\(self.file):\(self.line):\(self.column)" : self.file
        let path = self.path.isEmpty ? "" : "\(self.path)  "
        return """
            \(place)  \(path)\(self.severity.rawValue) \(self.code.rawValue)
                found     \(self.found)
                expected  \(self.expected)
                remedy    \(self.remedy)
            """
    }
}

extension ConfigurationProblem {
    /// What kind of problem it is.
    ///
    /// Codes are never given another meaning.
    package enum Code: String, Sendable, Hashable, CaseIterable {
        // The file.
        case fileUnreadable = "E2001"
        case fileTooLarge = "E2002"
        case notUTF8 = "E2003"
        case syntax = "E2004"
        case tab = "E2005"
        case yamlFeature = "E2006"
        case duplicateKey = "E2007"
        case severalDocuments = "E2008"
        case empty = "E2009"
        case tooDeep = "E2010"
        // One key, one value.
        case unknownKey = "E2101"
        case notInThisRelease = "E2102"
        case missingKey = "E2103"
        case notAChoice = "E2104"
        case wrongType = "E2105"
        case outOfRange = "E2106"
        case malformedDuration = "E2107"
        case malformedAddress = "E2108"
        case malformedHostName = "E2109"
        case malformedName = "E2110"
        case malformedBlock = "E2111"
        case upstreamIsName = "E2112"
        case wrongCount = "E2113"
        case malformedText = "E2114"
        // Keys and values together.
        case duplicateName = "E2201"
        case unknownReference = "E2202"
        case keyNeedsAnother = "E2203"
        case keysExclude = "E2204"
        case addressTwice = "E2205"
        case wrongRelation = "E2206"
        // Files that the configuration names.
        case namedFileUnreadable = "E2301"
        // What shows when everything is put together.
        case certificateUnusable = "E2501"
        case certificateMissing = "E2502"
        case authorityUnusable = "E2503"
        case routeConflict = "E2504"
        case h2Coalesces = "E2505"
        case listenerNotOpened = "E2506"
        case lastTenantGone = "E2507"
        case tooFewDescriptors = "E2508"
        case registryUnusable = "E2509"
        // Warnings.
        case keyReadableByAll = "W2401"
        case verificationOff = "W2402"
        case trustsEverybody = "W2403"
        case listedTwice = "W2404"
        case nothingToServe = "W2405"
        case certificateExpired = "W2511"
        case certificateExpiresSoon = "W2512"
        case nameWithoutCertificate = "W2513"
        case unreachableService = "W2406"
        case bothWait = "W2407"
        case tooManyAddresses = "W2514"

        /// Warnings begin with W.
        package var severity: Severity { self.rawValue.hasPrefix("W") ? .warning : .error }

        /// What the code stands for, in one sentence.
        package var summary: String {
            switch self {
            case .fileUnreadable: "The configuration file cannot be read."
            case .fileTooLarge: "The configuration file is larger than the reader takes."
            case .notUTF8: "The configuration file is not UTF-8."
            case .syntax: "The file is not YAML."
            case .tab: "A tab stands where YAML wants spaces."
            case .yamlFeature: "Anchors, aliases, merge keys and tags are not taken."
            case .duplicateKey: "A key stands twice in one mapping."
            case .severalDocuments: "The file holds more than one YAML document."
            case .empty: "The file says nothing."
            case .tooDeep: "Values are nested deeper than any key needs."
            case .unknownKey: "There is no such key here."
            case .notInThisRelease: "The key or value is planned, and does nothing yet."
            case .missingKey: "A key that must be given is missing."
            case .notAChoice: "The value is none of those that can stand here."
            case .wrongType: "The value is of another kind than the key wants."
            case .outOfRange: "The value is too small or too large."
            case .malformedDuration: "The duration is not a number with a unit."
            case .malformedAddress: "The address cannot be read."
            case .malformedHostName: "The host name cannot be read."
            case .malformedName: "The name has characters or a length that names cannot have."
            case .malformedBlock: "The range of addresses cannot be read."
            case .tooManyAddresses: "A service has more addresses than are used."
            case .upstreamIsName: "An upstream is a name that is not looked up."
            case .wrongCount: "The list has too few or too many items."
            case .malformedText: "The text has characters or a length that it cannot have."
            case .duplicateName: "Two things have the same name."
            case .unknownReference: "Something is named that the file does not define."
            case .keyNeedsAnother: "A key has no effect, or no meaning, without another."
            case .keysExclude: "Two settings contradict each other."
            case .addressTwice: "Two listeners have the same address."
            case .wrongRelation: "Two values do not fit together."
            case .namedFileUnreadable: "A file that the configuration names cannot be read."
            case .keyReadableByAll: "A private key can be read by every user of the machine."
            case .verificationOff: "An upstream's certificate is not verified."
            case .trustsEverybody: "PROXY headers are believed from every address."
            case .listedTwice: "A list holds a value twice."
            case .nothingToServe: "There is no tenant, so every connection is refused."
            case .certificateUnusable: "A certificate and its key cannot be used together."
            case .certificateMissing: "TLS ends here for a name that no certificate carries."
            case .authorityUnusable: "The certificates of authorities cannot be used."
            case .routeConflict: "Two rules claim the same connections."
            case .h2Coalesces: "With h2 a browser would reach a service by another one's name."
            case .listenerNotOpened: "An address cannot be listened on."
            case .lastTenantGone: "A reload would take the last tenant away."
            case .registryUnusable: "The registry cannot be read."
            case .tooFewDescriptors: "The process may not open enough files for its listeners."
            case .certificateExpired: "A certificate is not valid at this time."
            case .certificateExpiresSoon: "A certificate expires within 7 days."
            case .nameWithoutCertificate: "One of a service's names has no certificate."
            case .unreachableService: "No name and no listener leads to a service."
            case .bothWait: "A listener waits for programs that wait for the server."
            }
        }
    }
}
