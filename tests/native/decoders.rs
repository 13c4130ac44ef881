//! Decoders of each family against transformers: `tests/golden/families`.

use std::collections::BTreeMap;

use pilot_light::formats::gguf;
use pilot_light::generation::{GenerationOptions, Generator};
use pilot_light::models::{Decoder, PackedTensors};
use pilot_light::{DType, Device, ErrorKind, LoadOptions, folder};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::support::folder::Folder;
use crate::support::{golden, golden_json};
use crate::tiny_decoders::{self as decoders, Golden, check_logits, generate, logits};

fn goldens() -> BTreeMap<String, Golden> {
    let goldens: BTreeMap<String, Golden> = golden_json("families/golden.json");
    assert_eq!(goldens.len(), 12);
    goldens
}

/// The logits that transformers computes, by family.
fn reference() -> BTreeMap<String, Vec<f32>> {
    decoders::reference("families/logits.safetensors")
}

/// A copy of a family's folder, with the tokenizer that all share.
fn copy(family: &str, test: &str) -> Folder {
    let folder = Folder::copy_of(&format!("families/{family}"), &format!("{test}-{family}"));
    folder.write("tokenizer.json", std::fs::read(golden("families/tokenizer.json")).expect("a tokenizer"));
    folder
}

fn load(folder: &Folder) -> pilot_light::Result<Generator> {
    folder::load_generator(&folder.0, &Device::cpu(), LoadOptions::default())
}

/// The decoder in a GGUF file.
fn from_gguf(bytes: &[u8]) -> pilot_light::Result<Decoder> {
    let gguf::File { metadata, tensors: found } = gguf::read(bytes)?;
    let mut tensors = PackedTensors::default();
    found.iter().try_for_each(|tensor| tensors.insert(tensor))?;
    Decoder::from_gguf(&metadata, tensors, &Device::cpu())
}

#[test]
fn checkpoints_give_the_logits_of_transformers() {
    let reference = reference();
    for (family, golden) in goldens() {
        let folder = copy(&family, "checkpoint");
        let generator = load(&folder).expect(&family);
        for chunk in [golden.text.len(), 7, 1] {
            let found = logits(generator.decoder(), &golden.text, chunk);
            check_logits(&format!("{family} by {chunk}"), &found, &reference[&family]);
        }
        let (found, _) = generate(&generator, golden.prompt(), &golden.options());
        assert_eq!(found, golden.greedy, "{family}");
    }
}

