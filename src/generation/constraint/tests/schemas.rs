//! Schemas to test with: some as people write them, and random ones.

use super::Random;

/// Schemas as they are used for records, invoices, tool calls and lists.
pub fn written() -> Vec<String> {
    let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/constraint/schemas.json"));
    let schemas: Vec<Box<serde_json::value::RawValue>> = serde_json::from_str(&file.unwrap()).unwrap();
    schemas.iter().map(|schema| schema.get().to_owned()).collect()
}

/// A random schema in which objects and arrays are nested `depth` levels deep.
pub fn random(random: &mut Random, depth: usize) -> String {
    let schema = value(random, depth);
    let definitions = format!(
        "\"$defs\":{{\"leaf\":{},\"list\":{{\"type\":\"array\",\"items\":{{\"anyOf\":[{{\"$ref\":\"#/$defs/leaf\"}},{{\"$ref\":\"#/$defs/list\"}}]}},\"maxItems\":3}}}}",
        scalar(random)
    );
    format!("{{{definitions},{}", &schema[1..])
}

fn value(random: &mut Random, depth: usize) -> String {
    if depth == 0 {
        return scalar(random);
    }
    match random.below(12) {
        0..=3 => object(random, depth),
        4..=5 => array(random, depth),
        6 => format!("{{\"anyOf\":[{},{}]}}", value(random, depth - 1), scalar(random)),
        7 => format!("{{\"oneOf\":[{{\"type\":\"null\"}},{}]}}", object(random, depth)),
        8 => {
            let (left, right) = (object(random, depth), value(random, depth - 1));
            format!("{{\"allOf\":[{left},{{\"type\":\"object\",\"properties\":{{\"extra\":{right}}}}}]}}")
        }
        9 => format!("{{\"$ref\":\"#/$defs/{}\",\"title\":\"A reference\"}}", random.one_of(&["leaf", "list"])),
        _ => scalar(random),
    }
}

fn object(random: &mut Random, depth: usize) -> String {
    let names = ["name", "id", "note", "total", "left", "data", "ü", "a\\\"b", "type", "items"];
    let first = random.below(names.len());
    let count = random.below(5);
    let names: Vec<&str> = (0..count).map(|at| names[(first + at) % names.len()]).collect();
    let properties: Vec<String> = names.iter().map(|name| format!("\"{name}\":{}", value(random, depth - 1))).collect();
    let required: Vec<String> =
        names.iter().filter(|_| random.below(2) == 0).map(|name| format!("\"{name}\"")).collect();
    let additional = match random.below(5) {
        0 => ",\"additionalProperties\":false".to_owned(),
        1 => format!(",\"additionalProperties\":{}", scalar(random)),
        _ => String::new(),
    };
    format!(
        "{{\"type\":\"object\",\"properties\":{{{}}},\"required\":[{}]{additional}}}",
        properties.join(","),
        required.join(",")
    )
}

fn array(random: &mut Random, depth: usize) -> String {
    let items = value(random, depth - 1);
    let min = random.below(3);
    let max = if random.below(2) == 0 { String::new() } else { format!(",\"maxItems\":{}", min + random.below(4)) };
    let prefix = if random.below(4) == 0 {
        format!(",\"prefixItems\":[{},{}]", scalar(random), value(random, depth - 1))
    } else {
        String::new()
    };
    format!("{{\"type\":\"array\",\"items\":{items},\"minItems\":{min}{max}{prefix}}}")
}

fn scalar(random: &mut Random) -> String {
    match random.below(14) {
        0 => "{\"type\":\"boolean\"}".to_owned(),
        1 => "{\"type\":[\"null\",\"integer\"],\"description\":\"A number or nothing.\"}".to_owned(),
        2 => format!("{{\"enum\":[\"a\",\"b c\",{},null,[1,{{\"k\":\"\u{e9}\"}}]]}}", random.below(1000)),
        3 => "{\"const\":\"fixed\",\"type\":\"string\"}".to_owned(),
        4 => {
            let min = random.below(200) as i64 - 100;
            format!(
                "{{\"type\":\"integer\",\"minimum\":{min},\"exclusiveMaximum\":{}}}",
                min + 1 + random.below(5000) as i64
            )
        }
        5 => {
            let min = random.below(2000) as f64 / 64.0 - 10.0;
            format!(
                "{{\"type\":\"number\",\"exclusiveMinimum\":{min},\"maximum\":{}}}",
                min + 0.01 + random.below(500) as f64 / 32.0
            )
        }
        6 => format!("{{\"type\":\"integer\",\"multipleOf\":{}}}", random.one_of(&[2, 3, 7, 10, 25, 60, 1000])),
        7 => format!(
            "{{\"type\":\"number\",\"minimum\":{}}}",
            random.one_of(&["0", "-0.5", "1e3", "12345678901", "1e-9"])
        ),
        8 => {
            let min = random.below(6);
            format!("{{\"type\":\"string\",\"minLength\":{min},\"maxLength\":{}}}", min + random.below(20))
        }
        9 => format!("{{\"type\":\"string\",\"minLength\":{}}}", random.below(30)),
        10 => {
            let pattern = random.one_of(&[
                "^[A-Z]{2}-\\\\d+$",
                "^(foo|ba[rz])*$",
                "ab+c",
                "^[^\\\\s,]{1,9}$",
                "^\\\\w+( \\\\w+)?$",
                "^\\\"?.{2,4}\\\"?$",
            ]);
            let length =
                random.one_of(&["", ",\"maxLength\":14", ",\"minLength\":3", ",\"minLength\":4,\"maxLength\":9"]);
            format!("{{\"type\":\"string\",\"pattern\":\"{pattern}\"{length}}}")
        }
        11 => {
            let format = random.one_of(&["date", "time", "date-time", "email", "uuid", "uri", "ipv4"]);
            format!("{{\"type\":\"string\",\"format\":\"{format}\"}}")
        }
        12 => "{\"type\":\"number\"}".to_owned(),
        _ => "{\"type\":\"string\"}".to_owned(),
    }
}
