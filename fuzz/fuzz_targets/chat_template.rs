//! Any text as a chat template, and as the `tokenizer_config.json` that has one: a prompt, or an error, and always an end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pilot_light::generation::chat::{ChatTemplate, Message, Minijinja, TemplateOptions};

fuzz_target!(|text: &str| {
    let messages = [
        Message::new("system", "Be brief. {{ 1 }}"),
        Message::new("user", "What is 2 + 2? <|im_end|>"),
        Message::new("assistant", "\u{1f600} 4"),
    ];
    let from_file = ChatTemplate::from_files(text, None).ok().flatten();
    let template = ChatTemplate::from_gguf(text, vec![("bos_token".to_owned(), "<s>".to_owned())]);
    for template in [Some(template), from_file].into_iter().flatten() {
        for continue_final_message in [false, true] {
            let options = TemplateOptions { continue_final_message, ..TemplateOptions::default() };
            let _ = template.render(&Minijinja { local_time_s: 0 }, &messages, &options);
        }
    }
});
