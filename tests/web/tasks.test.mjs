// Tasks on ONNX models: personal data, file types, speech, text in pictures, and encoders of any architecture.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { close, typed } from './assertions.mjs';
import { goldenBytes, goldenJson, softmax } from './golden.mjs';
import { onnx } from './onnx-writer.mjs';
import { LIMIT, openBrowser } from './package-page.mjs';
import { fromQoi } from './qoi.mjs';

const RECORDING = '/bench/samples/speech/test.wav';
const RATE = 16_000;

const base64 = (bytes) => Buffer.from(bytes).toString('base64');

for (const [device, worker] of [
  ['wasm', true],
  ['wasm', false],
  ['webgpu', true],
]) {
  // WebGPU in software is too slow for all cases.
  const whole = device === 'wasm' && worker;
  describe(`tasks on ${device}, ${worker ? 'in a worker' : 'in place'}`, LIMIT, () => {
    let opened;
    let page;
    before(async () => {
      opened = await openBrowser({ webgpu: device === 'webgpu' ? 'software' : 'none' });
      page = await opened.page({ device, worker, graphs: encoders() });
      await page.evaluate(() => {
        globalThis.bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      });
    });
    after(() => opened?.close());

    test('it runs on the device that was asked for', async () => {
      const { kind } = await page.evaluate(async () => (await shared('file-classification', '/models/magika')).device);
      assert.equal(kind, device);
    });

    personalData(() => page, whole);
    files(() => page, whole);
    speech(() => page, whole);
    pictures(() => page, whole);
    if (device === 'wasm') anyEncoder(() => page);
  });
}

function personalData(page, whole) {
  const golden = goldenJson('tasks/personal_data.json').slice(0, whole ? undefined : 3);

  test(`personal data is found where onnxruntime finds it, in ${golden.length} texts`, async () => {
    const [found, dtype] = await page().evaluate(
      async (texts) => {
        const find = await shared('token-classification', '/models/rampart');
        return [await find(texts, { aggregation_strategy: 'simple' }), find.dtype];
      },
      golden.map(({ text }) => text),
    );
    assert.equal(dtype, 'q4');
    assert.equal(found.length, golden.length);
    assert.ok(
      golden.every(({ entities }) => Array.isArray(entities)) && golden.some(({ entities }) => entities.length > 0),
    );
    golden.forEach(({ text, entities }, i) => {
      const spans = ({ entity_group, word, start, end }) => [entity_group, word, start, end];
      const units = (bytes) => Buffer.from(text).subarray(0, bytes).toString().length;
      assert.deepEqual(
        found[i].map(spans),
        entities.map((entity) => spans({ ...entity, start: units(entity.start), end: units(entity.end) })),
      );
      for (const { start, end, word } of found[i]) assert.equal(text.slice(start, end), word);
      found[i].forEach(({ score, word }, k) => close(score, entities[k].score, 2e-3, word));
    });
  });

  if (!whole) return;
  test("it is found in texts longer than the model's input", async () => {
    const sentence = 'My name is Jane Doe and I live at 12 High Street, Springfield, IL 62704. ';
    const found = await page().evaluate(
      async (text) =>
        (await shared('token-classification', '/models/rampart'))(text, { aggregation_strategy: 'simple' }),
      sentence.repeat(60),
    );
    // The model finds less in a text of many sentences than in each alone, but it reads all of it.
    const zips = found.filter(({ entity_group, word }) => entity_group === 'ZIP_CODE' && word === '62704');
    assert.ok(zips.length >= 30, `${zips.length} of 60`);
    assert.ok(zips[0].start < 3 * sentence.length && zips.at(-1).start > 57 * sentence.length);
    for (const [i, { start }] of found.entries()) assert.ok(i === 0 || start >= found[i - 1].end);
  });

  test('a requested dtype is used or refused', async () => {
    const [q4, q8, fp32] = await page().evaluate(async () => {
      const find = await pipeline('token-classification', '/models/rampart', { dtype: 'q4' });
      const [{ entity }] = await find('Jane');
      await find.dispose();
      const refused = (model, dtype) => outcome(pipeline('token-classification', model, { dtype }));
      return [entity, await refused('/models/rampart', 'q8'), await refused('/golden/tiny-bert-token', 'fp16')];
    });
    assert.match(q4, /NAME$/);
    for (const { error } of [q8, fp32]) typed(error, 'unsupported');
    assert.match(q8.error.message, /onnx\/model_quantized\.onnx/);
  });
}

