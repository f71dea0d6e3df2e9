// The table of keys -> JSON Schema, draft 7, which every editor knows.

internal import StraitCore

extension ConfigurationReference {
    /// JSON Schema of a tenant's document in a registry, as JSON.
    package static var tenantSchema: String {
        SchemaValue.object(SchemaWriter.object(Keys.registeredTenant)).text(indentation: 0)
    }
}

/// A JSON value; objects are written with their keys in alphabetical order.
indirect enum SchemaValue {
    case text(String)
    case number(Int)
    case flag(Bool)
    case array([SchemaValue])
    case object([String: SchemaValue])

    /// The value as JSON, two spaces a level.
    func text(indentation: Int) -> String {
        let inner = String(repeating: "  ", count: indentation + 1)
        let outer = String(repeating: "  ", count: indentation)
        switch self {
        case .text(let text): return JSONString.quoted(text)
        case .number(let number): return "\(number)"
        case .flag(let flag): return "\(flag)"
        case .array(let items):
            return "[" + items.map { $0.text(indentation: indentation + 1) }.joined(separator: ", ")
                + "]"
        case .object(let members):
            let lines = members.sorted { $0.key < $1.key }.map { key, value in
                let value = value.text(indentation: indentation + 1)
                return "\(inner)\(JSONString.quoted(key)): \(value)"
            }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        }
    }
}

/// Writes the schema of a mapping or a value.
enum SchemaWriter {
    /// The schema of a mapping with these keys and no others.
    static func object(_ keys: [Key]) -> [String: SchemaValue] {
        var properties: [String: SchemaValue] = [:]
        for key in keys {
            var schema = self.value(key.type)
            schema["description"] = .text(self.description(of: key))
            properties[key.name] = .object(schema)
        }
        var schema: [String: SchemaValue] = [
            "type": .text("object"), "additionalProperties": .flag(false),
            "properties": .object(properties),
        ]
        let required = keys.filter(\.isRequired).map { SchemaValue.text($0.name) }
        if !required.isEmpty { schema["required"] = .array(required) }
        return schema
    }

    private static func description(of key: Key) -> String {
        guard let text = key.defaultNote ?? key.defaultText else { return key.sentence }
        return "\(key.sentence) Default: \(text)."
    }

    private static func value(_ type: KeyType) -> [String: SchemaValue] {
        switch type {
        case .name: return self.pattern("^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$")
        case .integer(let range):
            return [
                "type": .text("integer"), "minimum": .number(range.lowerBound),
                "maximum": .number(range.upperBound),
            ]
        case .time: return self.pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\\.[0-9]+)?Z$")
        case .duration: return self.pattern("^[0-9]+(ms|s|m|h)$")
        case .flag: return ["type": .text("boolean")]
        case .choice(let words): return ["enum": .array(words.map(SchemaValue.text))]
        case .file, .fileOr, .newFile, .variable, .socketPath, .registeredName, .registeredNameOr:
            return ["type": .text("string"), "minLength": .number(1)]
        case .listenerAddress:
            return self.pattern("^(\\[[0-9A-Fa-f:.]+\\]:[0-9]{1,5}|[0-9.]+:[0-9]{1,5}|unix:/.+)$")
        case .upstreamAddress:
            return self.pattern(
                "^((tcp|tls)://(\\[[0-9A-Fa-f:.]+\\]|[\\w.-]+):[0-9]{1,5}|(tls\\+)?unix:/.+)$")
        case .hostName: return self.pattern("^[A-Za-z0-9_.-]+$")
        case .hostPattern: return self.pattern("^(\\*\\.)?[A-Za-z0-9_.-]+$")
        case .serverName: return self.pattern("^[A-Za-z0-9_.:-]+$")
        case .address: return self.pattern("^[0-9A-Fa-f:.]+$")
        case .portRange:
            let range = self.pattern("^[0-9]{1,5}-[0-9]{1,5}$")
            return [
                "anyOf": .array([.object(self.value(.integer(1...65_535))), .object(range)])
            ]
        case .requestPath: return self.pattern("^/[!-~]{0,1023}$")
        case .applicationProtocol: return self.pattern("^[!-~]{1,255}$")
        case .block: return self.pattern("^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$")
        case .serviceReference: return self.pattern("^[a-z0-9_-]+/[a-z0-9_-]+$")
        case .protocols(let words):
            let shared = KeyType.list(of: .choice(words), 1...words.count)
            return [
                "anyOf": .array([.object(["const": .text("raw")]), .object(self.value(shared))])
            ]
        case .list(of: let item, let range):
            return self.array(self.value(item), range)
        case .section(let keys): return self.object(keys)
        case .sections(let keys, let range): return self.array(self.object(keys), range)
        }
    }

    private static func pattern(_ pattern: String) -> [String: SchemaValue] {
        ["type": .text("string"), "pattern": .text(pattern)]
    }

    private static func array(
        _ items: [String: SchemaValue], _ range: ClosedRange<Int>
    ) -> [String: SchemaValue] {
        [
            "type": .text("array"), "items": .object(items),
            "minItems": .number(range.lowerBound), "maxItems": .number(range.upperBound),
        ]
    }
}
