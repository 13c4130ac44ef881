//! Schemas to test with: some as people write them, and random ones.

use super::Random;

/// Schemas as they are used for records, invoices, tool calls and lists.
pub const WRITTEN: [&str; 26] = [
    r#"{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":150},"email":{"type":"string","format":"email"}},"required":["name","age"],"additionalProperties":false}"#,
    r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","title":"Invoice","type":"object","properties":{"number":{"type":"string","pattern":"^INV-[0-9]{4,6}$"},"date":{"type":"string","format":"date"},"currency":{"enum":["EUR","USD","GBP"]},"lines":{"type":"array","items":{"type":"object","properties":{"text":{"type":"string","maxLength":40},"quantity":{"type":"integer","exclusiveMinimum":0},"price":{"type":"number","minimum":0}},"required":["text","quantity","price"]},"minItems":1,"maxItems":5},"paid":{"type":"boolean"}},"required":["number","date","currency","lines","paid"]}"#,
    r#"{"anyOf":[{"type":"object","properties":{"tool":{"const":"search"},"query":{"type":"string","minLength":1}},"required":["tool","query"]},{"type":"object","properties":{"tool":{"const":"open"},"url":{"type":"string","format":"uri"}},"required":["tool","url"]}]}"#,
    r#"{"oneOf":[{"type":"object","properties":{"kind":{"const":"circle"},"radius":{"type":"number","exclusiveMinimum":0}},"required":["kind","radius"]},{"type":"object","properties":{"kind":{"enum":["square","cube"]},"side":{"type":"number"}},"required":["kind"]}]}"#,
    r##"{"$defs":{"node":{"type":"object","properties":{"value":{"type":"integer"},"left":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]},"right":{"anyOf":[{"$ref":"#/$defs/node"},{"type":"null"}]}},"required":["value","left","right"]}},"$ref":"#/$defs/node"}"##,
    r##"{"type":"object","properties":{"name":{"type":"string"},"children":{"type":"array","items":{"$ref":"#"}}},"required":["name","children"]}"##,
    r#"{"type":"array","items":{"type":"string","enum":["red","green","blue","grün"]},"maxItems":4}"#,
    r#"{"type":["string","null"],"maxLength":12}"#,
    r#"{"type":"array","prefixItems":[{"type":"number"},{"type":"number"},{"type":"string"}],"minItems":2,"items":false}"#,
    r#"{"type":"object","additionalProperties":{"type":"integer"}}"#,
    r#"{"type":"object","properties":{"id":{"type":"string","format":"uuid"},"tags":{"type":"array","items":{"type":"string","minLength":2,"maxLength":8},"minItems":2}},"required":["id"],"additionalProperties":{"type":"boolean"}}"#,
    r#"{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":9},"b":{"type":"string"}},"required":["b"]}]}"#,
    r#"{"type":"integer","multipleOf":5,"minimum":-40,"maximum":1000}"#,
    r#"{"type":"number","minimum":-1.5,"exclusiveMaximum":2.25}"#,
    "{}",
    "true",
    r#"{"type":"object"}"#,
    r#"{"const":{"a":[1,2.5,null,"x\"y\\z\u0007"],"b":true}}"#,
    r#"{"type":"string","pattern":"[a-z]+@[a-z]+\\.(com|org)"}"#,
    r#"{"type":"string","pattern":"^[a-z]+(-[a-z]+)*$","minLength":5,"maxLength":20}"#,
    r#"{"type":"object","properties":{"when":{"type":"string","format":"date-time"},"from":{"type":"string","format":"time"},"host":{"type":"string","format":"ipv4"}},"required":["when","from","host"]}"#,
    r##"{"$defs":{"expr":{"anyOf":[{"type":"number"},{"type":"object","properties":{"op":{"enum":["+","*"]},"args":{"type":"array","items":{"$ref":"#/$defs/expr"},"minItems":2,"maxItems":3}},"required":["op","args"]}]}},"type":"object","properties":{"expr":{"$ref":"#/$defs/expr","description":"What to compute."}},"required":["expr"]}"##,
    r#"{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"anyOf":[{"required":["a"]},{"required":["b"]}]}"#,
    r#"{"type":"object","properties":{"x\"y":{"type":"null"},"é/~":{"type":"boolean"}},"required":["é/~"]}"#,
    r#"{"type":"array","items":{"type":"array","items":{"type":"integer","minimum":0,"maximum":9},"minItems":3,"maxItems":3},"minItems":1}"#,
    r#"{"type":"object","properties":{"a":true},"required":["a","z"],"additionalProperties":{"type":["integer","boolean"]}}"#,
];

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
