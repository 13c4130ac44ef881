"""Trains two small vocabularies, and writes them as JSON and as GGUF files for llama.cpp. See README.md."""

import io
import json
import sys
from pathlib import Path

import sentencepiece
from gguf import GGUFWriter
from sentencepiece.sentencepiece_model_pb2 import ModelProto
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

HERE = Path(__file__).parent
NORMAL, CONTROL, USER_DEFINED = 1, 3, 4
ADDED = [("<|endoftext|>", CONTROL), ("<|im_start|>", CONTROL), ("<|im_end|>", CONTROL), ("<tool_call>", USER_DEFINED)]
PRE = ["default", "gpt-2", "smollm", "starcoder", "qwen2", "llama-bpe", "deepseek-coder"]


def corpus():
    texts = [json.loads((HERE / name).read_text()) for name in ("../sentences.json", "fragments.json")]
    return [text for text in sum(texts, []) if not any(token in text for token, _ in ADDED)]


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    # Few splits, so that the merges leave the splitting to the patterns.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=12,
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus(), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return {
        "tokens": tokens + [token for token, _ in ADDED],
        "types": [NORMAL] * len(tokens) + [of for _, of in ADDED],
        "merges": [" ".join(merge) for merge in model["merges"]],
    }


def sentence_piece():
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([text.replace("\n", " ") for text in corpus()]),
        model_writer=model,
        model_type="bpe",
        vocab_size=900,
        character_coverage=0.98,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        split_by_whitespace=False,
        user_defined_symbols=["<tool_call>", "\n\n"],
        control_symbols=["<|im_end|>"],
        minloglevel=2,
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    ids = range(processor.get_piece_size())
    unknown, byte = 2, 6
    types = {
        id: unknown if processor.is_unknown(id) else CONTROL if processor.is_control(id) else byte if processor.is_byte(id) else NORMAL
        for id in ids
    }
    tokens = [processor.id_to_piece(id) for id in ids]
    for id, token in enumerate(tokens):
        if token in ("<tool_call>", "\n\n"):
            types[id] = USER_DEFINED
    return model.getvalue(), {
        "tokens": tokens,
        "types": list(types.values()),
        "scores": [processor.get_score(id) for id in ids],
    }


def without_extra_spaces(serialized):
    """What SentencePiece makes of texts with many spaces, if it is told to remove them."""
    proto = ModelProto()
    proto.ParseFromString(serialized)
    proto.normalizer_spec.remove_extra_whitespaces = True
    processor = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
    texts = [text.replace(" ", spaces) for text in corpus()[:200:8] for spaces in ("  ", "     ")]
    texts += ["", " ", "   ", " a", "a ", "  a  b  ", "a \t b", "\n a \n", "\u3000a\u3000 b"]
    return [[text, processor.encode(text)] for text in texts]


def write(folder, name, vocabulary, **settings):
    writer = GGUFWriter(folder / f"{name}.gguf", "llama")
    writer.add_context_length(512)
    writer.add_embedding_length(64)
    writer.add_block_count(1)
    writer.add_feed_forward_length(64)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_token_list(vocabulary["tokens"])
    writer.add_token_types(vocabulary["types"])
    if "merges" in vocabulary:
        writer.add_tokenizer_model("gpt2")
        writer.add_token_merges(vocabulary["merges"])
        writer.add_tokenizer_pre(settings["pre"])
        for add in (writer.add_bos_token_id, writer.add_eos_token_id):
            add(vocabulary["tokens"].index("<|endoftext|>"))
    else:
        writer.add_tokenizer_model("llama")
        writer.add_token_scores(vocabulary["scores"])
        writer.add_add_space_prefix(settings["space"])
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


folder = Path(sys.argv[1])
serialized, pieces = sentence_piece()
vocabularies = {"gpt2": byte_level(), "llama": pieces}
(HERE / "vocabularies.json").write_text(json.dumps(vocabularies, separators=(",", ":")) + "\n")
(HERE / "spaces.json").write_text(json.dumps(without_extra_spaces(serialized), separators=(",", ":")) + "\n")
for pre in PRE:
    write(folder, f"gpt2-{pre}", vocabularies["gpt2"], pre=pre)
for space in (True, False):
    write(folder, f"llama-{str(space).lower()}", vocabularies["llama"], space=space)
