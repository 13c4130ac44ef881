use super::*;
use crate::device::Device;
use crate::error::ErrorKind;
use crate::folder;
use crate::generation::Generator;
use crate::generation::chat::TemplateEngine;
use crate::loader::LoadOptions;
use crate::tasks::{RunOptions, Task};

const TEXT: &str = "A heading\n\nThe old bridge over the river was closed in 2019 after an inspection. 🚲 Cyclists had to take \
    a long detour over the road. The old bridge over the river was closed in 2019 after an inspection. The town will open a \
    new bridge in May, as the mayor said. It rained.";

fn summarize(texts: &[&str], options: SummarizationOptions) -> Vec<Summary> {
    let path = "tests/golden/tiny-bert-seq".as_ref();
    let model = folder::load(path, Task::Summarization, &Device::cpu(), LoadOptions::default()).unwrap();
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_string()).collect();
    pollster::block_on(model.run::<Summarization>(&texts, &options)).unwrap()
}

#[test]
fn central_sentences_are_given_in_their_order_with_their_place() {
    let options = SummarizationOptions::default();
    let summaries = summarize(&[TEXT, "", "Two words."], options);
    let [summary, empty, short] = &summaries[..] else { panic!("{summaries:?}") };
    assert_eq!(summary.method, SummaryMethod::Extractive);
    let parts: Vec<&str> = summary.sentences.iter().map(|it| &TEXT[it.start..it.end]).collect();
    // Which they are means nothing: the model's weights are random. `tests/models` has a real one.
    assert!((1..=3).contains(&parts.len()));
    assert!(summary.sentences.is_sorted_by(|a, b| a.end <= b.start));
    assert_eq!(summary.summary_text, parts.join(" "));
    assert!(summary.sentences.iter().all(|it| it.score > 0.0 && it.score <= 1.0));
    assert_eq!(summary.coverage, [SummarySpan { start: 0, end: TEXT.len() }]);
    assert!(summary.unsupported.is_empty());
    assert_eq!((empty.summary_text.as_str(), empty.coverage.len()), ("", 0));
    assert_eq!(short.summary_text, "Two words.");
}

#[test]
fn points_are_lines() {
    let options =
        SummarizationOptions { kind: SummaryType::KeyPoints, length: SummaryLength::Short, ..Default::default() };
    let summary = summarize(&[TEXT], options).remove(0);
    let lines: Vec<&str> = summary.summary_text.lines().collect();
    assert_eq!(lines.len(), summary.sentences.len());
    assert!(lines.iter().all(|line| line.starts_with("- ")));
    assert_eq!(options.join(["* one", "two"].iter()), "- one\n- two");
}

#[test]
fn offsets_count_utf16_units_in_a_page() {
    let mut summaries = summarize(&[TEXT], SummarizationOptions::default());
    Summarization::offsets_to_utf16(&[TEXT.to_string()], &mut summaries);
    // The bicycle has four bytes and two units.
    assert_eq!(summaries[0].coverage, [SummarySpan { start: 0, end: TEXT.len() - 2 }]);
}

#[test]
fn all_of_a_long_sentence_is_read() {
    let long = "one two words ".repeat(200);
    let summary = summarize(&[&long], SummarizationOptions::default()).remove(0);
    assert_eq!(summary.coverage, [SummarySpan { start: 0, end: long.trim_end().len() }]);
}

