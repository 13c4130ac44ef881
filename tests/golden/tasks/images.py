"""Pictures with text, and what rapidocr makes of them: images/, images.json."""

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rapidocr_onnxruntime import RapidOCR
from rapidocr_onnxruntime.ch_ppocr_det.utils import DBPostProcess

HERE = Path(__file__).resolve().parent
FONTS = Path("/usr/share/fonts/truetype")
SANS = "liberation/LiberationSans-Regular.ttf"
BOLD = "dejavu/DejaVuSans-Bold.ttf"
SERIF = "dejavu/DejaVuSerif.ttf"
MONO = "dejavu/DejaVuSansMono.ttf"
CHINESE = "droid/DroidSansFallbackFull.ttf"

PAGE = [
    "The tide comes in twice a day, and",
    "twice a day it leaves the sand bare.",
    "Nobody in the village owns a clock;",
    "they say: after the second low water.",
    "Order 4711, 12 March 2024, 38.50 EUR",
]


def page(lines, size, font, width, height, left=20, top=20, gap=1.5, ink=(0, 0, 0), paper=(255, 255, 255)):
    image = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(image)
    for index, line in enumerate(lines):
        draw.text((left, top + index * size * gap), line, ink, ImageFont.truetype(FONTS / font, size))
    return image


def receipt():
    rows = [("Bread", "2.40"), ("Butter", "3.15"), ("Apples 1.2 kg", "4.08"), ("Coffee", "7.90"), ("TOTAL", "17.53")]
    image = page(["CORNER SHOP", *(name for name, _ in rows)], 22, MONO, 360, 300)
    draw = ImageDraw.Draw(image)
    for index, (_, price) in enumerate(rows):
        draw.text((260, 20 + (index + 1) * 33), price, (0, 0, 0), ImageFont.truetype(FONTS / MONO, 22))
    return image


def photograph():
    """A page seen from the side, in uneven light, not quite sharp."""
    flat = np.asarray(page(PAGE, 34, SERIF, 720, 330))
    corners = np.float32([[0, 0], [720, 0], [720, 330], [0, 330]])
    seen = np.float32([[90, 60], [700, 20], [730, 400], [60, 350]])
    warped = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(corners, seen), (800, 450), borderValue=(90, 80, 70))
    light = np.linspace(0.6, 1.0, 800)[None, :, None]
    soft = Image.fromarray((warped * light).astype(np.uint8)).filter(ImageFilter.GaussianBlur(0.6))
    # A few of the colours, so that the file is small.
    return soft.quantize(48).convert("RGB")


def pictures():
    yield "page", page(PAGE, 30, SANS, 640, 270)
    yield "white-on-blue", page(["DEPARTURES", "Gate 14  Lisbon  09:45", "Gate 7  Oslo  10:20"], 36, BOLD, 600, 220,
                                ink=(255, 255, 255), paper=(20, 50, 120))
    yield "faint", page(["Best before 2025-08-17", "Keep cool and dry"], 26, SANS, 420, 120, ink=(150, 150, 150),
                        paper=(225, 220, 205))
    yield "turned-a-little", page(PAGE[:3], 30, SERIF, 700, 300, top=80).rotate(8, fillcolor=(255, 255, 255),
                                                                            resample=Image.Resampling.BICUBIC)
    yield "turned-a-quarter", page(["Read me sideways", "or turn your head"], 34, SANS, 420, 140).transpose(
        Image.Transpose.ROTATE_90)
    yield "upside-down", page(["UPSIDE DOWN WORLD", "SECOND LINE 2024"], 36, BOLD, 520, 140).transpose(
        Image.Transpose.ROTATE_180)
    yield "strip", page(["A single long line of text that is much wider than it is high, like a subtitle"], 24, SANS, 960, 40, top=6)
    yield "small", page(["tiny 12"], 14, SANS, 70, 22, left=4, top=3)
    yield "large", page(["EXIT 23A", "Harbour & Old Town"], 190, BOLD, 2400, 640, top=60, paper=(0, 110, 60), ink=(255, 255, 255))
    yield "receipt", receipt()
    yield "chinese", page(["你好，世界", "今天天气很好", "茶十二元"], 34, CHINESE, 360, 190)
    yield "photograph", photograph()
    yield "nothing", Image.linear_gradient("L").resize((200, 120)).convert("RGB")
    yield "column", page(["ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX"], 26, BOLD, 120, 760, left=14, top=20, gap=4.6)
    clear = Image.new("RGBA", (320, 70), (0, 0, 0, 0))
    ImageDraw.Draw(clear).text((12, 14), "On clear ground", (30, 30, 30, 255), ImageFont.truetype(FONTS / SANS, 34))
    yield "transparent", clear