/// The tensors of a checkpoint, its matrices rounded to 8 bits: a scale for each 128 inputs of an output.
fn rounded(checkpoint: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(checkpoint).expect("tensors").tensors();
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .into_iter()
        .map(|(name, tensor)| {
            let data = tensor.data();
            let mut numbers: Vec<f32> = match tensor.dtype() {
                Dtype::F16 => data.as_chunks().0.iter().map(|x| half::f16::from_le_bytes(*x).to_f32()).collect(),
                Dtype::BF16 => data.as_chunks().0.iter().map(|x| half::bf16::from_le_bytes(*x).to_f32()).collect(),
                _ => data.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect(),
            };
            if let [_, inputs] = tensor.shape() {
                for group in numbers.chunks_mut(*inputs).flat_map(|row| row.chunks_mut(128)) {
                    let scale = group.iter().fold(0f32, |most, x| most.max(x.abs())) / 127.0;
                    group.iter_mut().for_each(|x| *x = (*x / scale).round_ties_even() * scale);
                }
            }
            (name, tensor.shape().to_vec(), numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor")));
    safetensors::serialize(views, None).expect("a checkpoint")
}

#[test]
fn weights_of_8_bits_are_rounded_and_no_more() {
    for (family, expected) in goldens() {
        let folder = copy(&family, "int8");
        let options = LoadOptions { dtype: Some(DType::Int8), ..LoadOptions::default() };
        let generator = folder::load_generator(&folder.0, &Device::cpu(), options).expect(&family);
        let found = logits(generator.decoder(), &expected.text, 72);
        for entry in std::fs::read_dir(&folder.0).expect("a folder") {
            let name = entry.expect("a file").file_name().into_string().expect("a name");
            if name.ends_with(".safetensors") {
                folder.write(&name, rounded(&folder.read(&name)));
            }
        }
        let wanted = logits(load(&folder).expect(&family).decoder(), &expected.text, 72);
        let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| f64::from(x).powi(2)).sum::<f64>();
        let off = squares(&mut found.iter().zip(&wanted).map(|(a, b)| a - b));
        let off = (off / squares(&mut wanted.iter().copied())).sqrt();
        // Activations have 13 bits.
        assert!(off < 0.002, "{family}: {off}");
    }
}

#[test]
fn a_base_that_is_not_named_is_the_familys() {
    let folder = copy("gemma3", "base");
    folder.edit("config.json", r#""rope_theta": 1000000.0,"#, "");
    folder.edit("config.json", r#""rope_theta": 10000.0,"#, "");
    let found = logits(load(&folder).expect("a model").decoder(), &goldens()["gemma3"].text, 72);
    check_logits("gemma3", &found, &reference()["gemma3"]);
}

#[test]
fn no_space_is_put_before_a_suffix() {
    let folder = copy("llama2", "infill");
    let added = ["\u{2581}<PRE>", "\u{2581}<SUF>", "\u{2581}<MID>"].iter().zip(10..).map(|(content, id)| {
        serde_json::json!({"id": id, "content": content, "special": true, "normalized": false,
            "single_word": false, "lstrip": false, "rstrip": false})
    });
    let tokenizer = serde_json::json!({
        "added_tokens": added.collect::<Vec<serde_json::Value>>(),
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "\u{2581}"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "unk_token": "<unk>", "vocab": {"<unk>": 0, "\u{2581}": 3, "a": 4, "b": 5,
            "\u{2581}a": 6, "\u{2581}b": 7, "\u{263a}": 8,
            "\u{2581}<PRE>": 10, "\u{2581}<SUF>": 11, "\u{2581}<MID>": 12}, "merges": [["\u{2581}", "a"], ["\u{2581}", "b"]]},
    });
    folder.write("tokenizer.json", tokenizer.to_string());
    let generator = load(&folder).expect("a model");
    // What `infilling_prompt_tokens` of CodeLlama gives.
    assert_eq!(generator.infill_prompt("a", "b").expect("a prompt"), [10, 6, 11, 5, 12]);
    assert_eq!(generator.infill_prompt("a", " b").expect("a prompt"), [10, 6, 11, 7, 12]);
}

#[test]
fn a_reply_has_the_special_tokens_of_tool_calls_alone() {
    let golden = &goldens()["llama2"];
    let folder = copy("llama2", "tools");
    let [call, other] = [golden.greedy[0], golden.greedy[1]];
    let special = |id, content| {
        format!(
            r#"{{"id":{id},"content":"{content}","special":true,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false}}"#
        )
    };
    let added = format!(r#""added_tokens":[{},{}]"#, special(call, "[TOOL_CALLS]"), special(other, "[INST]"));
    folder.edit("tokenizer.json", r#""added_tokens":[]"#, &added);
    folder.edit("tokenizer.json", &format!(r#""{call}":{call}"#), &format!(r#""[TOOL_CALLS]":{call}"#));
    folder.edit("tokenizer.json", &format!(r#""{other}":{other}"#), &format!(r#""[INST]":{other}"#));
    let generator = load(&folder).expect("a model");
    let options = GenerationOptions { max_new_tokens: 2, ..GenerationOptions::default() };
    assert_eq!(generate(&generator, golden.prompt(), &options).1.text, "[TOOL_CALLS]");
}

#[test]
fn gguf_files_give_the_logits_of_transformers() {
    let (goldens, reference) = (goldens(), reference());
    for family in ["llama3", "linear", "yarn", "qwen2", "qwen3"] {
        let bytes = std::fs::read(golden(&format!("families/{family}/model.gguf"))).expect("a file");
        let decoder = from_gguf(&bytes).expect(family);
        check_logits(family, &logits(&decoder, &goldens[family].text, 7), &reference[family]);
    }
}

#[test]
fn older_configurations_mean_the_same() {
    let nested = r#""rope_parameters": {
    "full_attention": {
      "factor": 8.0,
      "rope_theta": 1000000.0,
      "rope_type": "linear"
    },
    "sliding_attention": {
      "rope_theta": 10000.0,
      "rope_type": "default"
    }
  }"#;
    let folder = copy("gemma3", "older");
    folder.edit(
        "config.json",
        nested,
        r#""rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rope_scaling": {"type": "linear", "factor": 8.0}"#,
    );
    let golden = &goldens()["gemma3"];
    let found = logits(load(&folder).expect("a model").decoder(), &golden.text, 72);
    check_logits("gemma3", &found, &reference()["gemma3"]);
}

#[test]
fn what_is_not_known_is_refused_by_name() {
    let refusal = |family: &str, test: &str, from: &str, to: &str| {
        let folder = copy(family, test);
        folder.edit("config.json", from, to);
        let error = load(&folder).err().expect("a refusal");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        error.to_string()
    };
    let found = refusal("llama2", "family", r#""model_type": "llama""#, r#""model_type": "mamba""#);
    assert!(found.contains("mamba") && found.contains("qwen3"), "{found}");
    let found = refusal("llama2", "activation", r#""silu""#, r#""gelu""#);
    assert!(found.contains("gelu") && found.contains("silu"), "{found}");
    let found = refusal("yarn", "rope", r#""yarn""#, r#""longrope""#);
    assert!(found.contains("longrope") && found.contains("yarn"), "{found}");
}

#[test]
fn a_gguf_file_of_another_architecture_or_encoding_is_refused_by_name() {
    let whole = std::fs::read(golden("families/qwen3/model.gguf")).expect("a file");
    let refusal = |bytes: &[u8]| {
        let error = from_gguf(bytes).err().expect("a refusal");
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        error.to_string()
    };
    let place = |of: &[u8]| whole.windows(of.len()).position(|window| window == of).expect("a place");
    let mut other = whole.clone();
    let at = place(b"qwen3");
    other[at..at + 5].copy_from_slice(b"gptx3");
    let found = refusal(&other);
    assert!(found.contains("gptx3") && found.contains("llama"), "{found}");
    // A tensor's type is behind its name, the number of its dimensions and these: IQ4_NL, which is not read.
    for (name, dims) in [("token_embd.weight", 2), ("blk.1.ffn_up.weight", 2), ("blk.0.attn_norm.weight", 1)] {
        let mut other = whole.clone();
        let at = place(name.as_bytes()) + name.len() + 4 + 8 * dims;
        other[at..at + 4].copy_from_slice(&20u32.to_le_bytes());
        let found = refusal(&other);
        assert!(found.contains(name) && found.contains("IQ4_NL"), "{found}");
    }
}
