// Reader of the golden inputs in tests/golden/onnx (their README describes the format), as inputs of models.

const GOLDEN = '/bench/golden/';
const SAMPLES = '/bench/samples/';
const SCANS = ['page.png', 'text.png'];
const FRAME = 512;
const CONTEXT = 64;
/** The bytes before the samples of the one file, whose digest is checked when it is downloaded. */
const WAV_HEADER = 44;

const READ = { U8: Uint8Array, U16: Uint16Array, I32: Int32Array, I64: BigInt64Array, F32: Float32Array };
const WIDENED = { int32: (data) => Int32Array.from(data), int64: (data) => BigInt64Array.from(data, BigInt) };

/**
 * The inputs of every case in order: a record from port to { type, data, dims } for each.
 *
 * @param {string} name of the golden file
 * @param {Record<string, string>} types of the ports
 */
export async function cases(name, types) {
  const stored = new Map();
  for (const [key, value] of await safetensors(`${GOLDEN}${name}.safetensors`)) {
    const [number, kind, port] = key.split('/');
    if (!stored.has(number)) stored.set(number, {});
    if (!(port in types)) continue;
    const ports = stored.get(number);
    ports[port] ??= {};
    ports[port][kind] = value;
  }
  const inOrder = [...stored].sort(([a], [b]) => a.localeCompare(b));
  return Promise.all(
    inOrder.map(async ([, ports]) => {
      const given = Object.entries(ports).map(async ([port, value]) => [port, await input(value, types[port])]);
      return Object.fromEntries(await Promise.all(given));
    }),
  );
}

async function input(stored, type) {
  if (stored.in) {
    const { data, dims } = stored.in;
    return { type, data: data instanceof Uint16Array ? WIDENED[type](data) : data, dims };
  }
  if (stored.speech) return frames(...stored.speech.data);
  const width = stored.width?.data[0] ?? 0;
  if (stored.scan) return normalised(await cut(...stored.scan.data), width);
  const { data, dims } = stored.pixels;
  return normalised({ pixels: data, height: dims[0], width: dims[1] }, width);
}

/** `count` frames of the speech from sample `first` on, each with its context: the samples before it. */
async function frames(first, count) {
  const samples = new Int16Array(await bytesOf(`${SAMPLES}speech/test.wav`), WAV_HEADER);
  const size = CONTEXT + FRAME;
  const data = new Float32Array(count * size);
  for (let i = 0; i < data.length; i += 1) {
    const at = first + Math.floor(i / size) * FRAME + (i % size) - CONTEXT;
    data[i] = at < 0 ? 0 : samples[at] / 32768;
  }
  return { type: 'float32', data, dims: [count, size] };
}

/** A crop of a photographed page. */
async function cut(page, x, y, width, height, repeated, turned) {
  const photograph = await scan(SCANS[page]);
  const [rows, columns] = [height * repeated, width * repeated];
  const pixels = Uint8Array.from({ length: rows * columns }, (_, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    return photograph.pixels[(y + Math.floor(row / repeated)) * photograph.width + x + Math.floor(column / repeated)];
  });
  return { pixels: turned ? pixels.reverse() : pixels, height: rows, width: columns };
}

/** The pixels of a greyscale picture. */
const scan = once(async (name) => {
  const blob = new Blob([await bytesOf(`${SAMPLES}scans/${name}`)]);
  const bitmap = await createImageBitmap(blob, { colorSpaceConversion: 'none' });
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  return {
    pixels: Uint8Array.from({ length: bitmap.width * bitmap.height }, (_, i) => data[4 * i]),
    width: bitmap.width,
  };
});

/** A picture normalised for PP-OCR's models, padded on the right to at least `least` columns. */
function normalised({ pixels, height, width }, least) {
  const channels = pixels.length / (height * width);
  const columns = Math.max(width, least);
  const data = new Float32Array(3 * height * columns);
  for (let i = 0; i < data.length; i += 1) {
    const [x, y, channel] = [i % columns, Math.floor(i / columns) % height, Math.floor(i / (columns * height))];
    if (x < width) data[i] = (pixels[(y * width + x) * channels + (channel % channels)] / 255 - 0.5) / 0.5;
  }
  return { type: 'float32', data, dims: [1, 3, height, columns] };
}

/** The tensors of a file, by name. */
async function safetensors(address) {
  const bytes = await bytesOf(address);
  const length = Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 8, length)));
  delete header.__metadata__;
  return Object.entries(header).map(
    ([
      name,
      {
        dtype,
        shape,
        data_offsets: [begin, end],
      },
    ]) => {
      const data = new READ[dtype](bytes.slice(8 + length + begin, 8 + length + end));
      return [name, { data, dims: shape }];
    },
  );
}

const bytesOf = once(async (address) => {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} answered ${response.status}, expected 200`);
  return response.arrayBuffer();
});

/** `make`, memoised by name. */
function once(make) {
  const made = new Map();
  return (name) => {
    if (!made.has(name)) made.set(name, make(name));
    return made.get(name);
  };
}
