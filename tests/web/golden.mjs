// Golden values of tests/golden, and routes that serve test models to a page.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';

const GOLDEN = new URL('../golden/', import.meta.url);

export const goldenBytes = (path) => readFileSync(new URL(path, GOLDEN));
export const goldenJson = (path) => JSON.parse(goldenBytes(path));

/** The sentences, each with its embedding by a reference implementation. */
export function goldenSentences() {
  const texts = goldenJson('sentences.json');
  const {
    shape: [, size],
    numbers,
  } = f16Tensor(goldenBytes('minilm.safetensors'), 'embeddings');
  return texts.map((text, i) => ({ text, embedding: numbers.slice(i * size, (i + 1) * size) }));
}

export function cosine(a, b) {
  const dot = (x, y) => x.reduce((sum, value, i) => sum + value * y[i], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

export function softmax(logits) {
  const odds = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  const sum = odds.reduce((a, b) => a + b);
  return odds.map((value) => value / sum);
}

/**
 * Serves tests/golden under `/golden/` to the pages of `context`, and under `/broken/<name>/` the folder
 * tiny-bert-seq with one of its files changed: `broken` is `{ name: [file, (bytes) => response] }`.
 */
export async function routeGolden(context, broken = {}) {
  await context.route(/^[^?]*\/golden\//, (route) => {
    const path = pathAfter(route.request().url(), '/golden/');
    return readFile(new URL(path, GOLDEN)).then(
      (body) => fulfil(route, { body }),
      () => fulfil(route, { status: 404, body: 'not there' }),
    );
  });
  await context.route(/^[^?]*\/broken\//, async (route) => {
    const [name, file] = pathAfter(route.request().url(), '/broken/').split('/');
    const [changed, change] = broken[name] ?? [];
    const bytes = await readFile(new URL(`tiny-bert-seq/${file}`, GOLDEN)).catch(() => undefined);
    if (bytes === undefined) return fulfil(route, { status: 404, body: 'not there' });
    return fulfil(route, file === changed ? change(bytes) : { body: bytes });
  });
}

/** Serves `files`, bytes by name, under `/graphs/` to the pages of `context`. */
export async function routeGraphs(context, files = {}) {
  await context.route(/^[^?]*\/graphs\//, (route) => {
    const body = files[pathAfter(route.request().url(), '/graphs/')];
    return fulfil(route, body === undefined ? { status: 404, body: 'not there' } : { body: Buffer.from(body) });
  });
}

/** A safetensors file with a changed header. Its length is updated, unless `length` gives a false one. */
export function withHeader(bytes, change, length) {
  const end = 8 + Number(bytes.readBigUInt64LE());
  const header = JSON.parse(bytes.subarray(8, end));
  change(header);
  const json = JSON.stringify(header);
  const text = Buffer.from(json.padEnd(Math.ceil(json.length / 8) * 8));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, bytes.subarray(end)]);
}

function pathAfter(url, prefix) {
  const { pathname } = new URL(url);
  return decodeURIComponent(pathname.slice(pathname.indexOf(prefix) + prefix.length));
}

function fulfil(route, response) {
  return route.fulfill({
    contentType: 'application/octet-stream',
    ...response,
    headers: { 'cross-origin-resource-policy': 'same-origin', ...response.headers },
  });
}

function f16Tensor(bytes, name) {
  const start = 8 + Number(bytes.readBigUInt64LE());
  const {
    dtype,
    shape,
    data_offsets: [from, to],
  } = JSON.parse(bytes.subarray(8, start))[name];
  if (dtype !== 'F16') throw new Error(`${name} is ${dtype}, not F16.`);
  const numbers = Float32Array.from({ length: (to - from) / 2 }, (_, i) =>
    fromF16(bytes.readUInt16LE(start + from + 2 * i)),
  );
  return { shape, numbers };
}

/** By hand because Node 20 has no Float16Array; infinities do not occur. */
function fromF16(half) {
  const [sign, exponent, fraction] = [half >> 15, (half >> 10) & 31, half & 1023];
  const size = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
  return sign ? -size : size;
}
