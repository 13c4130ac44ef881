//! Any bytes as a GGUF file: its values, tensors and tokenizer, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::formats::gguf;
use pilot_light::tokenizer::Tokenizer;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = gguf::read(bytes) else { return };
    for key in ["general.architecture", "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"] {
        let _ = (file.metadata.get_u32(key), file.metadata.get_f32(key), file.metadata.get_bool(key));
        let _ = (file.metadata.get_str(key), file.metadata.get_strings(key));
        let _ = (file.metadata.get_floats(key), file.metadata.get_integers(key));
    }
    if let Ok(tokenizer) = Tokenizer::from_gguf(&file.metadata) {
        let ids = tokenizer.encode_prompt("A text <|im_end|>, \u{1f600}").unwrap_or_default();
        ids.iter().for_each(|id| drop(tokenizer.token_bytes(*id)));
    }
    for tensor in file.tensors {
        let _ = tensor.sub_block(1, &mut [0; 32]);
        let _ = tensor.floats();
    }
});
