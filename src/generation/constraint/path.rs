//! Where in a JSON text its end is, as a JSON pointer.

use super::json::step;

/// The end of a JSON text without spaces, of which nothing is wrong.
#[derive(Clone, Debug, Default)]
pub struct Path {
    containers: Vec<Container>,
    place: Place,
}

#[derive(Clone, Debug)]
enum Container {
    /// With the name of the member that was written last.
    Object(String),
    /// With the index of the item.
    Array(usize),
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Place {
    /// Before a value.
    #[default]
    Value,
    /// Within a string that is a value, perhaps behind a backslash.
    String { escaped: bool },
    /// Within a number, or a literal such as `true`.
    Scalar,
    /// Within the name of a member, of which this is written.
    Name { raw: Vec<u8>, escaped: bool },
    /// Behind a bracket that opens, a value, or a comma of an object.
    Between,
}

impl Path {
    /// Reads the next byte.
    pub fn push(&mut self, byte: u8) {
        match &mut self.place {
            Place::String { escaped: true } => self.place = Place::String { escaped: false },
            Place::String { .. } => match byte {
                b'\\' => self.place = Place::String { escaped: true },
                b'"' => self.place = Place::Between,
                _ => {}
            },
            Place::Name { raw, escaped } => {
                raw.push(byte);
                if *escaped || byte != b'"' {
                    *escaped = !*escaped && byte == b'\\';
                    return;
                }
                raw.insert(0, b'"');
                let name = serde_json::from_slice(raw).unwrap_or_default();
                if let Some(Container::Object(last)) = self.containers.last_mut() {
                    *last = name;
                }
                self.place = Place::Between;
            }
            Place::Value | Place::Scalar | Place::Between => self.push_structure(byte),
        }
    }

    fn push_structure(&mut self, byte: u8) {
        self.place = match (byte, self.containers.last_mut()) {
            (b'{', _) => {
                self.containers.push(Container::Object(String::new()));
                Place::Between
            }
            (b'[', _) => {
                self.containers.push(Container::Array(0));
                Place::Between
            }
            (b'}' | b']', _) => {
                self.containers.pop();
                Place::Between
            }
            (b',', Some(Container::Array(index))) => {
                *index += 1;
                Place::Value
            }
            (b',', _) => Place::Between,
            (b':', _) => Place::Value,
            (b'"', Some(Container::Object(_))) if self.place != Place::Value => {
                Place::Name { raw: Vec::new(), escaped: false }
            }
            (b'"', _) => Place::String { escaped: false },
            _ => Place::Scalar,
        };
    }

    /// The pointer of the value that the next byte belongs to: the innermost that is open, or what it is in where the byte is
    /// between two values.
    pub fn pointer(&self, next: u8) -> String {
        let is_inside = match self.place {
            Place::Value | Place::String { .. } => true,
            Place::Scalar => !matches!(next, b',' | b']' | b'}'),
            Place::Name { .. } | Place::Between => false,
        };
        let depth = if is_inside { self.containers.len() } else { self.containers.len().saturating_sub(1) };
        self.pointer_to(depth)
    }

    /// The pointer of the string, number or literal that the next byte is a part of, quotes included.
    pub fn scalar(&self, next: u8) -> Option<String> {
        let is_scalar = match self.place {
            Place::Value => !matches!(next, b'{' | b'['),
            Place::String { .. } => true,
            Place::Scalar => !matches!(next, b',' | b']' | b'}'),
            Place::Name { .. } => false,
            Place::Between => {
                let in_array = matches!(self.containers.last(), Some(Container::Array(_)));
                in_array && !matches!(next, b',' | b'{' | b'[' | b']')
            }
        };
        is_scalar.then(|| self.pointer_to(self.containers.len()))
    }

    fn pointer_to(&self, depth: usize) -> String {
        self.containers.iter().take(depth).fold(String::new(), |pointer, container| match container {
            Container::Object(name) => step(&pointer, name),
            Container::Array(index) => step(&pointer, index),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_is_that_of_the_innermost_value_that_is_open() {
        let cases = [
            ("", b'{', ""),
            ("{", b'"', ""),
            ("{\"na", b'm', ""),
            ("{\"name\":", b'"', "/name"),
            ("{\"name\":\"J\\\"", b'o', "/name"),
            ("{\"name\":\"Jo\"", b',', ""),
            ("{\"name\":\"Jo\",\"age\":4", b'2', "/age"),
            ("{\"name\":\"Jo\",\"age\":4", b'}', ""),
            ("{\"a/b\\\"~\":[", b'1', "/a~1b\"~0"),
            ("{\"a\":[12", b'3', "/a/0"),
            ("{\"a\":[12", b',', "/a"),
            ("{\"a\":[12,{\"b\":[[true", b'x', "/a/1/b/0/0"),
            ("{\"a\":[12,{\"b\":[[true],\"x", b'x', "/a/1/b/1"),
            ("{\"a\":[12,{\"b\":[[true]]}", b',', "/a"),
            ("{\"a\":[12]", b',', ""),
            ("[\"x\",\"y", b'z', "/1"),
            ("\"x", b'y', ""),
        ];
        for (text, next, expected) in cases {
            let mut path = Path::default();
            text.bytes().for_each(|byte| path.push(byte));
            assert_eq!(path.pointer(next), expected, "{text}");
        }
    }

    #[test]
    fn bytes_of_scalars_belong_to_their_pointers() {
        let text = r#"{"a":"x,\"","b":[1,[true],{}],"c":{"d":-2}}"#;
        let (mut path, mut found) = (Path::default(), Vec::<(String, String)>::new());
        for byte in text.bytes() {
            if let Some(pointer) = path.scalar(byte) {
                match found.last_mut().filter(|last| last.0 == pointer) {
                    Some((_, scalar)) => scalar.push(byte.into()),
                    None => found.push((pointer, char::from(byte).to_string())),
                }
            }
            path.push(byte);
        }
        let found: Vec<(&str, &str)> = found.iter().map(|(pointer, text)| (pointer.as_str(), text.as_str())).collect();
        assert_eq!(found, [("/a", r#""x,\"""#), ("/b/0", "1"), ("/b/1/0", "true"), ("/c/d", "-2")]);
    }
}