function files(page, whole) {
  const golden = goldenJson('tasks/files.json').cases.filter((_, i) => whole || i % 20 === 0);

  test(`${golden.length} files are what Magika says`, async () => {
    const contents = golden.map(({ name }) => base64(goldenBytes(`tasks/files/${name}`)));
    const found = await page().evaluate(async (contents) => {
      const classify = await shared('file-classification', '/models/magika');
      return classify(
        contents.map(
          (text, i) =>
            [
              bytesOf(text),
              bytesOf(text).buffer,
              new Blob([bytesOf(text)]),
              new File([bytesOf(text)], 'misleading.exe'),
            ][i % 4],
        ),
      );
    }, contents);
    assert.ok(golden.length > 0);
    golden.forEach(({ name, label, score }, i) => {
      assert.equal(found[i].label, label, name);
      close(found[i].score, score, 2e-3, name);
    });
  });

  test('every golden file has its case', () => {
    const named = new Set(goldenJson('tasks/files.json').cases.map(({ name }) => name));
    assert.deepEqual(
      readdirSync(new URL('../golden/tasks/files/', import.meta.url)).filter((name) => !named.has(name)),
      [],
    );
  });

  test('one file gives one label, several on request, and an input that is not a file is refused', async () => {
    const text = base64(goldenBytes('tasks/files/javascript.js'));
    const [one, three, many, none, wrong] = await page().evaluate(async (text) => {
      const classify = await shared('file-classification', '/models/magika');
      const bytes = bytesOf(text);
      const wrong = [];
      for (const input of ['a path', 7, null, undefined, [1, 2], {}]) wrong.push(await outcome(classify(input)));
      return [
        await classify(bytes),
        await classify(bytes, { top_k: 3 }),
        await classify([bytes, bytes], { top_k: null }),
        await classify([]),
        wrong,
      ];
    }, text);
    assert.deepEqual([one.length, one[0].label, none], [1, 'javascript', []]);
    assert.deepEqual([three.length, three[0].label, three[1].label], [3, 'javascript', 'typescript']);
    assert.deepEqual(
      many.map((labels) => labels.length),
      [214, 214],
    );
    for (const { error } of wrong) typed(error, 'invalid-input');
  });

  test('only the ends of a large file are read', async () => {
    const [label, read] = await page().evaluate(
      async (text) => {
        const classify = await shared('file-classification', '/models/magika');
        const file = new File([bytesOf(text), new Uint8Array(200 << 20)], 'large');
        let read = 0;
        const { slice, arrayBuffer } = Blob.prototype;
        Blob.prototype.arrayBuffer = function () {
          read += this.size;
          return arrayBuffer.call(this);
        };
        const [{ label }] = await classify(file);
        Object.assign(Blob.prototype, { slice, arrayBuffer });
        return [label, read];
      },
      base64(goldenBytes('tasks/files/picture.png')),
    );
    assert.ok(read <= 1 << 20, `${read} bytes`);
    assert.equal(typeof label, 'string');
  });
}

