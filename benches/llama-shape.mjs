// A GGUF file of the shape of Llama 2 7B, with random weights of 4 bits (Q4_0): what it takes to load a model of that size does not
// depend on what the weights are.
import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const [HIDDEN, INNER, HEADS, VOCABULARY, CONTEXT] = [4096, 11008, 32, 32_000, 4096];
const ALIGNMENT = 32;
/** Types of values and of tensors, by the format's numbers. */
const [U32, I32, F32_VALUE, STRING, ARRAY] = [4, 5, 6, 8, 9];
const [F32, Q4_0] = [0, 2];
/** Weights of a block of Q4_0, and its bytes. */
const [BLOCK, BLOCK_BYTES] = [32, 18];
/** Types of tokens. */
const [NORMAL, UNKNOWN, CONTROL, BYTE] = [1, 2, 3, 6];
/** Bytes that are written at once. */
const PORTION = BLOCK_BYTES << 16;

/** Writes the file with so many layers to `path`, unless it is there. */
export function writeLlama(path, layers) {
  if (existsSync(path)) return;
  mkdirSync(dirname(path), { recursive: true });
  const begun = `${path}.part`;
  const file = openSync(begun, 'w');
  try {
    const tensors = tensorsOf(layers);
    const header = headerOf(layers, tensors);
    writeSync(file, header);
    const random = randomBlocks();
    for (const { bytes, type } of tensors) {
      const ones = type === F32 ? Buffer.from(new Float32Array(bytes / 4).fill(1).buffer) : undefined;
      for (let at = 0; at < bytes; at += PORTION)
        writeSync(file, (ones ?? random).subarray(0, Math.min(PORTION, bytes - at)));
      writeSync(file, Buffer.alloc(padding(bytes)));
    }
    closeSync(file);
    renameSync(begun, path);
  } catch (error) {
    rmSync(begun, { force: true });
    throw error;
  }
}

function tensorsOf(layers) {
  const matrix = (name, inputs, outputs) => {
    const bytes = ((inputs * outputs) / BLOCK) * BLOCK_BYTES;
    return { name: `${name}.weight`, dims: [inputs, outputs], type: Q4_0, bytes };
  };
  const norm = (name) => ({ name: `${name}.weight`, dims: [HIDDEN], type: F32, bytes: 4 * HIDDEN });
  const all = [matrix('token_embd', HIDDEN, VOCABULARY)];
  for (let layer = 0; layer < layers; layer += 1) {
    const own = (name) => `blk.${layer}.${name}`;
    all.push(norm(own('attn_norm')), norm(own('ffn_norm')));
    for (const name of ['attn_q', 'attn_k', 'attn_v', 'attn_output']) all.push(matrix(own(name), HIDDEN, HIDDEN));
    all.push(matrix(own('ffn_gate'), HIDDEN, INNER), matrix(own('ffn_up'), HIDDEN, INNER));
    all.push(matrix(own('ffn_down'), INNER, HIDDEN));
  }
  return [...all, norm('output_norm'), matrix('output', HIDDEN, VOCABULARY)];
}

function headerOf(layers, tensors) {
  const values = [
    ['general.architecture', STRING, string('llama')],
    ['llama.context_length', U32, u32(CONTEXT)],
    ['llama.embedding_length', U32, u32(HIDDEN)],
    ['llama.block_count', U32, u32(layers)],
    ['llama.feed_forward_length', U32, u32(INNER)],
    ['llama.attention.head_count', U32, u32(HEADS)],
    ['llama.attention.head_count_kv', U32, u32(HEADS)],
    ['llama.rope.dimension_count', U32, u32(HIDDEN / HEADS)],
    ['llama.attention.layer_norm_rms_epsilon', F32_VALUE, f32(1e-5)],
    ['tokenizer.ggml.model', STRING, string('llama')],
    [
      'tokenizer.ggml.tokens',
      ARRAY,
      array(
        STRING,
        TOKENS.map(({ text }) => string(text)),
      ),
    ],
    [
      'tokenizer.ggml.scores',
      ARRAY,
      array(
        F32_VALUE,
        TOKENS.map((_, id) => f32(-id)),
      ),
    ],
    [
      'tokenizer.ggml.token_type',
      ARRAY,
      array(
        I32,
        TOKENS.map(({ type }) => u32(type)),
      ),
    ],
    ['tokenizer.ggml.bos_token_id', U32, u32(1)],
    ['tokenizer.ggml.eos_token_id', U32, u32(2)],
  ];
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(values.length)];
  for (const [key, type, value] of values) parts.push(string(key), u32(type), value);
  let offset = 0;
  for (const { name, dims, type, bytes } of tensors) {
    parts.push(string(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset));
    offset += bytes + padding(bytes);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, Buffer.alloc(padding(header.length))]);
}

/** As SentencePiece's: bytes, and words that nobody writes. */
const TOKENS = Array.from({ length: VOCABULARY }, (_, id) => {
  if (id < 3) return { text: ['<unk>', '<s>', '</s>'][id], type: id === 0 ? UNKNOWN : CONTROL };
  if (id < 259) return { text: `<0x${(id - 3).toString(16).toUpperCase().padStart(2, '0')}>`, type: BYTE };
  return { text: `▁${id.toString(36)}`, type: NORMAL };
});

/** Blocks of random integers with a scale that keeps the numbers of all layers small. */
function randomBlocks() {
  const blocks = randomBytes(PORTION);
  // 2⁻⁹ as a float of 16 bits.
  for (let at = 0; at < PORTION; at += BLOCK_BYTES) blocks.writeUInt16LE(0x1800, at);
  return blocks;
}

function padding(bytes) {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

function u32(number) {
  const buffer = Buffer.alloc(4);
  buffer.writeUInt32LE(number);
  return buffer;
}

function u64(number) {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(number));
  return buffer;
}

function f32(number) {
  const buffer = Buffer.alloc(4);
  buffer.writeFloatLE(number);
  return buffer;
}

function string(text) {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
}

function array(type, items) {
  return Buffer.concat([u32(type), u64(items.length), ...items]);
}
