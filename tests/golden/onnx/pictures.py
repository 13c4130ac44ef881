"""Text in pictures: rendered here, or cut out of photographed pages."""

from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
SANS, BOLD, SERIF, MONO = "DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSansMono.ttf"
TIMES, ROMAN = "STIXGeneral.ttf", "cmr10.ttf"

LINES = [
    ("Harbour Street 88", SANS), ("TOTAL 41.90", BOLD), ("Order no. 20931-B", MONO), ("the tide was out", TIMES),
    ("Gate B22 18:40", SANS), ("Fähre nach Helgoland", SERIF), ("WILLOW CREEK RD", BOLD), ("(415) 555-0137", MONO),
    ("info@example.com", SANS), ("Exit only", TIMES), ("3.4 million tons", ROMAN), ("No smoking!", BOLD),
]
PAGES = [
    ["Receipt", "2 x Coffee      5.80", "1 x Bread       3.20", "Total           9.00"],
    ["Departures", "18:40 Gdansk   B22", "19:05 Lyon     C03"],
    ["Dear Mrs. Abernathy,", "the keys are with the", "neighbour at no. 402."],
    ["KEEP OUT", "Private harbour"],
    ["function tide(port) {", "  return high[port];", "}"],
    ["Aa Bb Cc 0123456789", "quick brown foxes"],
]


def line(text: str, font: str, height: int, width: int) -> np.ndarray:
    """Dark letters that fill the height, on paper that is not quite even; as wide as they are, or `width`."""
    drawn = ImageFont.truetype(FONTS / font, int(height * 0.72))
    length = min(width, int(drawn.getlength(text)) + 8)
    picture = Image.new("L", (length, height), 235)
    ImageDraw.Draw(picture).text((4, height * 0.1), text, 40, drawn)
    return noisy(picture, len(text))


def page(lines: list[str], font: str, size: int, width: int, height: int, slant: float) -> np.ndarray:
    drawn = ImageFont.truetype(FONTS / font, size)
    picture = Image.new("L", (width, height), 228)
    for row, text in enumerate(lines):
        ImageDraw.Draw(picture).text((12, 8 + row * size * 1.5), text, 30, drawn)
    return noisy(picture.rotate(slant, Image.Resampling.BICUBIC, fillcolor=228), size)


def noisy(picture: Image.Image, seed: int) -> np.ndarray:
    """As a camera would have it: soft, darker to one side, with grain."""
    pixels = np.asarray(picture.filter(ImageFilter.GaussianBlur(0.6)), np.float64)
    light = np.linspace(1.05, 0.8, pixels.shape[1])[None, :]
    grain = np.random.default_rng(seed).normal(0, 4, pixels.shape)
    return np.clip(pixels * light + grain, 0, 255).astype(np.uint8)


def coloured(grey: np.ndarray) -> np.ndarray:
    """White letters on blue, from dark ones on white."""
    dark = 255 - grey.astype(np.float64)
    return np.stack([30 + dark * 0.85, 60 + dark * 0.75, 140 + dark * 0.45], -1).clip(0, 255).astype(np.uint8)


def pages() -> list[np.ndarray]:
    fonts = [MONO, SANS, TIMES, BOLD, MONO, SERIF]
    drawn = [page(lines, fonts[i], 18 + i % 3 * 2, 256, 128, [0, 0, 2.5, -4, 0, 1][i]) for i, lines in enumerate(PAGES)]
    return [*drawn, coloured(drawn[1])[:96, :192]]


def scans() -> dict[str, list[tuple[int, ...]]]:
    """What is cut out of the photographed pages: which page, x, y, width, height, how often each pixel is
    repeated, and whether it is turned upside down. The sizes are those that each model takes."""
    whole = [(0, 0, 0, 384, 160, 1, 0), (0, 0, 31, 384, 160, 1, 1), (1, 0, 0, 448, 160, 1, 0), (0, 0, 0, 384, 160, 2, 0)]
    parts = [(0, x, y, 192, 96, 1, turned) for x, y, turned in
             [(0, 0, 0), (96, 40, 0), (192, 95, 0), (0, 90, 1), (60, 20, 0), (150, 60, 1)]]
    parts += [(1, 100, 40, 160, 128, 1, 0), (0, 0, 0, 192, 96, 2, 0), (0, 190, 90, 192, 96, 2, 0), (0, 64, 80, 96, 96, 2, 1)]
    parts += [(0, 0, 40, 128, 64, 3, 0), (0, 128, 60, 160, 64, 2, 0)]
    # Lines of print, 24 pixels high.
    lines = [(0, 2, 46, 160, 24), (0, 150, 46, 160, 24), (0, 216, 46, 160, 24), (0, 2, 63, 120, 24), (0, 180, 63, 200, 24),
             (0, 4, 80, 160, 24), (0, 150, 80, 220, 24), (0, 4, 97, 180, 24), (0, 8, 115, 160, 24), (0, 14, 165, 200, 24),
             (0, 60, 165, 160, 24), (1, 240, 40, 160, 24)]
    return {
        "det": whole + parts,
        "rec": [(*where, 2, 0) for where in lines],
        "cls": [(page, x, y, 96, h, 2, i % 2) for i, (page, x, y, _, h) in enumerate(lines)],
    }


def cut(photographs: list[np.ndarray], where: tuple[int, ...]) -> np.ndarray:
    which, x, y, width, height, repeated, turned = where
    part = photographs[which][y : y + height, x : x + width]
    assert part.shape == (height, width), where
    part = part.repeat(repeated, 0).repeat(repeated, 1)
    return part[::-1, ::-1] if turned else part
