// JSON for access records, written into bytes without intermediate values. RFC 8259.

/// Writes one flat JSON object.
struct JSONWriter {
    private(set) var bytes: [UInt8] = []

    /// Begins the object.
    init(capacity: Int) {
        self.bytes.reserveCapacity(capacity)
        self.bytes.append(UInt8(ascii: "{"))
    }

    /// Writes a text member; nothing where `value` is nil.
    mutating func member(_ key: StaticString, _ value: String?) {
        guard let value else { return }
        self.key(key)
        self.bytes.append(UInt8(ascii: "\""))
        for byte in value.utf8 { self.escape(byte) }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a text member from bytes that are plain ASCII.
    mutating func member(_ key: StaticString, ascii value: [UInt8]) {
        self.key(key)
        self.bytes.append(UInt8(ascii: "\""))
        for byte in value { self.escape(byte) }
        self.bytes.append(UInt8(ascii: "\""))
    }

    /// Writes a number member; nothing where `value` is nil.
    mutating func member(_ key: StaticString, _ value: UInt64?) {
        guard let value else { return }
        self.key(key)
        self.number(value)
    }

    /// Writes `true` or `false`.
    mutating func member(_ key: StaticString, _ value: Bool) {
        self.key(key)
        self.bytes += value ? Self.trueText : Self.falseText
    }

    /// Ends the object.
    mutating func end() { self.bytes.append(UInt8(ascii: "}")) }

    private mutating func key(_ key: StaticString) {
        if self.bytes.count > 1 { self.bytes.append(UInt8(ascii: ",")) }
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes += key.description.utf8
        self.bytes.append(UInt8(ascii: "\""))
        self.bytes.append(UInt8(ascii: ":"))
    }

    private mutating func escape(_ byte: UInt8) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            self.bytes.append(UInt8(ascii: "\\"))
            self.bytes.append(byte)
        case 0..<0x20, 0x7F:
            self.bytes += Self.escapePrefix
            self.bytes.append(Self.hexDigits[Int(byte >> 4)])
            self.bytes.append(Self.hexDigits[Int(byte & 15)])
        default: self.bytes.append(byte)
        }
    }

    private mutating func number(_ value: UInt64) {
        var digits: InlineArray<20, UInt8> = .init(repeating: 0)
        var rest = value
        var position = 20
        repeat {
            position -= 1
            digits[position] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        } while rest > 0
        for index in position..<20 { self.bytes.append(digits[index]) }
    }

    private static let trueText = Array("true".utf8)
    private static let falseText = Array("false".utf8)
    private static let escapePrefix = Array("\\u00".utf8)
    private static let hexDigits = Array("0123456789abcdef".utf8)
}

/// A wall-clock instant as RFC 3339 with nanoseconds, in UTC: `2026-11-22T16:00:00.123456789Z`.
func timestampText(wallNanoseconds: UInt64) -> [UInt8] {
    let seconds = wallNanoseconds / 1_000_000_000
    let days = Int(seconds / 86_400)
    let second = Int(seconds % 86_400)
    // Civil date from days since 1970-01-01 in the proleptic Gregorian calendar, by eras of 400
    // years.
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
    let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    var text: [UInt8] = []
    text.reserveCapacity(30)
    func append(_ value: Int, digits: Int) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
    append(year, digits: 4)
    text.append(UInt8(ascii: "-"))
    append(month, digits: 2)
    text.append(UInt8(ascii: "-"))
    append(day, digits: 2)
    text.append(UInt8(ascii: "T"))
    append(second / 3600, digits: 2)
    text.append(UInt8(ascii: ":"))
    append(second / 60 % 60, digits: 2)
    text.append(UInt8(ascii: ":"))
    append(second % 60, digits: 2)
    text.append(UInt8(ascii: "."))
    append(Int(wallNanoseconds % 1_000_000_000), digits: 9)
    text.append(UInt8(ascii: "Z"))
    return text
}
