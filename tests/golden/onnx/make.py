"""Regenerates the golden values of the ONNX models in this folder (see README.md).

    python make.py [--cache FOLDER]

The reference is onnxruntime on the CPU, one thread, at the version in requirements.txt. FOLDER is where
`cargo xtask models` has put the models and the samples.
"""

import argparse
import os
import wave
from pathlib import Path

import numpy as np
import onnxruntime
from PIL import Image
from safetensors.numpy import save_file
from tokenizers import Tokenizer

import contents
import pictures
import texts

HERE = Path(__file__).resolve().parent
# Of a large output every so many numbers are kept, and of each row its mean and its largest.
STRIDE = {"det": 127, "rec": 211}
FRAME, CONTEXT = 512, 64


class Golden:
    """The cases of one model: what goes in as it is kept, and what comes out."""

    def __init__(self, name: str, model: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self.name, self.kept, self.count = name, {}, 0

    def case(self, **inputs) -> dict[str, np.ndarray]:
        """Runs the model. An input is an array as the model takes it, or (kind, what is kept, array)."""
        feeds = {}
        for port, value in inputs.items():
            kind, kept, feeds[port] = value if isinstance(value, tuple) else ("in", value, value)
            self.keep(kind, port, kept)
        names = [output.name for output in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(names, feeds)))
        for port, value in outputs.items():
            self.keep_output(port, value)
        self.count += 1
        return outputs

    def keep(self, kind: str, port: str, value) -> None:
        # Not `ascontiguousarray`, which makes a list of one of a scalar.
        self.kept[f"{self.count:02}/{kind}/{port}"] = np.array(value, order="C")

    def keep_output(self, port: str, value: np.ndarray) -> None:
        assert np.isfinite(value).all()
        stride = STRIDE.get(self.name)
        if stride is None:
            self.keep("out", port, value)
            return
        rows = value.reshape(-1, value.shape[-1])
        self.keep("dims", port, np.array(value.shape, np.int64))
        self.keep("every", port, value.reshape(-1)[::stride])
        self.keep("rows", port, np.stack([rows.astype(np.float64).mean(-1), rows.max(-1)], -1).astype(np.float32))

    def write(self) -> None:
        assert self.count >= 20, (self.name, self.count)
        path = HERE / f"{self.name}.safetensors"
        save_file(self.kept, path, {"stride": str(STRIDE.get(self.name, 1))})
        path.chmod(0o644)
        print(f"{path.name}: {self.count} cases, {path.stat().st_size} bytes")


def rampart(models: Path) -> None:
    golden = Golden("rampart", models / "rampart/onnx/model_q4.onnx")
    tokenizer = Tokenizer.from_file(str(models / "rampart/tokenizer.json"))
    tokenizer.no_truncation()
    encoded = [tokenizer.encode(text).ids for text in texts.SENTENCES]
    for rows in [[ids] for ids in encoded] + [encoded[begin:end] for begin, end in texts.BATCHES]:
        length = max(map(len, rows))
        padded = np.array([ids + [0] * (length - len(ids)) for ids in rows], np.int64)
        mask = np.array([[1] * len(ids) + [0] * (length - len(ids)) for ids in rows], np.int64)
        golden.case(input_ids=padded, attention_mask=mask, token_type_ids=np.zeros_like(padded))
    golden.write()


def magika(models: Path) -> None:
    golden = Golden("magika", models / "magika/model.onnx")
    rows = [contents.features(content) for content in contents.contents()]
    for some in [[row] for row in rows] + [rows[:5]]:
        kept = np.stack(some)
        golden.case(bytes=("in", kept, kept.astype(np.int32)))
    golden.write()


def frames(speech: np.ndarray, first: int, count: int) -> tuple:
    """`count` frames from the sample `first` on, each after the end of the one before."""
    padded = np.concatenate([np.zeros(CONTEXT, np.float32), speech])
    rows = [padded[first + i * FRAME : first + i * FRAME + CONTEXT + FRAME] for i in range(count)]
    return "speech", np.array([first, count], np.int32), np.stack(rows)


def silero(models: Path, speech: np.ndarray) -> None:
    golden = Golden("silero-sequence", models / "silero-vad/silero_vad_16k_sequence.onnx")
    zero = np.zeros((1, 1, 128), np.float32)
    h, c, first = zero, zero, 0
    for index in range(24):
        count = [30, 1, 12, 64][index % 4]
        outputs = golden.case(input=frames(speech, first, count), h=h, c=c)
        # The state goes on, and begins again now and then.
        h, c = (outputs["hn"], outputs["cn"]) if index % 6 != 5 else (zero, zero)
        first += count * FRAME
    golden.write()

    golden = Golden("silero-op15", models / "silero-vad/silero_vad_16k_op15.onnx")
    rate = np.array(16000, np.int64)
    for batch, count in ((1, 22), (3, 2)):
        state = np.zeros((2, batch, 128), np.float32)
        for index in range(count):
            outputs = golden.case(input=frames(speech, (200 + index) * batch * FRAME, batch), state=state, sr=rate)
            state = outputs["stateN"]
    golden.write()


def normalised(pixels: np.ndarray, width: int | None = None) -> np.ndarray:
    """[height, width] or [height, width, 3] as the models of PP-OCR take it, with nothing to the right of it."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None].repeat(3, 2)
    x = ((pixels.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]
    return np.pad(x, ((0, 0), (0, 0), (0, 0), (0, max(0, (width or 0) - x.shape[3]))))


def ocr(models: Path, photographs: list[np.ndarray]) -> None:
    drawn = {
        "det": pictures.pages(),
        "rec": [pictures.line(text, font, 48, 320) for text, font in pictures.LINES],
        # Every other one upside down.
        "cls": [pictures.line(text, font, 48, 192)[:: (-1) ** i, :: (-1) ** i] for i, (text, font) in enumerate(pictures.LINES)],
    }
    widths = {"det": None, "rec": 320, "cls": 192}
    for name, width in widths.items():
        golden = Golden(name, models / f"pp-ocrv4/{name}.onnx")
        kept = [("pixels", pixels, pixels) for pixels in drawn[name]]
        kept += [("scan", np.array(where, np.int32), pictures.cut(photographs, where)) for where in pictures.scans()[name]]
        for kind, value, pixels in kept:
            if width:
                golden.keep("width", "x", np.array(width, np.int32))
            golden.case(x=(kind, value, normalised(pixels, width)))
        golden.write()


def read_speech(path: Path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, 16000)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilot-light"
    parser.add_argument("--cache", type=Path, default=cache, help="where models/ and samples/ are")
    folder = parser.parse_args().cache
    models, samples = folder / "models", folder / "samples"
    rampart(models)
    magika(models)
    silero(models, read_speech(samples / "speech/test.wav"))
    ocr(models, [np.asarray(Image.open(samples / "scans" / name)) for name in ("page.png", "text.png")])


if __name__ == "__main__":
    main()
