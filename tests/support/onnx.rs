//! ONNX files, written field by field.

/// The fields of a protobuf message, as `onnx.proto` numbers them.
#[derive(Clone, Default)]
pub struct Message(pub Vec<u8>);

impl Message {
    /// Adds an integer without a field's number.
    pub fn varint(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// Adds an integer.
    pub fn int(self, field: u64, value: i64) -> Self {
        self.varint(field << 3).varint(value as u64)
    }

    /// Adds a string or bytes.
    pub fn bytes(self, field: u64, bytes: impl AsRef<[u8]>) -> Self {
        let mut message = self.varint(field << 3 | 2).varint(bytes.as_ref().len() as u64);
        message.0.extend_from_slice(bytes.as_ref());
        message
    }

    /// Adds a message.
    pub fn message(self, field: u64, message: Self) -> Self {
        self.bytes(field, message.0)
    }
}

/// A node of the default domain.
pub fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> Message {
    let message = inputs.iter().fold(Message::default(), |message, name| message.bytes(1, name));
    outputs.iter().fold(message, |message, name| message.bytes(2, name)).bytes(3, format!("a {op}")).bytes(4, op)
}

/// An input or an output with this element type.
pub fn port(name: &str, element: i64, dims: &[i64]) -> Message {
    let shape = dims.iter().fold(Message::default(), |shape, dim| shape.message(1, Message::default().int(1, *dim)));
    let tensor = Message::default().int(1, element).message(2, shape);
    Message::default().bytes(1, name).message(2, Message::default().message(1, tensor))
}

/// A constant tensor.
pub fn initializer(name: &str, element: i64, dims: &[i64], raw: &[u8]) -> Message {
    let dims = dims.iter().fold(Message::default(), |tensor, dim| tensor.int(1, *dim));
    dims.int(2, element).bytes(8, name).bytes(9, raw)
}

/// A graph from `x`, three floats, to `y`.
pub fn graph(parts: impl IntoIterator<Item = (u64, Message)>) -> Message {
    let graph = Message::default().message(11, port("x", 1, &[3])).message(12, port("y", 1, &[3]));
    parts.into_iter().fold(graph, |graph, (field, part)| graph.message(field, part))
}

/// A file of the operator set 17.
pub fn model(graph: Message) -> Vec<u8> {
    Message::default().int(1, 8).message(8, Message::default().int(2, 17)).message(7, graph).0
}