#[test]
fn unknown_options_are_refused() {
    let options: RunOptions = serde_json::from_str(r#"{"pooling":"mean"}"#).unwrap();
    assert_eq!(options.read::<SummarizationOptions>().unwrap_err().kind(), ErrorKind::InvalidInput);
    let options: RunOptions = serde_json::from_str(r#"{"type":"key-points","length":"long"}"#).unwrap();
    assert_eq!(options.read::<SummarizationOptions>().unwrap().count(), 7);
}

/// A decoder whose tokens are bytes and whose layers add nothing, in a folder of its own: it repeats the last byte.
fn repeating_decoder(name: &str, context: usize) -> Generator {
    const HIDDEN: usize = 32;
    let folder = std::env::temp_dir().join(format!("pilot-light-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let printed = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut others = 256u32..;
    let letter = |byte: u8| if printed(byte) { Some(char::from(byte)) } else { char::from_u32(others.next()?) };
    let vocabulary: serde_json::Map<String, serde_json::Value> =
        (0..=255).filter_map(letter).enumerate().map(|(id, letter)| (letter.to_string(), id.into())).collect();
    let level =
        serde_json::json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    let end = serde_json::json!({ "id": 256, "content": "<end>", "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": true });
    let tokenizer = serde_json::json!({ "version": "1.0", "added_tokens": [end], "pre_tokenizer": level, "decoder": level,
        "model": { "type": "BPE", "vocab": vocabulary, "merges": [] } });
    let config = serde_json::json!({ "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN,
        "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2,
        "vocab_size": 257, "max_position_embeddings": context, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "hidden_act": "silu", "tie_word_embeddings": true });
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut tensors = vec![
        ("model.embed_tokens.weight".to_string(), vec![257, HIDDEN], (0..257 * HIDDEN).map(|_| random()).collect()),
        ("model.norm.weight".to_string(), vec![HIDDEN], vec![1.0f32; HIDDEN]),
    ];
    for (name, rows, columns) in [
        ("self_attn.q_proj", HIDDEN, HIDDEN),
        ("self_attn.k_proj", HIDDEN / 2, HIDDEN),
        ("self_attn.v_proj", HIDDEN / 2, HIDDEN),
        ("self_attn.o_proj", HIDDEN, HIDDEN),
        ("mlp.gate_proj", 64, HIDDEN),
        ("mlp.up_proj", 64, HIDDEN),
        ("mlp.down_proj", HIDDEN, 64),
    ] {
        tensors.push((format!("model.layers.0.{name}.weight"), vec![rows, columns], vec![0.0; rows * columns]));
    }
    for name in ["input_layernorm", "post_attention_layernorm"] {
        tensors.push((format!("model.layers.0.{name}.weight"), vec![HIDDEN], vec![1.0; HIDDEN]));
    }
    let (mut header, mut data) = (serde_json::Map::new(), Vec::<u8>::new());
    for (name, shape, numbers) in tensors {
        let start = data.len();
        data.extend(numbers.iter().flat_map(|number: &f32| number.to_le_bytes()));
        let entry = serde_json::json!({ "dtype": "F32", "shape": shape, "data_offsets": [start, data.len()] });
        header.insert(name, entry);
    }
    let header = serde_json::Value::Object(header).to_string();
    let weights = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    std::fs::write(folder.join("model.safetensors"), weights).unwrap();
    for (name, json) in [
        ("config.json", config),
        ("tokenizer.json", tokenizer),
        ("generation_config.json", serde_json::json!({ "eos_token_id": 256 })),
    ] {
        std::fs::write(folder.join(name), json.to_string()).unwrap();
    }
    let generator = folder::load_generator(&folder, &Device::cpu(), LoadOptions::default()).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    generator
}

/// The decoder has no template to render.
struct NoEngine;

impl TemplateEngine for NoEngine {
    fn render(&self, _template: &str, _context: &serde_json::Value) -> Result<String> {
        Err(Error::internal("no template was expected"))
    }
}

#[test]
fn a_decoder_reads_all_of_a_long_text() {
    let generator = repeating_decoder("summary", 256);
    let text = "The old bridge over the river was closed. ".repeat(12);
    let mut summary = AbstractiveSummary::new(&generator, &NoEngine, &text, SummarizationOptions::default()).unwrap();
    let mut pieces = String::new();
    while !summary.is_complete() {
        pieces += &pollster::block_on(summary.step(&generator, &NoEngine)).unwrap();
    }
    let summary = summary.finish().unwrap();
    assert_eq!(pieces, summary.summary_text);
    assert_eq!(summary.method, SummaryMethod::Abstractive);
    assert_eq!(summary.coverage, [SummarySpan { start: 0, end: text.trim_end().len() }]);
    // It repeats the colon that ends the prompt, a quarter of the context long.
    assert_eq!((summary.summary_text, summary.finish_reason), (":".repeat(64), Some(FinishReason::Length)));
    let usage = summary.usage.unwrap();
    assert!(usage.replies > 6 && usage.completion_tokens > 64 + 6 * 8, "{usage:?}");
    let refused = |text: &str, context| {
        let generator = repeating_decoder(&format!("refused-{context}"), context);
        let options = SummarizationOptions::default();
        AbstractiveSummary::new(&generator, &NoEngine, text, options).err().map(|error| error.kind())
    };
    assert_eq!(refused(" ", 256), Some(ErrorKind::InvalidInput));
    assert_eq!(refused("A text.", 128), Some(ErrorKind::InvalidInput));
}

/// A summary of which nothing is written.
fn unwritten(source: &str, kind: SummaryType) -> AbstractiveSummary {
    let generator = repeating_decoder("streamed", 1024);
    let options = SummarizationOptions { kind, ..Default::default() };
    AbstractiveSummary::new(&generator, &NoEngine, source, options).unwrap()
}

#[test]
fn what_is_given_out_while_a_summary_is_written_is_its_beginning() {
    let source = "Dr. Ada Smith met J. R. Brown in 2019, e.g. at 3.5 km of the river. “Is it so?” she asked. He went.";
    let parts = [
        "Dr. ",
        "Ada",
        " Smith",
        " met",
        "J. R. Brown.",
        " at 3.5 km",
        ". ",
        "\n",
        "\n\n",
        "- ",
        "2. ",
        "“Is it so?”",
        " she asked",
        "He went!",
        " Bob",
        " in 1998.",
        "…",
        "これは文です。",
        "e.g. ",
        ") ",
        " the river that was measured by the old town’s people",
    ];
    let [sentences, points] = [SummaryType::Tldr, SummaryType::KeyPoints].map(|kind| unwritten(source, kind));
    let (mut given, mut random) = (0, 7usize);
    for _ in 0..2000 {
        let mut reply = String::new();
        let mut settled = [String::new(), String::new()];
        for _ in 0..14 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            reply.push_str(parts[(random >> 33) % parts.len()]);
            for (summary, settled) in [&sentences, &points].into_iter().zip(&mut settled) {
                let longer = summary.settled(&reply);
                assert!(longer.starts_with(&*settled), "{reply:?}: {settled:?} became {longer:?}");
                *settled = longer;
            }
        }
        for reason in [FinishReason::Stop, FinishReason::Length] {
            for (summary, settled) in [&sentences, &points].into_iter().zip(&settled) {
                let (text, _) = summary.checked(&reply, reason);
                assert!(text.starts_with(&**settled), "{reply:?}: {settled:?} became {text:?}");
                given += settled.len();
            }
        }
    }
    assert!(given > 100_000, "{given}");
}
