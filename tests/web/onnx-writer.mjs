// Writer of ONNX files: the few fields of the protobuf format that small graphs need.

/** The element types by name, with their values in TensorProto.DataType. */
export const TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/**
 * Encodes a model with one graph.
 *
 * @param {{ inputs: object[], outputs: object[], nodes: object[], constants?: object[], opset?: number }} graph
 * Inputs and outputs are `{ name, type, dims }`, nodes `{ op, inputs, outputs, domain, ints }`, constants
 * `{ name, type, dims, bytes }` or, in another file, `{ name, type, dims, location }`.
 */
export function onnx({ inputs, outputs, nodes, constants = [], opset = 17 }) {
  const body = [
    ...nodes.map(({ op, inputs: from = [], outputs: to = [], domain = '', ints = {} }) =>
      field(1, [
        ...from.map((name) => field(1, name)),
        ...to.map((name) => field(2, name)),
        field(3, `the ${op}`),
        field(4, op),
        ...Object.entries(ints).map(([name, value]) => field(5, [field(1, name), number(3, value), number(20, 2)])),
        field(7, domain),
      ]),
    ),
    field(2, 'a graph'),
    ...constants.map(({ name, type, dims, bytes, location }) =>
      field(5, [
        ...dims.map((dim) => number(1, dim)),
        number(2, TYPES[type]),
        field(8, name),
        ...(location === undefined
          ? [field(9, bytes)]
          : [field(13, [field(1, 'location'), field(2, location)]), number(14, 1)]),
      ]),
    ),
    ...inputs.map((port) => field(11, valueInfo(port))),
    ...outputs.map((port) => field(12, valueInfo(port))),
  ];
  return Buffer.concat([
    number(1, 8),
    field(8, [field(1, ''), number(2, opset)]),
    field(8, [field(1, 'com.microsoft'), number(2, 1)]),
    field(7, body),
  ]);
}

function valueInfo({ name, type, dims }) {
  const dim = (size) => field(1, [typeof size === 'number' ? number(1, size) : field(2, size)]);
  const shape = dims === undefined ? [] : [field(2, dims.map(dim))];
  return [field(1, name), field(2, [field(1, [number(1, TYPES[type]), ...shape])])];
}

/** A length-delimited field: text, bytes, or other fields. */
function field(id, content) {
  const bytes = Array.isArray(content) ? Buffer.concat(content) : Buffer.from(content);
  return Buffer.concat([varint((id << 3) | 2), varint(bytes.length), bytes]);
}

/** A varint field. */
function number(id, value) {
  return Buffer.concat([varint(id << 3), varint(value)]);
}

function varint(value) {
  const bytes = [];
  let rest = BigInt(value);
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return Buffer.from(bytes);
}