function speech(page, whole) {
  const [{ options, spans }] = goldenJson('tasks/speech.json').cases;
  const expected = spans.recording.map(([start, end]) => [start / RATE, end / RATE]);

  test('speech is where Silero finds it', async () => {
    assert.deepEqual(options, {});
    const found = await page().evaluate(
      async ([address, seconds]) => {
        const detect = await shared('voice-activity-detection', '/models/silero-vad');
        if (seconds === undefined) return detect(address);
        const bytes = await (await fetch(address)).arrayBuffer();
        const sound = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(bytes);
        return detect(sound.getChannelData(0).subarray(0, seconds * 16000));
      },
      [RECORDING, whole ? undefined : 8],
    );
    const compared = whole ? expected : expected.filter(([, end]) => end < 7);
    assert.ok(compared.length > 0);
    compared.forEach(([start, end], i) => {
      close(found[i].start, start, 1e-3, `start ${i}`);
      close(found[i].end, end, 1e-3, `end ${i}`);
      assert.ok(found[i].confidence > 0.5 && found[i].confidence <= 1);
    });
    if (whole) assert.equal(found.length, expected.length);
  });

  if (!whole) return;
  test('sound may be decoded or a file, several at once, and at any sample rate', async () => {
    const [samples, decoded, file, resampled, empty] = await page().evaluate(async (address) => {
      const detect = await shared('voice-activity-detection', '/models/silero-vad');
      const blob = await (await fetch(address)).blob();
      const at = async (rate) => new OfflineAudioContext(2, 1, rate).decodeAudioData(await blob.arrayBuffer());
      const sound = await at(16000);
      const [samples, decoded] = await detect([sound.getChannelData(0), sound]);
      return [samples, decoded, await detect(blob), await detect(await at(44100)), await detect(new Float32Array(0))];
    }, RECORDING);
    assert.deepEqual([decoded, file, empty], [samples, samples, []]);
    // The edges of pauses are sensitive to resampling; nearly all of the speech is the same.
    const spoken = (segments) => segments.reduce((sum, { start, end }) => sum + end - start, 0);
    const both = resampled
      .flatMap((a) => samples.map((b) => Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start))))
      .reduce((a, b) => a + b);
    for (const segments of [samples, resampled])
      assert.ok(both > 0.97 * spoken(segments), `${both} s of ${spoken(segments)} s`);
  });

  test('the options of silero-vad apply, and invalid ones are refused', async () => {
    const { cases, lengths } = goldenJson('tasks/speech.json');
    const golden = cases.find(({ options }) => options.min_silence_duration_ms === 500);
    const [found, wrong] = await page().evaluate(
      async ([address, options, length]) => {
        const detect = await shared('voice-activity-detection', '/models/silero-vad');
        const recording = await new OfflineAudioContext(1, 1, 16000).decodeAudioData(
          await (await fetch(address)).arrayBuffer(),
        );
        const sound = new Float32Array(512);
        const calls = {
          'an option': () => detect(sound, { treshold: 0.5 }),
          'a threshold': () => detect(sound, { threshold: 2 }),
          NaN: () => detect(new Float32Array([NaN])),
          'a text': () => detect('/demo.json'),
          'another address': () => detect('https://other.example/sound.wav'),
          'no sound': () => detect(new Blob(['no sound'])),
          'a number': () => detect(7),
          nothing: () => detect(),
        };
        const wrong = {};
        for (const [what, call] of Object.entries(calls)) wrong[what] = await outcome(call());
        return [await detect(recording.getChannelData(0).subarray(0, length), options), wrong];
      },
      [RECORDING, golden.options, lengths.recording],
    );
    assert.deepEqual(
      found.map(({ start, end }) => [Math.round(start * RATE), Math.round(end * RATE)]),
      golden.spans.recording,
    );
    for (const { error } of Object.values(wrong)) typed(error, 'invalid-input');
  });
}

