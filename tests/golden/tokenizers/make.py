"""Makes the small tokenizers in `trained/` and the digests of all tokenizers (see README.md).

    python make.py                 the small tokenizers and their digests
    python make.py --real FOLDER   digests of tokenizers as people use them, which `cargo xtask models` puts into FOLDER,
                                   `$XDG_CACHE_HOME/pilot-light` or `~/.cache/pilot-light`

The reference is Hugging Face's tokenizers, and transformers for what each family
puts around its vocabulary, at the versions in requirements.txt.
"""

import argparse
import json
from pathlib import Path

from tokenizers import Tokenizer

from cases import CASES
from digests import digests, tokens
from families import FAMILIES
from texts import texts

HERE = Path(__file__).resolve().parent


def write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--real", type=Path)
    real = parser.parse_args().real
    write(HERE / "texts.json", texts())
    cases = [(name, file, text, Tokenizer.from_str(json.dumps(file))) for name, file, of_case in CASES for text in of_case]
    write(HERE / "cases.json", [
        {"name": name, "tokenizer": file, "text": text, "tokens": tokens(tokenizer, text)}
        for name, file, text, tokenizer in cases
    ])
    if real:
        files = sorted([*real.glob("samples/**/tokenizer.json"), *real.glob("models/*/tokenizer.json")])
        write(HERE / "real.json", {
            str(file.relative_to(real)): digests(file.read_text(encoding="utf-8")) for file in files
        })
        return
    made = {}
    for name, build in FAMILIES.items():
        # Compact, and with the vocabulary in order.
        tokenizer = json.dumps(json.loads(build()), ensure_ascii=False, separators=(",", ":"))
        (HERE / "trained" / f"{name}.json").write_text(tokenizer + "\n", encoding="utf-8")
        made[name] = digests(tokenizer)
        print(name, len(tokenizer))
    write(HERE / "trained.json", made)


if __name__ == "__main__":
    main()
