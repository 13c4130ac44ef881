"""Generates sentences with known entities of personal data, and what onnxruntime finds in them.

The sentences come from presidio-evaluator's templates and invented people, with a fixed seed; only the times of day in a few
differ from run to run. What onnxruntime finds with the model's own tokenizer is merged as transformers' strategy `simple` does:
neighbouring tokens of one label, where a label that begins with `B-` begins a new one.

    python make.py --model FOLDER --out FILE

FILE has a list of {text, spans, theirs}; a span is [begin, end, label], in UTF-16 code units.
"""

import argparse
import json
import random
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

# Half a gigabyte of imports of the package that are not needed here.
UNUSED = ["dotenv", "presidio_analyzer", "presidio_anonymizer", "spacy", "spacy.language", "spacy.tokens", "spacy.training"]
sys.modules |= {name: MagicMock() for name in UNUSED}
# It would ask a public server for names of hospitals; without a network it uses a list.
sys.modules["requests"] = MagicMock(get=MagicMock(side_effect=OSError))

from presidio_evaluator.data_generator import PresidioSentenceFaker  # noqa: E402

COUNT = 1000
SEED = 2026
# Finer than the package's own mapping, which maps countries to cities.
TYPES = {**PresidioSentenceFaker.ENTITY_TYPE_MAPPING, "country": "COUNTRY"}


def sentences() -> list[tuple[str, list[list]]]:
    # The package draws its invented people before it sets the seed.
    random.seed(SEED)
    faker = PresidioSentenceFaker("en_US", lower_case_ratio=0.05, entity_type_mapping=TYPES, random_seed=SEED)
    made = faker.generate_new_fake_sentences(COUNT)
    return [(one.full_text, [[span.start, span.end, span.type] for span in map(plain, one.spans)]) for one in made]


def plain(span):
    return argparse.Namespace(start=span.start_position, end=span.end_position, type=span.entity_type)


class Finder:
    """The model as onnxruntime runs it."""

    def __init__(self, folder: Path):
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.labels = json.loads((folder / "config.json").read_text())["id2label"]
        model = str(folder / "onnx" / "model_q4.onnx")
        self.session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def __call__(self, text: str) -> list[list]:
        encoded = self.tokenizer.encode(text)
        ids = np.array([encoded.ids], np.int64)
        feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        (logits,) = self.session.run(None, feeds)
        found, open_label = [], None
        for label_id, place, special in zip(logits[0].argmax(-1), encoded.offsets, encoded.special_tokens_mask):
            if special:
                continue
            prefix, _, label = self.labels[str(label_id)].rpartition("-")
            if label == "O":
                open_label = None
            elif label == open_label and prefix != "B":
                found[-1][1] = place[1]
            else:
                found.append([*place, label])
                open_label = label
        return found


def in_utf16(text: str, places: list[list]) -> list[list]:
    units = lambda index: len(text[:index].encode("utf-16-le")) // 2
    return [[units(begin), units(end), label] for begin, end, label in places]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True, help="the folder of Rampart")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    options = parser.parse_args()
    find = Finder(options.model)
    made = [
        {"text": text, "spans": in_utf16(text, spans), "theirs": in_utf16(text, find(text))}
        for text, spans in sentences()
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(made, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