function pictures(page, whole) {
  const names = whole
    ? ['page', 'receipt', 'upside-down', 'turned-a-little', 'chinese', 'transparent', 'nothing']
    : ['transparent'];
  const golden = goldenJson('tasks/images.json').filter(({ name }) => names.includes(name));
  const picture = (name) => {
    const { width, height, data } = fromQoi(goldenBytes(`tasks/images/${name}.qoi`));
    return { width, height, data: base64(data) };
  };

  test('every picture has its case', () => assert.deepEqual(golden.map(({ name }) => name).sort(), names.sort()));

  for (const { name, lines } of golden) {
    test(`the picture '${name}' says what rapidocr reads`, async () => {
      const [found, ...more] = await page().evaluate(async ({ width, height, data }) => {
        const read = await shared('image-to-text', '/models/pp-ocrv4');
        return read(new ImageData(new Uint8ClampedArray(bytesOf(data).buffer), width, height));
      }, picture(name));
      assert.deepEqual([found.lines.map(({ text }) => text), more], [lines.map(({ text }) => text), []]);
      assert.equal(found.generated_text, lines.map(({ text }) => text).join('\n'));
      found.lines.forEach(({ box, score }, i) => {
        close(score, lines[i].score, 0.02, lines[i].text);
        box.flat().forEach((number, k) => close(number, lines[i].box.flat()[k], 3, `box ${i}`));
      });
    });
  }

  if (!whole) return;
  test('a picture may be a canvas, a blob, an image, a bitmap or an address', async () => {
    const [texts, wrong] = await page().evaluate(async ({ width, height, data }) => {
      const read = await shared('image-to-text', '/models/pp-ocrv4');
      const pixels = new ImageData(new Uint8ClampedArray(bytesOf(data).buffer), width, height);
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      canvas.getContext('2d').putImageData(pixels, 0, 0);
      const blob = await new Promise((resolve) => canvas.toBlob(resolve));
      const image = Object.assign(new Image(), { src: URL.createObjectURL(blob) });
      await image.decode();
      const bitmap = await createImageBitmap(blob);
      const found = await read([canvas, blob, image, bitmap, image.src, canvas.toDataURL()], { limit_side_len: 320 });
      const calls = {
        'no picture': () => read(new Blob(['no picture'])),
        'another address': () => read('https://other.example/picture.png'),
        'an address of nothing': () => read('/nothing.png'),
        'an option': () => read(canvas, { side: 3 }),
        'a side': () => read(canvas, { limit_side_len: 1e6 }),
        'a number': () => read(7),
        nothing: () => read(),
      };
      const wrong = {};
      for (const [what, call] of Object.entries(calls)) wrong[what] = await outcome(call());
      return [
        [...found.map(([{ generated_text }]) => generated_text), bitmap.width === width ? 'still open' : 'closed'],
        wrong,
      ];
    }, picture('receipt'));
    assert.match(texts[0], /TOTAL/);
    assert.deepEqual(texts, [...Array(6).fill(texts[0]), 'still open']);
    for (const [what, { error }] of Object.entries(wrong))
      assert.deepEqual([error?.kind, error?.ours], ['invalid-input', true], `${what}: ${error?.message}`);
  });
}

// An encoder and a classifier whose results can be computed by hand: the hidden state of a token is its id times 1, 2 and 3,
// and the logits of a text are a hundredth of the sum of its states.

const DIM = { ids: ['batch', 'seq'], states: ['batch', 'seq', 3] };
const inputs = [...['input_ids', 'attention_mask'].map((name) => ({ name, type: 'int64', dims: DIM.ids }))];
const numbers = (...values) => new Uint8Array(Float32Array.from(values).buffer);
const whole = (...values) => new Uint8Array(BigInt64Array.from(values, BigInt).buffer);
const SCALE = { name: 'scale', type: 'float32', dims: [3], bytes: numbers(1, 2, 3) };
const LAST = { name: 'last', type: 'int64', dims: [1], bytes: whole(-1) };
const states = [
  { op: 'Cast', inputs: ['input_ids'], outputs: ['ids'], ints: { to: 1 } },
  { op: 'Unsqueeze', inputs: ['ids', 'last'], outputs: ['column'] },
  { op: 'Mul', inputs: ['column', 'scale'], outputs: ['last_hidden_state'] },
];
const encoder = onnx({
  inputs,
  outputs: [{ name: 'last_hidden_state', type: 'float32', dims: DIM.states }],
  nodes: states,
  constants: [SCALE, LAST],
});
const classifier = onnx({
  inputs,
  outputs: [{ name: 'logits', type: 'float32', dims: ['batch', 3] }],
  nodes: [
    ...states,
    { op: 'Cast', inputs: ['attention_mask'], outputs: ['mask'], ints: { to: 1 } },
    { op: 'Unsqueeze', inputs: ['mask', 'last'], outputs: ['masks'] },
    { op: 'Mul', inputs: ['last_hidden_state', 'masks'], outputs: ['masked'] },
    { op: 'ReduceSum', inputs: ['masked', 'tokens'], outputs: ['sum'], ints: { keepdims: 0 } },
    { op: 'Mul', inputs: ['sum', 'hundredth'], outputs: ['logits'] },
  ],
  constants: [
    SCALE,
    LAST,
    { name: 'tokens', type: 'int64', dims: [1], bytes: whole(1) },
    { name: 'hundredth', type: 'float32', dims: [], bytes: numbers(0.01) },
  ],
});

