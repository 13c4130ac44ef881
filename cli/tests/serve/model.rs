//! Small decoders with the golden byte-level vocabulary: one of random weights, and one whose replies are written here.

use std::collections::BTreeMap;

use crate::support::gguf::{FloatTensor, Value, Vocabulary, write_with};
use crate::support::golden_json;

pub const CONTEXT: usize = 32_768;
const HIDDEN: usize = 32;
const LAYERS: usize = 2;
const INTERMEDIATE: usize = 64;
/// Keys and values have half as many heads as queries.
const GROUPED: usize = HIDDEN / 2;

const NORMAL: i32 = 1;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

/// What follows what in the replies of the scripted model, as the vocabulary writes tokens: `Ċ` ends a line, and `Ġ` is a blank.
/// `x` and `y` follow each other for ever.
const SCRIPT: [(&str, &str); 17] = [
    ("a", "b"),
    ("b", "c"),
    ("c", "d"),
    ("d", "e"),
    ("e", "f"),
    ("f", "g"),
    ("g", "h"),
    ("h", "<|im_end|>"),
    ("x", "y"),
    ("y", "x"),
    ("<|fim_middle|>", "m"),
    ("m", "<|im_end|>"),
    ("Ċ", "Sure"),
    ("Sure", "<tool_call>"),
    ("<tool_call>", CALL),
    (CALL, "</tool_call>"),
    ("</tool_call>", "<|im_end|>"),
];
const CALL: &str = "Ċ{\"name\":Ġ\"weather\",Ġ\"arguments\":Ġ{\"city\":Ġ\"Bern\"}}Ċ";

const TEMPLATE: &str = "{% for tool in tools or [] %}{{ tool | tojson }}\n{% endfor %}{% for message in messages %}\
    {{ '<|im_start|>' + message.role + '\n' + (message.content or '') + '<|im_end|>\n' }}{% endfor %}\
    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

/// A model of random weights, which knows no tokens for filling in.
pub fn random() -> Vec<u8> {
    random_of(CONTEXT)
}

/// The same, which reads `context` tokens.
pub fn random_of(context: usize) -> Vec<u8> {
    let vocabulary = vocabulary();
    let mut numbers = Numbers(1);
    let size = vocabulary.tokens.len();
    let tensors = tensors(numbers.below(1.0, size * HIDDEN), numbers.below(1.0, size * HIDDEN), 0.3);
    file(vocabulary, &tensors, context)
}

/// A model that says what [`SCRIPT`] does.
pub fn scripted() -> Vec<u8> {
    let mut vocabulary = vocabulary();
    let added = [
        ("<|fim_prefix|>", CONTROL),
        ("<|fim_suffix|>", CONTROL),
        ("<|fim_middle|>", CONTROL),
        ("</tool_call>", USER_DEFINED),
        ("Sure", NORMAL),
        (CALL, NORMAL),
    ];
    for (token, kind) in added {
        vocabulary.tokens.push(token.into());
        vocabulary.types.push(kind);
    }
    let id = |token: &str| vocabulary.tokens.iter().position(|it| it == token).unwrap_or_else(|| panic!("no {token}"));
    let mut numbers = Numbers(1);
    let size = vocabulary.tokens.len();
    let embeddings = numbers.below(1.0, size * HIDDEN);
    // Layers add nothing, so that logits are products with the last token's embedding alone: large where it is the same.
    let mut output = numbers.below(0.01, size * HIDDEN);
    for (before, after) in SCRIPT {
        let (before, after) = (id(before) * HIDDEN, id(after) * HIDDEN);
        for at in 0..HIDDEN {
            output[after + at] += embeddings[before + at];
        }
    }
    let tensors = tensors(embeddings, output, 0.0);
    file(vocabulary, &tensors, CONTEXT)
}

fn vocabulary() -> Vocabulary {
    let mut vocabularies: BTreeMap<String, Vocabulary> = golden_json("gguf/vocabularies.json");
    vocabularies.remove("gpt2").expect("a vocabulary")
}

fn file(vocabulary: Vocabulary, tensors: &[FloatTensor], context: usize) -> Vec<u8> {
    let end = vocabulary.tokens.iter().position(|token| token == "<|im_end|>").expect("a token") as u32;
    let mut pairs = vocabulary.metadata();
    pairs.extend([
        ("general.architecture", Value::Text("llama".into())),
        ("llama.block_count", Value::U32(LAYERS as u32)),
        ("llama.context_length", Value::U32(context as u32)),
        ("llama.embedding_length", Value::U32(HIDDEN as u32)),
        ("llama.feed_forward_length", Value::U32(INTERMEDIATE as u32)),
        ("llama.attention.head_count", Value::U32(4)),
        ("llama.attention.head_count_kv", Value::U32(2)),
        ("tokenizer.ggml.pre", Value::Text("qwen2".into())),
        ("tokenizer.ggml.eos_token_id", Value::U32(end)),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
        ("tokenizer.chat_template", Value::Text(TEMPLATE.into())),
    ]);
    write_with(&pairs, tensors)
}

/// The tensors, with what layers add times `scale`.
fn tensors(embeddings: Vec<f32>, output: Vec<f32>, scale: f32) -> Vec<FloatTensor> {
    let mut numbers = Numbers(2);
    let size = embeddings.len() / HIDDEN;
    let mut tensors = vec![
        ("token_embd.weight".to_string(), vec![size, HIDDEN], embeddings),
        ("output.weight".to_string(), vec![size, HIDDEN], output),
        ("output_norm.weight".to_string(), vec![HIDDEN], vec![1.0; HIDDEN]),
    ];
    for layer in 0..LAYERS {
        for name in ["attn_norm", "ffn_norm"] {
            tensors.push((format!("blk.{layer}.{name}.weight"), vec![HIDDEN], vec![1.0; HIDDEN]));
        }
        let matrices = [
            ("attn_q", [HIDDEN, HIDDEN], 0.3),
            ("attn_k", [GROUPED, HIDDEN], 0.3),
            ("attn_v", [GROUPED, HIDDEN], 0.3),
            ("attn_output", [HIDDEN, HIDDEN], scale),
            ("ffn_gate", [INTERMEDIATE, HIDDEN], 0.3),
            ("ffn_up", [INTERMEDIATE, HIDDEN], 0.3),
            ("ffn_down", [HIDDEN, INTERMEDIATE], scale),
        ];
        for (name, shape, most) in matrices {
            let data = numbers.below(most, shape[0] * shape[1]);
            tensors.push((format!("blk.{layer}.{name}.weight"), shape.to_vec(), data));
        }
    }
    tensors
}

/// Numbers of a linear congruential generator.
struct Numbers(u32);

impl Numbers {
    /// Numbers between `-most` and `most`.
    fn below(&mut self, most: f32, count: usize) -> Vec<f32> {
        let mut next = || {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((self.0 >> 8) as f32 / (1 << 23) as f32 - 1.0) * most
        };
        (0..count).map(|_| next()).collect()
    }
}
