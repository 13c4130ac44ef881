"""Regenerates `tagger.json`: the tags of a DistilBERT tagger, from its published tokenizer and onnxruntime.

    python tagger.py ~/.cache/pilot-light/samples/grammar-tagger
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from texts import HERE, LANGUAGES

WRONG = [
    "She go to school every days.", "I has a apple.", "Their going too the store.", "He have went home yesterday.",
    "its a nice day , isnt it ?", "We was told that you're car is broke.", "Me and him was their to.",
    "i dont no what too say", "The informations are wrong then.", "She did'nt came back , she's gone.",
]


def main() -> None:
    folder = Path(sys.argv[1])
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # The operators as the file has them: fused, 8-bit products are rounded otherwise, and logits move by 0.3.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(folder / "tagger.onnx"), options)
    sentences = json.loads((HERE.parent / "sentences.json").read_text(encoding="utf-8"))
    cases = []
    for text in WRONG + LANGUAGES[:10] + sentences[:30]:
        encoding = tokenizer.encode(text)
        inputs = {"input_ids": [encoding.ids], "attention_mask": [encoding.attention_mask]}
        (logits,) = session.run(None, {name: np.array(values, np.int64) for name, values in inputs.items()})
        cases.append({"text": text, "tags": logits[0].argmax(-1).tolist()})
    (HERE / "tagger.json").write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
