// The region where a tenant of a registry is at home.

internal import StraitCore

extension Keys {
    /// The home region of a tenant of a registry.
    static let homeRegion = Key(
        "region", .name, note: "at home in every region", example: "eu-central",
        "Region where the tenant is at home; its routers alone lease its usual ports.")
}

extension Section {
    /// The region; nil where it is absent or reported.
    func homeRegion() -> Configuration.Located<String>? {
        let name = self.name("region")
        return name.isEmpty ? nil : .init(value: name, place: self.place(of: "region"))
    }
}

extension ConfigurationProblem {
    /// A tenant is at home where there is no region.
    package static func unknownRegion(
        _ region: Configuration.Located<String>, of tenant: String, known: [String]
    ) -> ConfigurationProblem {
        let nearest = nearestWord(to: region.value, in: known)
        return ConfigurationProblem(
            .unknownReference, file: "tenant/\(tenant)", place: region.place,
            found: "region \"\(region.value)\", which there is not",
            expected: known.isEmpty ? "a region" : ReadingContext.someOf(known),
            remedy: nearest.map { "did you mean \"\($0)\"?" }
                ?? "strait region add \(region.value)")
    }
}
