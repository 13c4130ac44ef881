// Benchmark page: a cascade that learns, in the page's own thread; learning.mjs drives it.
//
// The remote model is a function: it answers at once, by the words of a text, and 5 % of its labels are wrong.
import { cascade, env } from 'pilot-light';

const ENCODER = { task: 'feature-extraction', model: '/models/all-MiniLM-L6-v2' };
/** A head on the same encoder. */
const HEAD = { task: 'text-classification', model: '/models/sentiment' };
const PLACE = { device: 'wasm', worker: false };
const REMOTE = { baseURL: '/remote/v1', model: 'any', retries: 0 };
/** Texts of a call while examples are collected. */
const BATCH = 20;

/** Ten labels, and words of texts with each. */
const TOPICS = {
  weather: 'rain snow wind sun cloud storm frost hail',
  food: 'bread cheese soup apple rice pepper butter kitchen',
  music: 'guitar song drum melody concert violin choir tune',
  money: 'bank loan price tax coin salary invoice budget',
  sport: 'goal match team race tennis coach ball medal',
  travel: 'train airport hotel ticket map luggage border ferry',
  health: 'doctor fever pill nurse hospital wound vaccine pain',
  garden: 'tree flower soil seed lawn hedge root tulip',
  law: 'court judge contract witness verdict lawyer appeal statute',
  computers: 'keyboard server screen network software memory cable driver',
};
const OPINIONS = {
  positive: 'good wonderful great lovely excellent delightful perfect superb',
  negative: 'bad terrible awful boring horrible dreadful poor annoying',
};
const OTHERS = 'the a this with near about under again today once more perhaps'.split(' ');

/** Numbers from 0 to below 1: mulberry32. */
function randomOf(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Text number `at`: twelve words, half of them about one thing. */
function textOf(at, words = TOPICS) {
  const random = randomOf(at);
  const any = (list) => list[Math.floor(random() * list.length)];
  const own = any(Object.values(words)).split(' ');
  return Array.from({ length: 12 }, (_, i) => any(i % 2 === 0 ? own : OTHERS)).join(' ');
}

const { fetch: request } = globalThis;
globalThis.fetch = async (address, options) => {
  if (!new URL(address, location.href).pathname.startsWith('/remote/')) return request(address, options);
  const { messages, response_format } = JSON.parse(options.body);
  const labels = response_format.json_schema.schema.properties.label.enum;
  const words = { ...TOPICS, ...OPINIONS };
  const text = messages.at(-1).content;
  const right = labels.findIndex((label) => words[label].split(' ').some((word) => text.includes(word)));
  const wrong = Array.from(text).reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 20 === 0;
  const label = labels[(right + Number(wrong)) % labels.length];
  const message = { role: 'assistant', content: JSON.stringify({ label }) };
  const choices = [{ index: 0, message, finish_reason: 'stop' }];
  return Response.json({ id: '0', object: 'chat.completion', created: 0, model: 'any', choices });
};

let names = 0;

/** A cascade; what it learns is of no other one. */
function open(local, { learn, ...options }) {
  Object.assign(env, { useBrowserCache: false, numThreads: 1 });
  names += 1;
  return cascade({
    local: { ...local, ...PLACE },
    remote: REMOTE,
    ...options,
    policy: { privacy: 'allow', ...options.policy },
    ...(learn && { learn: { name: String(names), ...learn } }),
  });
}

const topics = (learn) => open(ENCODER, { learn: { labels: Object.keys(TOPICS), ...learn } });

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Waits for a report that is as it should be. */
async function until(classify, isRight) {
  for (;;) {
    const report = await classify.learning.report();
    if (isRight(report)) return report;
    await turn();
  }
}

/** What was learnt from so many examples, as a file. */
async function collected(classify, count, words) {
  for (let at = 0; at < count; at += BATCH) {
    await classify(Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => textOf(at + i, words)));
    // Checks are answered after the answers that they check.
    await until(classify, ({ counters }) => counters.labels >= Math.min(at + BATCH, count));
  }
  await until(classify, ({ training }) => !training);
  const file = await classify.learning.export();
  await classify.learning.clear();
  await classify.dispose();
  return file;
}

/** Ten labels of so many texts; nothing is ever promised, so that each is sent. */
async function examples(count) {
  return collected(await topics({ alpha: 1e-4 }), count, TOPICS);
}

/** The times of one full retraining on the examples of a file, and of the longest piece between which the page's thread is free. */
async function retraining(file) {
  const classify = await topics({ alpha: 1e-4 });
  await classify(textOf(-1));
  await until(classify, ({ counters }) => counters.labels === 1);
  await classify.learning.import(file);
  const started = performance.now();
  let [last, longest, pieces] = [started, 0, 0];
  const { port1, port2 } = new MessageChannel();
  let ended = false;
  port1.onmessage = () => {
    if (ended) return;
    const now = performance.now();
    if (now - last > 1) pieces += 1;
    longest = Math.max(longest, now - last);
    last = now;
    port2.postMessage(undefined);
  };
  port2.postMessage(undefined);
  const { counters, examples } = await until(classify, ({ training }) => !training);
  const ms = performance.now() - started;
  ended = true;
  await classify.learning.clear();
  await classify.dispose();
  const count = examples.reduce((sum, count) => sum + count);
  return { ms, longest, pieces, examples: count, trained: counters.trained, operations: counters.operations };
}

/** Opens two cascades with the same local model, of which one learns and has so many examples; both send each text, or none. */
async function pair(count, sends) {
  const promise = { alpha: sends ? 1e-4 : 0.4 };
  const all = { ...promise, check_rate: 1, raised_check_rate: 1 };
  const file = await collected(await open(HEAD, { learn: all }), count, OPINIONS);
  const learning = await open(HEAD, { learn: { ...promise, check_rate: 0.001, raised_check_rate: 0.001 } });
  await learning.learning.import(file);
  const { promised, examples } = await until(learning, ({ training }) => !training);
  if (promised === sends) throw new Error(`after all these examples promised is ${promised}`);
  bench.both = { plain: await open(HEAD, { policy: { threshold: sends ? 1 : 0 } }), learning };
  return examples.reduce((sum, count) => sum + count);
}

/** The time of a question to each of the two. */
async function round(index) {
  const names = Object.keys(bench.both);
  if (index % 2 === 1) names.reverse();
  const times = {};
  for (const name of names) {
    // What is due is done before.
    await turn();
    const begin = performance.now();
    const answer = await bench.both[name](textOf(1e6 + index, OPINIONS));
    times[name] = performance.now() - begin;
    times[`${name}_route`] = answer.route;
  }
  return times;
}

async function closePair() {
  const { plain, learning } = bench.both;
  await learning.learning.clear();
  await Promise.all([plain.dispose(), learning.dispose()]);
}

globalThis.bench = { examples, retraining, pair, round, closePair };
