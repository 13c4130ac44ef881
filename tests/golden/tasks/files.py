"""Files of many kinds, and what magika makes of them: files/, files.json."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import sqlite3
import tarfile
import tempfile
import time
import wave
import zipfile
from pathlib import Path

import numpy as np
from magika import Magika
from magika.types import ContentTypeLabel, Seekable
from PIL import Image

HERE = Path(__file__).resolve().parent

TEXTS = {
    "python.py": "import sys\n\n\ndef total(lines):\n    return sum(float(line.split(',')[1]) for line in lines)\n\n\nif __name__ == '__main__':\n    print(total(sys.stdin))\n",
    "rust.rs": "use std::collections::HashMap;\n\n/// Counts words.\npub fn count(text: &str) -> HashMap<&str, usize> {\n    let mut counts = HashMap::new();\n    for word in text.split_whitespace() {\n        *counts.entry(word).or_default() += 1;\n    }\n    counts\n}\n",
    "javascript.js": "import { readFile } from 'node:fs/promises';\n\nexport async function load(path) {\n  const text = await readFile(path, 'utf8');\n  return JSON.parse(text).filter((row) => row.kept !== false);\n}\n",
    "typescript.ts": "interface Row { id: number; name: string; tags?: readonly string[] }\n\nexport const byId = (rows: Row[]): Map<number, Row> => new Map(rows.map((row) => [row.id, row] as const));\n",
    "c.c": "#include <stdio.h>\n#include <stdlib.h>\n\nint main(int argc, char **argv) {\n    for (int i = 1; i < argc; i++) {\n        printf(\"%ld\\n\", strtol(argv[i], NULL, 10) * 2);\n    }\n    return 0;\n}\n",
    "shell.sh": "#!/bin/sh\nset -eu\nfor file in \"$@\"; do\n  if [ -f \"$file\" ]; then\n    gzip -9 < \"$file\" > \"$file.gz\"\n  fi\ndone\n",
    "json.json": json.dumps({"orders": [{"id": 7, "paid": True, "lines": [{"sku": "A-1", "count": 3}]}], "next": None}, indent=2),
    "jsonl.jsonl": "".join(json.dumps({"id": index, "text": f"line {index}"}) + "\n" for index in range(12)),
    "csv.csv": "name,city,amount\n" + "".join(f"Person {index},Town {index % 3},{index * 1.5}\n" for index in range(30)),
    "html.html": "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>Bread</title></head>\n<body><h1>Bread</h1><p>Flour, water, salt and time.</p></body>\n</html>\n",
    "css.css": "body { margin: 0; font: 16px/1.5 system-ui, sans-serif; }\n.card > h2 { color: #345; padding: .5rem 1rem; }\n@media (max-width: 40em) { .card { display: block; } }\n",
    "xml.xml": "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<library><book id=\"1\"><title>Tides</title><year>1998</year></book></library>\n",
    "yaml.yaml": "services:\n  web:\n    image: example/web:1.2\n    ports:\n      - \"8080:80\"\n    environment:\n      LEVEL: info\n",
    "toml.toml": "[package]\nname = \"tides\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nserde = { version = \"1\", features = [\"derive\"] }\n",
    "sql.sql": "CREATE TABLE visits (id INTEGER PRIMARY KEY, day DATE NOT NULL, page TEXT);\nINSERT INTO visits (day, page) VALUES ('2024-01-02', '/');\nSELECT day, count(*) FROM visits GROUP BY day ORDER BY day DESC;\n",
    "markdown.md": "# Tides\n\nA small tool that says when the *next* high water is.\n\n## Use\n\n1. Install it.\n2. Run `tides Bristol`.\n\n| port | rise |\n| --- | --- |\n| Bristol | 12 m |\n",
    "email.eml": "From: Ann <ann@example.org>\r\nTo: Bo <bo@example.org>\r\nSubject: Tuesday\r\nDate: Mon, 01 Jan 2024 10:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nShall we meet on Tuesday?\r\n",
    "calendar.ics": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//EN\r\nBEGIN:VEVENT\r\nUID:1@example.org\r\nDTSTART:20240102T100000Z\r\nSUMMARY:Tuesday\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
    "subtitles.srt": "1\n00:00:01,000 --> 00:00:03,500\nIt is raining again.\n\n2\n00:00:04,000 --> 00:00:06,000\nThen we stay in.\n",
    "diff.diff": "diff --git a/a.txt b/a.txt\nindex 3b18e51..a042389 100644\n--- a/a.txt\n+++ b/a.txt\n@@ -1,2 +1,2 @@\n-hello world\n+hello, world\n the end\n",
    "makefile": "all: program\n\nprogram: main.o list.o\n\t$(CC) -o $@ $^\n\nclean:\n\trm -f *.o program\n\n.PHONY: all clean\n",
    "dockerfile": "FROM debian:12\nRUN apt-get update && apt-get install -y curl\nWORKDIR /srv\nCOPY . .\nCMD [\"./serve\"]\n",
    "german.txt": "Gestern hat es den ganzen Tag geregnet, und die Straßen waren leer. Wir sind früh nach Hause gegangen.\n",
    "unsure.txt": "select the tall one over there or else the blue one = 3\n",
}


def binaries() -> dict[str, bytes]:
    picture = Image.fromarray((np.indices((24, 24)).sum(0) * 5).astype(np.uint8)).convert("RGB")
    files = {}
    for kind in ["png", "jpeg", "gif", "bmp", "webp", "tiff", "ico", "pdf"]:
        buffer = io.BytesIO()
        picture.save(buffer, kind, **({"creationDate": time.gmtime(0), "modDate": time.gmtime(0)} if kind == "pdf" else {}))
        files[f"picture.{kind}"] = buffer.getvalue()
    text = TEXTS["german.txt"].encode() * 4
    files["gzip.gz"] = gzip.compress(text, mtime=0)
    files["bzip.bz2"] = bz2.compress(text)
    files["xz.xz"] = lzma.compress(text)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), text)
        archive.writestr(zipfile.ZipInfo("b/c.csv"), TEXTS["csv.csv"])
    files["zip.zip"] = buffer.getvalue()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    files["tar.tar"] = buffer.getvalue()[:3072]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        sound.writeframes((np.sin(np.arange(800) / 5) * 9000).astype(np.int16).tobytes())
    files["sound.wav"] = buffer.getvalue()
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "a.sqlite"
        connection = sqlite3.connect(database)
        connection.execute("CREATE TABLE a (b TEXT)")
        connection.commit()
        connection.close()
        files["database.sqlite"] = database.read_bytes()[:4200]
    buffer = io.BytesIO()
    np.save(buffer, np.arange(50, dtype=np.float32))
    files["array.npy"] = buffer.getvalue()
    files["pickle.pkl"] = pickle.dumps({"a": list(range(40)), "b": "text"}, protocol=4)
    files["random.bin"] = random.Random(1).randbytes(3000)
    return files


def edges() -> dict[str, bytes]:
    code = TEXTS["python.py"].encode()
    return {
        "edge-empty": b"",
        "edge-one-byte": b"a",
        "edge-seven-bytes": b"abc def",
        "edge-seven-bytes-invalid": b"abc\xff\xfe\x80\x81",
        "edge-eight-bytes": b"abcdefgh",
        "edge-white": b" \t\r\n\x0b\x0c" * 3,
        "edge-white-then-seven": b" \n" * 20 + b"abcdefg",
        "edge-white-then-eight": b"\x0b\x0c" * 20 + b"abcdefgh",
        "edge-block-of-white": b"\n" * 4096 + code,
        "edge-block-of-white-but-seven": b"\n" * 4089 + code,
        "edge-block-of-white-but-eight": b"\n" * 4088 + code,
        "edge-character-cut-by-the-block": b"\n" * 4092 + "aé".encode() + b"\xe2\x82\xac" * 10,
        "edge-white-around": b"\r\n\t " * 300 + code + b"\x0c\x0b\n " * 300,
        "edge-white-at-the-end": code * 10 + b" " * 5000,
        "edge-long": (code * 60) + TEXTS["json.json"].encode() * 20,
        "edge-1024": (code * 10)[:1024],
        "edge-4096": (code * 30)[:4096],
        "edge-4097": (code * 30)[:4097],
        "edge-invalid-text": b"caf\xe9 au lait, " * 5,
        "edge-zeros": bytes(2000),
        "edge-utf-16": TEXTS["german.txt"].encode("utf-16"),
    }


def fnv(numbers: list[int]) -> str:
    """FNV-1a, 64 bits, over the numbers as 16 bits, little endian."""
    state = 0xCBF29CE484222325
    for number in numbers:
        for byte in number.to_bytes(2, "little"):
            state = (state ^ byte) * 0x100000001B3 % 2**64
    return f"{state:016x}"


def make() -> None:
    magika = Magika()
    labels = [str(label) for label in magika._model_config.target_labels_space]
    files = {name: text.encode() for name, text in TEXTS.items()} | binaries() | edges()
    (HERE / "files").mkdir(exist_ok=True)
    cases = []
    for name, content in files.items():
        (HERE / "files" / name).write_bytes(content)
        known, features = magika._get_result_or_features_from_seekable(Seekable(io.BytesIO(content)))
        case = {"name": name, "features": None, "scores": None}
        if features is not None:
            numbers = features.beg + features.end
            assert len(numbers) == 2048
            case["features"] = fnv(numbers)
            scores = magika._get_raw_predictions([(Path("-"), features)])[0]
            case["scores"] = {label: float(f"{score:.8g}") for label, score in zip(labels, scores) if score > 1e-5}
        answer = magika.identify_bytes(content).prediction
        case |= {"label": str(answer.output.label), "score": float(f"{answer.score:.8g}"), "is_text": answer.output.is_text}
        cases.append(case)
    decisions = [
        [label, score, str(magika._get_output_label_from_dl_label_and_score(ContentTypeLabel(label), score)[0])]
        for label in labels
        for score in [0.3, 0.5, 0.74, 0.75, 0.9, 0.96]
    ]
    config = json.loads(magika._model_config_path.read_text())
    lines = ",\n".join(json.dumps(case) for case in cases)
    rows = ",\n".join(json.dumps(decisions[index : index + 6]) for index in range(0, len(decisions), 6))
    text = f'{{"config": {json.dumps(config)},\n"cases": [\n{lines}\n],\n"decisions": [\n{rows}\n]}}\n'
    (HERE / "files.json").write_text(text, encoding="utf-8")
