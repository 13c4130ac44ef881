"""Prepares the training and test data of the heads: writes JSON Lines into the cache.

    python data.py sentiment|spam [--cache FOLDER]

Each row is {"text", "label"} and, where the rows of a file depend on one another, "group": rows of one
group are near duplicates or from one document, and must be on the same side of any split. The texts stay
in the cache, not in the project. `about.json` next to them lists their sources.
"""

import argparse
import hashlib
import json
import os
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import sentiment
import spam
from near_duplicates import digest, normalise

TASKS = {"sentiment": sentiment, "spam": spam}


def default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilot-light"


def write(path: Path, text: str) -> None:
    """Writes under another name and renames when complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)


def halves(tests: list[dict]) -> dict[str, list[dict]]:
    """One row of each group of the tests, since a calibration needs independent rows, in two halves: one to calibrate on, and
    one to evaluate the calibration on.
    """
    first = {}
    for row in sorted(tests, key=lambda row: digest(row["text"])):
        first.setdefault(row.get("group") or normalise(row["text"]), row)
    parts = {"calibration": [], "unseen": []}
    for group, row in first.items():
        parts["unseen" if int(digest(f"half {group}")[:8], 16) % 2 else "calibration"].append(row)
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--cache", type=Path, default=default_cache(), help="the cache folder of Pilot Light")
    options = parser.parse_args()

    task = TASKS[options.task]
    data = options.cache / "data"
    files = {}
    splits = task.splits(data / "packages")
    tests = [row for name, rows in splits.items() if name != "train" for row in rows]
    for name, rows in (splits | halves(tests)).items():
        path = data / options.task / f"{name}.jsonl"
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write(path, text)
        labels = dict(sorted(Counter(row["label"] for row in rows).items()))
        files[path.name] = {"rows": len(rows), "labels": labels, "sha256": hashlib.sha256(text.encode()).hexdigest()}
        print(f"{path}: {len(rows)} rows, {', '.join(f'{count} {label}' for label, count in labels.items())}")
    packages = [asdict(package) | {"use": use} for package, use in task.SOURCES]
    about = {"packages": packages, "files": files}
    write(data / options.task / "about.json", json.dumps(about, indent=2) + "\n")


if __name__ == "__main__":
    main()
