//! `tokenizer.json` and `tokenizer_config.json`, with a line break between them: a tokenizer that encodes, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::tokenizer::Tokenizer;

const TEXT: &str = "Łódź 😀 it's 12:30, e\u{301} <mask> [SEP]\n";

fuzz_target!(|files: &str| {
    let (tokenizer, config) = files.split_once('\n').unwrap_or((files, "{}"));
    let Ok(mut tokenizer) = Tokenizer::from_json(tokenizer) else { return };
    let _ = tokenizer.configure(config);
    let _ = tokenizer.encode(TEXT, 16);
    // Offsets are those of characters, whatever the file says.
    for token in tokenizer.encode_with_offsets(TEXT).unwrap_or_default() {
        assert!(TEXT.get(token.start..token.end).is_some(), "{}..{}", token.start, token.end);
    }
});
