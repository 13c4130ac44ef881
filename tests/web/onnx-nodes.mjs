// Runner of ONNX's node tests in a page: each is a graph, with inputs and outputs as protobuf files.
import { TYPES } from './onnx-writer.mjs';

/**
 * Runs the tests `names` in `page`, one after another; gives the reason of each failure by name.
 *
 * @returns {Promise<Record<string, string>>}
 */
export async function runNodes(page, device, names) {
  const types = Object.fromEntries(Object.entries(TYPES).map(([name, id]) => [id, name]));
  return page.evaluate(inPage, { device, names, types });
}

/** Runs in the page. */
async function inPage({ device, names, types }) {
  const { model, tensor } = globalThis.pilot;
  // The tolerances of ONNX's own runner.
  const [RELATIVE, ABSOLUTE] = [1e-3, 1e-7];
  const AT_ONCE = 4;

  // An engine lives as long as one of its models: this one keeps it for all tests.
  const first = await model(`/conformance/onnx-1.22.0/node/${names[0]}/model.onnx`, { device, worker: false });
  const wrong = {};
  const left = [...names];
  // Several at once: each waits for its files, and on WebGPU for the queue.
  await Promise.all(
    Array.from({ length: AT_ONCE }, async () => {
      for (let name = left.shift(); name !== undefined; name = left.shift()) {
        const error = await runOne(name).catch((thrown) => String(thrown?.message ?? thrown));
        if (error) wrong[name] = error;
      }
    }),
  );
  await first.dispose();
  return wrong;

  async function runOne(name) {
    const folder = `/conformance/onnx-1.22.0/node/${name}`;
    const m = await model(`${folder}/model.onnx`, { device, worker: false, gpu_min_elements: 0 });
    try {
      const inputs = await tensors(`${folder}/test_data_set_0/input`, m.inputs.length);
      const outputs = await m.run(Object.fromEntries(m.inputs.map(({ name }, i) => [name, inputs[i]])));
      if (m.device.kind !== device) return `ran on ${m.device.kind}: ${m.device.reason}`;
      const expected = await tensors(`${folder}/test_data_set_0/output`, m.outputs.length);
      return m.outputs.map(({ name }, i) => compare(name, outputs[name], expected[i])).find(Boolean);
    } finally {
      await m.dispose();
    }
  }

  /** The tensors `path`_0.pb and so on. There must be exactly `count` of them, and at least one output. */
  async function tensors(path, count) {
    const files = await Promise.all(Array.from({ length: count + 1 }, (_, i) => fetch(`${path}_${i}.pb`)));
    const found = files.findIndex(({ ok }) => !ok);
    if (found !== count || (count === 0 && path.endsWith('output')))
      throw new Error(`there are ${found < 0 ? 'more' : found} files ${path}_N.pb, expected ${count}`);
    return Promise.all(files.slice(0, count).map(async (file) => parse(new DataView(await file.arrayBuffer()))));
  }

  function compare(name, output, expected) {
    const [is, wanted] = [output, expected].map(({ type, dims }) => `${type} [${dims}]`);
    if (is !== wanted) return `${name} is ${is}, expected ${wanted}`;
    const [a, b] = [numbers(output), numbers(expected)];
    // Next to an infinity every difference is within a relative tolerance.
    const near = (x, y) => Number.isFinite(y) && Math.abs(x - y) <= ABSOLUTE + RELATIVE * Math.abs(y);
    const at = a.findIndex((value, i) => !(Object.is(value, b[i]) || value === b[i] || near(value, b[i])));
    return at < 0 ? undefined : `${name} at ${at} is ${a[at]}, expected ${b[at]}`;
  }

  function numbers({ type, data }) {
    return Array.from(data, type === 'float16' ? fromHalf : Number);
  }

  function fromHalf(bits) {
    const [sign, exponent, fraction] = [bits >> 15, (bits >> 10) & 31, bits & 1023];
    const size =
      exponent === 31
        ? fraction
          ? NaN
          : Infinity
        : exponent === 0
          ? fraction * 2 ** -24
          : (1 + fraction / 1024) * 2 ** (exponent - 15);
    return sign ? -size : size;
  }

  /** Parses a TensorProto: the fields dims 1, data_type 2, float_data 4, int32_data 5, int64_data 7, raw_data 9, double_data 10, uint64_data 11. */
  function parse(view) {
    let at = 0;
    const dims = [];
    let [type, raw] = [0, new Uint8Array(0)];
    const list = [];
    const varint = () => {
      let value = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = view.getUint8(at++);
        value |= BigInt(byte & 127) << shift;
        if (byte < 128) return BigInt.asIntN(64, value);
      }
    };
    while (at < view.byteLength) {
      const key = Number(varint());
      const [field, wire] = [key >> 3, key & 7];
      if (wire === 0) {
        const value = varint();
        if (field === 1) dims.push(Number(value));
        else if (field === 2) type = Number(value);
        else list.push(value);
      } else if (wire === 5 || wire === 1) {
        list.push(wire === 5 ? view.getFloat32(at, true) : view.getFloat64(at, true));
        at += wire === 5 ? 4 : 8;
      } else {
        const length = Number(varint());
        const end = at + length;
        if (field === 9) raw = new Uint8Array(view.buffer, at, length);
        for (; field === 1 && at < end; ) dims.push(Number(varint()));
        for (; field === 4 && at < end; at += 4) list.push(view.getFloat32(at, true));
        for (; field === 10 && at < end; at += 8) list.push(view.getFloat64(at, true));
        for (; [5, 7, 11].includes(field) && at < end; ) list.push(varint());
        at = end;
      }
    }
    const name = types[type];
    if (name === undefined) throw new Error(`JavaScript has no typed array for the type ${type}`);
    const empty = tensor(name, name === 'float16' ? new Uint16Array(0) : []).data;
    const data =
      list.length > 0
        ? empty.constructor.from(list, name.endsWith('64') && name !== 'float64' ? BigInt : Number)
        : new empty.constructor(raw.slice().buffer);
    return tensor(name, data, dims);
  }
}