function encoders() {
  const config = {
    model_type: 'never-heard-of',
    max_position_embeddings: 40,
    id2label: { 0: 'low', 1: 'middle', 2: 'high' },
  };
  const folder = (name, files) => ({
    [`${name}/config.json`]: JSON.stringify(config),
    [`${name}/tokenizer.json`]: goldenBytes('tiny-bert-seq/tokenizer.json'),
    ...Object.fromEntries(Object.entries(files).map(([file, bytes]) => [`${name}/onnx/${file}`, bytes])),
  });
  return {
    ...folder('encoder', { 'model.onnx': encoder }),
    ...folder('classifier', { 'model_quantized.onnx': classifier }),
    ...folder('half', { 'model_fp16.onnx': classifier, 'model_q4.onnx': classifier }),
    ...folder('none', {}),
    'broken/config.json': JSON.stringify(config),
    'broken/tokenizer.json': goldenBytes('tiny-bert-seq/tokenizer.json'),
    'broken/onnx/model.onnx': encoder.subarray(0, -40),
    ...folder('labels', { 'model.onnx': classifier }),
    'labels/config.json': JSON.stringify({ ...config, id2label: { 0: 'a', 1: 'b' } }),
  };
}

function anyEncoder(page) {
  const golden = goldenJson('tiny-bert-seq/golden.json');
  const ids = golden.input_ids.map((row, i) => row.filter((_, k) => golden.attention_mask[i][k] === 1));
  const sum = (row) => row.reduce((a, b) => a + b, 0);

  test('an encoder of any architecture gives vectors', async () => {
    const [pooled, none, dtype, labels] = await page().evaluate(async (texts) => {
      const embed = await shared('feature-extraction', '/graphs/encoder');
      return [
        rows(await embed(texts, { pooling: 'mean' })),
        (await embed(texts, { pooling: 'none' })).dims,
        embed.dtype,
        embed.labels,
      ];
    }, golden.texts);
    ids.forEach((row, i) =>
      pooled[i].forEach((value, k) => close(value / ((sum(row) / row.length) * (k + 1)), 1, 1e-5, `text ${i}`)),
    );
    assert.deepEqual([none, dtype, labels], [[5, Math.max(...ids.map(({ length }) => length)), 3], 'fp32', []]);
  });

  test('zero-shot labels are ranked by its vectors', async () => {
    const { labels } = await page().evaluate(async () =>
      (await shared('zero-shot-classification', '/graphs/encoder'))('The rain', ['sun', 'rain']),
    );
    assert.deepEqual(labels.toSorted(), ['rain', 'sun']);
  });

  test('a classifier of any architecture gives labels, with and without padding, and its dtype is found', async () => {
    const [together, alone, dtype] = await page().evaluate(async (texts) => {
      const classify = await shared('text-classification', '/graphs/classifier');
      const alone = [];
      for (const text of texts) alone.push(await classify(text, { top_k: null }));
      return [await classify(texts, { top_k: null }), alone, classify.dtype];
    }, golden.texts);
    assert.equal(dtype, 'q8');
    ids.forEach((row, i) => {
      const scores = softmax([1, 2, 3].map((factor) => (sum(row) * factor) / 100));
      for (const found of [together[i], alone[i]]) {
        assert.deepEqual(
          found.map(({ label }) => label),
          ['high', 'middle', 'low'],
        );
        found.forEach(({ score }, k) => close(score, scores[2 - k], 1e-5, `text ${i}`));
      }
    });
  });

  test('of several dtypes the smallest integers are preferred', async () => {
    assert.equal(await page().evaluate(async () => (await shared('text-classification', '/graphs/half')).dtype), 'q4');
  });

  test('models that do not fit the task are refused', async () => {
    const outcomes = await page().evaluate(async () => {
      const refused = (task, model) => outcome(pipeline(task, model));
      return {
        'invalid-artefact': [
          await refused('text-classification', '/graphs/broken'),
          await refused('text-classification', '/graphs/labels'),
        ],
        unsupported: [
          await refused('text-classification', '/graphs/none'),
          await refused('text-classification', '/graphs/encoder'),
          await refused('token-classification', '/graphs/classifier'),
          await refused('feature-extraction', '/graphs/labels'),
        ],
      };
    });
    for (const [kind, refused] of Object.entries(outcomes)) for (const { error } of refused) typed(error, kind);
  });
}
