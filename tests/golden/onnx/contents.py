"""Small files of many kinds: some of this repository, some made here."""

import gzip
import io
import json
import sqlite3
import struct
import tarfile
import time
import wave
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
FROM_HERE = [
    "README.md", "Cargo.toml", "Cargo.lock", "LICENSE-MIT", "src/error.rs", "src/device/mod.rs", "js/src/engine.ts",
    "js/package.json", "www/index.html", "www/style.css", "www/main.js", "benches/make_onnx.py", "models/spam/pilot.json",
    "tests/golden/tiny-bert-seq/model.safetensors",
]


def archive(opened, add):
    buffer = io.BytesIO()
    with opened(buffer) as file:
        for name in FROM_HERE[:3]:
            add(file, name)
    return buffer.getvalue()


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    slope = np.add.outer(np.arange(48), 3 * np.arange(64)).astype(np.uint8)
    Image.fromarray(np.stack([slope, slope.T[:48, :48].repeat(2, 1)[:, :64], 255 - slope], -1)).save(
        buffer, form, creationDate=time.gmtime(0), modDate=time.gmtime(0))
    return buffer.getvalue()


def sound() -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", "not compressed"))
        file.writeframes((8000 * np.sin(np.arange(4000) * 0.3)).astype("<i2").tobytes())
    return buffer.getvalue()


def database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table tides (port text, high real)")
    connection.executemany("insert into tides values (?, ?)", [("Brest", 6.9), ("Cuxhaven", 3.3)])
    connection.commit()
    return connection.serialize()


def executable() -> bytes:
    """The beginning of an ELF program: its header and one program header."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x401000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 4096, 4096, 4096) + bytes(range(256)) * 12


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(500, dtype=np.float32))
    return buffer.getvalue()


MADE = [
    json.dumps([{"id": i, "port": f"P{i}", "tides": [i * 0.5, 7 - i]} for i in range(60)], indent=2).encode(),
    "\n".join(f"{i};{i * i};{i % 7}" for i in range(200)).encode(),
    b"#!/bin/sh\nset -eu\nfor file in *.log; do\n  gzip -9 \"$file\" && echo \"$file\"\ndone\n",
    b"SELECT port, max(high) AS highest\nFROM tides\nWHERE day BETWEEN '2025-01-01' AND '2025-12-31'\nGROUP BY port;\n",
    b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 9 9\"><circle r=\"4\"/></svg>\n",
    b"public class Tide {\n  public static void main(String[] args) {\n    System.out.println(\"high\");\n  }\n}\n",
    b"#include <stdio.h>\n\nint main(void) {\n  for (int i = 0; i < 9; i++) printf(\"%d\\n\", i * i);\n  return 0;\n}\n",
    b"on: push\njobs:\n  test:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/checkout@v4\n      - run: make\n",
    "Die Fähre legt um acht ab. Wer zu spät kommt, wartet bis morgen.\n".encode() * 9,
    b"",
    np.random.default_rng(0).bytes(3000),
]


def contents() -> list[bytes]:
    here = [(ROOT / name).read_bytes() for name in FROM_HERE]
    zipped = archive(lambda buffer: zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED),
                     lambda file, name: file.writestr(zipfile.ZipInfo(name), (ROOT / name).read_bytes()))
    tarred = archive(lambda buffer: tarfile.open(fileobj=buffer, mode="w"),
                     lambda file, name: file.add(ROOT / name, name, filter=anonymous))
    pictures = [picture(form) for form in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "PDF")]
    return [*here, *MADE, *pictures, zipped, tarred, gzip.compress(here[0], mtime=0), sound(), database(), executable(), array()]


def anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    info.mode = 0o644
    return info


def features(content: bytes) -> np.ndarray:
    """What Magika is given of a file: its first and last kilobyte, without the white space around them."""
    block, size, padding = 4096, 1024, 256
    begin = content[:block].lstrip()[:size]
    end = content[-block:].rstrip()[-size:] if content else b""
    pad = lambda part: [padding] * (size - len(part))
    return np.array([*begin, *pad(begin), *pad(end), *end], np.uint16)