def on_white(image):
    """As a page shows it: rapidocr inverts pictures with transparency."""
    if image.mode != "RGBA":
        return image
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


class Recorder:
    """Keeps what goes into a model and comes out."""

    def __init__(self, infer):
        self.infer, self.calls = infer, []

    def __call__(self, batch):
        out = self.infer(batch)
        self.calls.append((batch, out[0]))
        return out


def six(numbers):
    return [float(f"{number:.6g}") for number in numbers]


def make() -> None:
    engine = RapidOCR(intra_op_num_threads=1, inter_op_num_threads=1)
    stages = [engine.text_det, engine.text_cls, engine.text_rec]
    folder = HERE / "images"
    folder.mkdir(exist_ok=True)
    cases = []
    for name, image in pictures():
        # In a form that tests read without a library; any viewer shows it.
        image.save(folder / f"{name}.qoi")
        bgr = np.ascontiguousarray(np.asarray(on_white(image).convert("RGB"))[..., ::-1])
        recorders = [Recorder(stage.infer if hasattr(stage, "infer") else stage.session) for stage in stages]
        engine.text_det.infer, engine.text_cls.infer, engine.text_rec.session = recorders
        boxes, crops = [], []
        crop_images = RapidOCR.get_crop_img_list

        def recording(padded, found, engine=engine, boxes=boxes, crops=crops):
            boxes += [box.tolist() for box in found]
            crops += crop_images(engine, padded, found)
            return crops

        engine.get_crop_img_list = recording
        result, _ = engine(bgr)
        engine.text_det.infer, engine.text_cls.infer, engine.text_rec.session = (
            recorder.infer for recorder in recorders
        )
        [(det_in, det_out)] = recorders[0].calls
        # The map in 256 steps, and what the boxes are then.
        steps = np.round(det_out[0, 0] * 255).astype(np.uint8)
        Image.fromarray(steps).convert("RGB").save(folder / f"{name}.map.qoi")
        post = engine.text_det.postprocess_op
        assert isinstance(post, DBPostProcess)
        raw, scores = post(steps[None, None].astype(np.float32) / 255, (steps.shape[0] // 2, steps.shape[1] * 2))
        case = {
            "name": name,
            "det_shape": list(det_in.shape),
            # The mean of each row of blocks of 32 pixels, of the three channels together.
            "det_rows": six(det_in.reshape(3, -1, 32 * det_in.shape[3]).mean((0, 2))),
            "det_columns": six(det_in.reshape(3, det_in.shape[2], -1, 32).mean((0, 1, 3))),
            "map_boxes": [[box.tolist(), round(float(score), 5)] for box, score in zip(raw, scores)],
            "boxes": boxes,
            "crops": [
                {"shape": list(crop.shape[:2]), "means": six(crop.mean((0, 1))), "columns": six(crop.mean((0, 2))[::8])}
                for crop in crops
            ],
            "cls": [six(row) for _, out in recorders[1].calls for row in out],
            "rec_shapes": [list(batch.shape) for batch, _ in recorders[2].calls],
            "rec_means": [six(batch.mean((1, 2, 3))) for batch, _ in recorders[2].calls],
            "lines": [
                {"box": np.asarray(box).tolist(), "text": text, "score": float(f"{score:.6g}")}
                for box, text, score in result or []
            ],
        }
        cases.append(case)
    (HERE / "images.json").write_text(
        "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n", encoding="utf-8"
    )
