// Media inputs, as far as they need no browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toBytes, toPixels, toSamples } from '../modules/io/media.js';
import { PilotLightError } from '../modules/shared/errors.js';

const kind = (name) => (error) => error instanceof PilotLightError && error.kind === name;
const END = 1 << 16;

test('a file may be a blob, a buffer or a view of one', async () => {
  const bytes = Uint8Array.of(1, 2, 3, 4);
  for (const input of [
    bytes,
    bytes.buffer,
    new Blob([bytes]),
    new File([bytes], 'x'),
    new DataView(bytes.buffer),
    new Uint16Array(bytes.buffer),
  ]) {
    assert.deepEqual(await toBytes(input), bytes);
  }
  assert.deepEqual(await toBytes(bytes.subarray(1, 3)), Uint8Array.of(2, 3));
  assert.notEqual((await toBytes(bytes)).buffer, bytes.buffer);
  for (const input of ['path', 7, null, undefined, [], {}]) await assert.rejects(toBytes(input), kind('invalid-input'));
});

test('of a long file only the ends are read', async () => {
  const long = Uint8Array.from({ length: 3 * END }, (_, i) => Math.floor(i / END));
  for (const input of [long, new Blob([long])]) {
    const read = await toBytes(input);
    assert.deepEqual([read.length, read[0], read[END - 1], read[END], read.at(-1)], [2 * END, 0, 0, 2, 2]);
  }
  assert.equal((await toBytes(long.subarray(0, 2 * END))).length, 2 * END);
});

test('samples are taken as they are, and copied', async () => {
  const samples = Float32Array.of(0, 0.5, 1).subarray(1);
  const taken = await toSamples(samples);
  samples.fill(0);
  assert.deepEqual(taken, Float32Array.of(0.5, 1));
  for (const input of [7, null, undefined, [0.5], new Float64Array(2), {}])
    await assert.rejects(toSamples(input), kind('invalid-input'));
});

test('media that cannot be decoded here are unsupported', async () => {
  await assert.rejects(toSamples(new Blob(['x'])), kind('unsupported'));
  await assert.rejects(toPixels(new Blob(['x'])), kind('unsupported'));
  for (const input of [7, null, undefined]) await assert.rejects(toPixels(input), kind('invalid-input'));
});

test('pixels are taken as they are, and copied', async () => {
  class ImageData {
    [Symbol.toStringTag] = 'ImageData';
    data = Uint8ClampedArray.of(1, 2, 3, 4);
    width = 1;
    height = 1;
  }
  const picture = new ImageData();
  const pixels = await toPixels(picture);
  picture.data.fill(0);
  assert.deepEqual(pixels, { data: Uint8Array.of(1, 2, 3, 4), width: 1, height: 1 });
});
