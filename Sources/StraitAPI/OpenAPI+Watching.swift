// What those ask who look on while the router works.

internal import StraitCore

extension APIOperation {
    private static let oneTenant = Parameter(
        name: "tenant", schema: #"{"type":"string","minLength":1,"maxLength":63}"#,
        sentence: "Only what is this tenant's.")

    static let watching = [
        APIOperation(
            method: "GET", path: "/v1/watch",
            sentence: "Changes of the registry as they come, as server-sent events without end; "
                + "Last-Event-ID goes before `after`.",
            parameters: [
                Parameter(
                    name: "after", schema: #"{"type":"integer","minimum":0}"#,
                    sentence: "The revision that is known; else the newest."), Self.oneTenant,
            ],
            answers: [
                Answer(
                    status: 200,
                    sentence: "Events: tenant, certificate, authority, name, port, "
                        + "live, compacted, ended.", contentType: "text/event-stream",
                    schema: #"{"type":"string"}"#)
            ] + Answer.refusals(400, 422, 503)),
        APIOperation(
            method: "GET", path: "/v1/top", sentence: "The tenants that use the most.",
            parameters: [
                Parameter(
                    name: "sort",
                    schema: #"{"type":"string","enum":["connections","bytes","refusals","new"]}"#,
                    sentence: "What comes first; else connections."),
                Parameter(
                    name: "limit",
                    schema: #"{"type":"integer","minimum":1,"maximum":\#(Limits.topTenantsMax)}"#,
                    sentence: "At most so many; 20 where it is not said."),
                Parameter(
                    name: "seconds",
                    schema: #"{"type":"integer","minimum":0,"maximum":\#(Limits.topSecondsMax)}"#,
                    sentence: "How long to look for rates; 0, which is usual: none."),
                Self.oneTenant,
            ],
            answers: [
                Answer(
                    status: 200, sentence: "They.",
                    schema: #"{"type":"object","required":["time","seconds","tenants"]}"#)
            ] + Answer.refusals(400, 404, 503)),
    ]
}
