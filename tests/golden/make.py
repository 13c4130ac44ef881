"""Regenerates every golden value in this folder (see README.md).

    python make.py                      all of it
    python make.py --only minilm        embeddings and token ids of MiniLM
    python make.py --only tiny          the tiny random checkpoints

The references are Hugging Face's transformers, tokenizers and torch, at the
versions in requirements.txt. Everything runs in fp32 on one CPU thread.
"""

import argparse
import hashlib
import json
import os
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", RAYON_NUM_THREADS="1", TOKENIZERS_PARALLELISM="false")

import torch  # noqa: E402  (the thread counts have to be set before)
from safetensors.torch import save_file  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import BertModel  # noqa: E402
from transformers.utils import logging  # noqa: E402

import tiny  # noqa: E402
from tricky import TRICKY  # noqa: E402

HERE = Path(__file__).resolve().parent
MINILM_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def default_minilm() -> Path:
    """Where `cargo xtask` keeps the fetched weights."""
    if cache := os.environ.get("PILOT_LIGHT_CACHE"):
        root = Path(cache)
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilot-light"
    return root / "models" / "all-MiniLM-L6-v2"


def check_digests(folder: Path) -> None:
    for name, expected in MINILM_SHA256.items():
        actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if actual != expected:
            raise SystemExit(f"{name}: sha256 {actual}, expected {expected}")


def plain_tokenizer(folder: Path) -> Tokenizer:
    """The model's tokenizer without the truncation and padding its file asks for."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def minilm_embeddings(folder: Path, tokenizer: Tokenizer) -> None:
    sentences = json.loads((HERE / "sentences.json").read_text(encoding="utf-8"))
    assert len(sentences) == 200
    model = BertModel.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", add_pooling_layer=False
    ).eval()
    rows = []
    for sentence in sentences:
        ids = tokenizer.encode(sentence).ids
        # 128 is the truncation limit of tokenizer.json: the goldens must not depend on it.
        assert len(ids) <= 128, (len(ids), sentence)
        # One at a time: there is no padding that could leak into the values.
        with torch.no_grad():
            hidden = model(input_ids=torch.tensor([ids])).last_hidden_state[0]
        rows.append(torch.nn.functional.normalize(hidden.mean(dim=0), dim=0))
    embeddings = torch.stack(rows)
    save_file({"embeddings": embeddings.to(torch.float16)}, HERE / "minilm.safetensors")
    (HERE / "minilm.safetensors").chmod(0o644)


def minilm_tokens(tokenizer: Tokenizer) -> None:
    cases = []
    for text in TRICKY:
        encoding = tokenizer.encode(text)
        cases.append(
            {
                "text": text,
                "input_ids": encoding.ids,
                "offsets": tiny.byte_offsets(text, encoding.offsets),
            }
        )
    tiny.write_json(HERE / "minilm_tokens.json", {"cases": cases})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minilm", type=Path, default=default_minilm(), help="folder of all-MiniLM-L6-v2")
    parser.add_argument("--only", choices=["minilm", "tiny"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    if arguments.only != "tiny":
        check_digests(arguments.minilm)
        tokenizer = plain_tokenizer(arguments.minilm)
        minilm_tokens(tokenizer)
        minilm_embeddings(arguments.minilm, tokenizer)
    if arguments.only != "minilm":
        tiny.make_all(HERE)


if __name__ == "__main__":
    main()
