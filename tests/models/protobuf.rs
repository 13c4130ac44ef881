//! A protobuf message as a tree of fields, to change one of them and have the lengths around it right.

/// The fields of a message.
pub type Message = Vec<Field>;

/// A field and its number.
#[derive(Clone)]
pub struct Field {
    number: u64,
    pub value: Value,
}

/// What a field holds.
#[derive(Clone)]
pub enum Value {
    Varint(u64),
    Fixed(Vec<u8>),
    /// Text, packed numbers, or a message inside this one: whatever reads as one is taken for one.
    Bytes(Vec<u8>),
    Message(Message),
}

/// The deepest message that is taken apart.
const MAX_DEPTH: usize = 12;

/// Takes a message apart; `None` if the bytes are not a message.
pub fn read(bytes: &[u8]) -> Option<Message> {
    read_at(bytes, MAX_DEPTH)
}

fn read_at(mut bytes: &[u8], depth: usize) -> Option<Message> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut bytes)?),
            1 => Value::Fixed(take(&mut bytes, 8)?.to_vec()),
            5 => Value::Fixed(take(&mut bytes, 4)?.to_vec()),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let inner = take(&mut bytes, length)?;
                let message = (depth > 0 && length > 1).then(|| read_at(inner, depth - 1)).flatten();
                message.map_or_else(|| Value::Bytes(inner.to_vec()), Value::Message)
            }
            _ => return None,
        };
        let number = key >> 3;
        (number > 0).then(|| fields.push(Field { number, value }))?;
    }
    Some(fields)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let length = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    (length <= 10).then(|| {
        let digits = take(bytes, length).into_iter().flatten().enumerate();
        digits.fold(0, |number, (place, &byte)| number | u64::from(byte & 0x7f).wrapping_shl(7 * place as u32))
    })
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// Puts a message together.
pub fn write(message: &[Field]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Field { number, value } in message {
        let delimited = |bytes: &mut Vec<u8>, inner: &[u8]| {
            put(bytes, number << 3 | 2);
            put(bytes, inner.len() as u64);
            bytes.extend(inner);
        };
        match value {
            Value::Varint(value) => {
                put(&mut bytes, number << 3);
                put(&mut bytes, *value);
            }
            Value::Fixed(digits) => {
                put(&mut bytes, number << 3 | if digits.len() == 8 { 1 } else { 5 });
                bytes.extend(digits);
            }
            Value::Bytes(inner) => delimited(&mut bytes, inner),
            Value::Message(inner) => delimited(&mut bytes, &write(inner)),
        }
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// How many fields there are, those of messages inside included.
pub fn count(message: &[Field]) -> usize {
    message.iter().map(|field| 1 + if let Value::Message(inner) = &field.value { count(inner) } else { 0 }).sum()
}

/// The message that has the field with this number among all, and the field's place in it.
pub fn find(message: &mut Message, mut index: usize) -> Option<(&mut Message, usize)> {
    for place in 0..message.len() {
        if index == 0 {
            return Some((message, place));
        }
        index -= 1;
        let inner = if let Value::Message(inner) = &message[place].value { count(inner) } else { 0 };
        if index < inner {
            let Value::Message(inner) = &mut message[place].value else { return None };
            return find(inner, index);
        }
        index -= inner;
    }
    None
}

#[test]
fn a_message_comes_out_as_it_went_in() {
    let folder = crate::support::fetched("conformance/onnx-1.22.0/node");
    for test in std::fs::read_dir(folder).expect("the tests") {
        let bytes = std::fs::read(test.expect("one").path().join("model.onnx")).expect("a model");
        let mut message = read(&bytes).expect("a message");
        assert!(write(&message) == bytes);
        let fields = count(&message);
        assert!(find(&mut message, fields - 1).is_some() && find(&mut message, fields).is_none());
    }
}
