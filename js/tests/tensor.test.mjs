// Tensors, and the inputs of a model, without a model.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { feeds } from '../modules/page/model.js';
import { fromRaw, tensor, toRaw } from '../modules/page/tensor.js';
import { PilotLightError } from '../modules/shared/errors.js';

const refused = (words) => (error) =>
  error instanceof PilotLightError && error.kind === 'invalid-input' && error.message.includes(words);

const ARRAYS = {
  float32: Float32Array,
  float16: Uint16Array,
  float64: Float64Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
};

test('every type goes to bytes and back in its own array', () => {
  for (const [type, Numbers] of Object.entries(ARRAYS)) {
    const one = type.endsWith('int64') ? 1n : 1;
    const data = Numbers.of(one, one, one, one, one, one);
    const back = fromRaw(structuredClone(toRaw('x', tensor(type, data, [2, 3]))));
    assert.deepEqual(back, { type, dims: [2, 3], data });
    assert.equal(back.data.constructor, Numbers);
  }
});

test('strings go there and back as they were', () => {
  const data = ['one', '', 'zwei 🙂'];
  const given = tensor('string', data, [3, 1]);
  const raw = toRaw('x', given);
  data[0] = 'changed';
  assert.deepEqual(fromRaw(structuredClone(raw)), { type: 'string', dims: [3, 1], data: ['one', '', 'zwei 🙂'] });
  assert.equal(raw.bytes, undefined);
});

test("plain arrays become the type's own, with one dimension by default", () => {
  assert.deepEqual(tensor('int64', [1, 2n, true]), { type: 'int64', dims: [3], data: BigInt64Array.of(1n, 2n, 1n) });
  assert.deepEqual(tensor('bool', [true, false], [2, 1]), { type: 'bool', dims: [2, 1], data: Uint8Array.of(1, 0) });
  assert.deepEqual(tensor('float32', [], [0, 4]).data, new Float32Array(0));
  assert.deepEqual(tensor('float32', [7], []).dims, []);
});

test('what does not fit is refused with a message', () => {
  const cases = [
    [['float33', [1]], 'float33'],
    [['float32', new Float64Array(1)], 'Float64Array'],
    [['int64', new Int32Array(1)], 'BigInt64Array'],
    [['float16', [1]], 'Uint16Array'],
    [['float32', ['1']], 'string'],
    [['int64', [1.5]], 'int64'],
    [['float32', undefined], 'undefined'],
    [['string', ['a', 1]], 'Element 1'],
    [['string', new Uint8Array(1)], 'array of strings'],
    [['string', ['a', 'b'], [3]], 'asks for 3'],
    [['float32', [1, 2, 3], [2, 2]], 'asks for 4'],
    [['float32', [1], [-1, -1]], 'whole numbers'],
    [['float32', [], [0, 2 ** 40]], 'whole numbers'],
    [['float32', [1], [1.5]], 'whole numbers'],
    [['float32', [1], '1'], 'whole numbers'],
  ];
  for (const [args, words] of cases) assert.throws(() => tensor(...args), refused(words), words);
});

const PORTS = [
  { name: 'ids', type: 'int64', dims: ['batch', 2] },
  { name: 'any', type: 'float32', dims: undefined },
];
const ids = tensor('int64', [1, 2], [1, 2]);
const any = tensor('float32', [1]);

test("inputs are fed in the model's order, as they were when they were passed in", () => {
  const view = new Float32Array([0, 1, 2, 3]).subarray(1, 3);
  const [first, second] = feeds(PORTS, { any: tensor('float32', view), ids });
  view.fill(9);
  assert.deepEqual([first.name, second.name, second.bytes.buffer.byteLength], ['ids', 'any', 8]);
  assert.deepEqual(new Float32Array(second.bytes.buffer), Float32Array.of(1, 2));
});

test("inputs that are not the model's are refused by name", () => {
  const cases = [
    [undefined, 'object'],
    [{ ids }, "'any' is missing"],
    [{ ids, any, more: any }, "Unknown input 'more'"],
    [{ ids, any: [1] }, "'any' has the type 'undefined'"],
    [{ ids, any: null }, "'any' must be a tensor"],
    [{ ids: tensor('int32', [1, 2], [1, 2]), any }, 'takes int64'],
    [{ ids: tensor('int64', [1, 2, 3], [1, 3]), any }, 'takes [batch, 2]'],
    [{ ids: tensor('int64', [1, 2], [2]), any }, 'takes [batch, 2]'],
    [{ ids: { ...ids, dims: [2, 2] }, any }, 'asks for 4'],
    [Object.create({ ids, any }), "'ids' is missing"],
  ];
  for (const [tensors, words] of cases) assert.throws(() => feeds(PORTS, tensors), refused(words), words);
});
