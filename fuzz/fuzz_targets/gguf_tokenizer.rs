//! The metadata of a GGUF file's tokenizer, one token a line: a tokenizer that encodes and decodes, or an error. The first line says
//! which kind it is, the next ones are its merges, up to an empty one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::formats::gguf;
use pilot_light::tokenizer::Tokenizer;

const STRING: u32 = 8;
const ARRAY: u32 = 9;
const FLOAT: u32 = 6;
const INTEGER: u32 = 5;

fuzz_target!(|text: &str| {
    let (kind, rest) = text.split_once('\n').unwrap_or((text, ""));
    let (merges, tokens) = rest.split_once("\n\n").unwrap_or(("", rest));
    let lines = |text: &str| text.lines().map(string).collect::<Vec<_>>();
    let tokens = lines(tokens);
    let scores = (0..tokens.len()).map(|at| (-(at as f32)).to_le_bytes().to_vec()).collect();
    let types = (0..tokens.len()).map(|at| (1 + at as i32 % 6).to_le_bytes().to_vec()).collect();
    let pairs = [
        [string("tokenizer.ggml.model"), STRING.to_le_bytes().to_vec(), string(kind)].concat(),
        list("tokenizer.ggml.merges", STRING, lines(merges)),
        list("tokenizer.ggml.scores", FLOAT, scores),
        list("tokenizer.ggml.token_type", INTEGER, types),
        list("tokenizer.ggml.tokens", STRING, tokens),
    ];
    let counts = [0, pairs.len() as u64].map(u64::to_le_bytes).concat();
    let file = [&b"GGUF"[..], &3u32.to_le_bytes(), &counts, &pairs.concat()].concat();
    let header = gguf::header(&file).expect("a header");
    let Ok(tokenizer) = Tokenizer::from_gguf(&header.metadata) else { return };
    for text in ["A text <|im_end|>, \u{1f600}", kind, rest] {
        for id in tokenizer.encode_prompt(text).unwrap_or_default() {
            assert!((id as usize) < tokenizer.vocabulary_size());
            let _ = (tokenizer.token_bytes(id), tokenizer.token(id), tokenizer.is_special(id));
        }
    }
});

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat()
}

fn list(key: &str, of: u32, elements: Vec<Vec<u8>>) -> Vec<u8> {
    let head = [string(key), ARRAY.to_le_bytes().to_vec(), of.to_le_bytes().to_vec()].concat();
    [head, (elements.len() as u64).to_le_bytes().to_vec(), elements.concat()].concat()
}
