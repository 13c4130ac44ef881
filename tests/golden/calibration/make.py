"""Regenerates the golden values of the calibration (see README.md).

    python make.py --fd-shifts FOLDER

The references are uncertainty-calibration (ECE), scikit-learn (Brier score, log
loss, reliability), scipy (temperatures), mapie (p-values, fixed-sequence testing, conformal
risk control) and fd-shifts (AURC, AUGRC, the curves), at the versions in README.md.
"""

import argparse
import importlib
import json
import sys
import types
from pathlib import Path

import calibration
import numpy as np
from mapie.risk_control.fwer_control import control_fwer
from mapie.risk_control.methods import compute_hoeffding_bentkus_p_value, get_r_hat_plus
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

HERE = Path(__file__).resolve().parent


def write_json(name: str, cases: dict) -> None:
    """One case a line: small, and a diff shows which one changed."""
    lines = [f"{json.dumps(key)}: {json.dumps(case, separators=(',', ':'))}" for key, case in cases.items()]
    (HERE / name).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="ascii")


def load_risk_coverage(folder: Path):
    """The one class that is needed, without the package around it, which wants torch."""
    np.trapz = np.trapezoid  # its name before numpy 2
    package = types.ModuleType("analysis")
    package.__path__ = [str(folder / "fd_shifts" / "analysis")]
    sys.modules["analysis"] = package
    mixin = importlib.import_module("analysis.rc_stats").RiskCoverageStatsMixin

    class RiskCoverage(mixin):
        AUC_DISPLAY_SCALE = 1

        def __init__(self, confids, residuals):
            self.confids, self.residuals, self.labels = confids, residuals, None

    return RiskCoverage


def draw(rng, count: int, spread: float, decimals: int):
    """Confidences of a calibrated binary model, and whether it was right."""
    confidence = 1 / (1 + np.exp(-np.abs(rng.normal(0, spread, count))))
    correct = rng.random(count) < confidence
    return np.round(confidence, decimals), correct.astype(int)


def reliability(confidence, correct, bins: int) -> list:
    """Mean confidence and accuracy of each bin that is not empty."""
    accuracy, mean = calibration_curve(correct, confidence, n_bins=bins, strategy="uniform")
    return list(zip(mean.tolist(), accuracy.tolist()))


def curve(stats) -> list:
    """Coverage, selective and generalised risk from the strictest threshold to the loosest; at no coverage there is none."""
    points = zip(stats.coverages.tolist(), stats.selective_risks.tolist(), stats.generalized_risks.tolist())
    return sorted(point for point in points if point[0] > 0)


def metrics(rng, risk_coverage) -> dict:
    drawn = {
        "plain": draw(rng, 80, 3, 6),
        "ties and edges of bins": draw(rng, 60, 2, 1),
        "fewer than bins": draw(rng, 7, 2, 3),
        "all right": (draw(rng, 12, 3, 4)[0], np.ones(12, int)),
        "all wrong": (draw(rng, 12, 3, 4)[0], np.zeros(12, int)),
        "down to zero": (np.round(rng.random(40), 2) * np.arange(40).clip(0, 1), rng.integers(0, 2, 40)),
        "one confidence": (np.full(9, 0.75), np.array([1, 1, 0, 1, 1, 1, 0, 1, 1])),
        "confident and wrong": (np.linspace(1, 0.5, 20), np.array([0, 0] + [1] * 15 + [0] * 3)),
    }
    cases = {}
    for name, (confidence, correct) in drawn.items():
        stats = risk_coverage(confidence, 1 - correct)
        cases[name] = {
            "confidence": confidence.tolist(),
            "correct": correct.tolist(),
            "ece_15": calibration.get_ece(confidence, correct, num_bins=15),
            "ece_10": calibration.get_ece(confidence, correct, num_bins=10),
            "ece_mass_15": calibration.get_ece_em(confidence, correct, num_bins=15),
            "ece_mass_4": calibration.get_ece_em(confidence, correct, num_bins=4),
            "brier": brier_score_loss(correct, confidence, labels=[0, 1]),
            "reliability_10": reliability(confidence, correct, 10),
            "curve": curve(stats),
            "aurc": stats.aurc,
            "augrc": stats.augrc,
        }
    return cases


def temperatures(rng) -> dict:
    shapes = {"binary": (60, 2, 2.5), "multi-class": (60, 5, 2.0), "not sure enough": (80, 3, 0.3), "huge": (40, 3, 300.0)}
    cases = {}
    for name, (count, classes, scale) in shapes.items():
        fair = rng.normal(0, 1.5, (count, classes))
        labels = [int(rng.choice(classes, p=row)) for row in softmax(fair, axis=1)]
        logits = np.round(fair * scale, 4)

        def loss(log_temperature):
            return -log_softmax(logits / np.exp(log_temperature), axis=1)[np.arange(count), labels].mean()

        found = minimize_scalar(loss, bracket=(np.log(scale) - 1, np.log(scale) + 1), method="brent", tol=1e-12)
        before = softmax(logits / scale, axis=1)
        cases[name] = {
            "classes": classes,
            "logits": logits.flatten().tolist(),
            "labels": labels,
            "temperature": float(np.exp(found.x)),
            "least_nll": float(found.fun),
            "known_temperature": scale,
            "nll": log_loss(labels, before, labels=range(classes)),
            "brier": brier_score_loss(labels, before, labels=range(classes), scale_by_half=False),
        }
    return cases


def mean_of(losses: float, n: int) -> float:
    """The mean loss, such that times n it is not above the sum: mapie rounds that product up."""
    mean = losses / n
    return mean if mean * n <= losses else np.nextafter(mean, 0)


def mapie_p(losses, n, alpha: float) -> np.ndarray:
    means = np.array([mean_of(x, m) for x, m in zip(losses, n)])
    return compute_hoeffding_bentkus_p_value(means, np.array(n, float), alpha, binary=True)[:, 0]


def p_values() -> dict:
    counts = [(0, 1), (0, 45), (1, 20), (3, 20), (20, 20), (2, 113), (30, 800), (40, 800), (41, 800), (300, 800)]
    counts += [(400, 10_000), (470, 10_000), (9_000, 200_000), (9_900, 200_000), (10_200, 200_000)]
    cases = {}
    for alpha in (0.02, 0.05, 0.1, 0.5):
        cases[str(alpha)] = {
            "counts": counts,
            "binary": mapie_p(*zip(*counts), alpha).tolist(),
        }
    return cases


# The thresholds of src/calibration/risk_control.rs, where testing begins, and the share of the first beginning.
THRESHOLDS = np.round(1 - 10.0 ** (-np.arange(1000, -1, -1) / 200), 6)
FIRST_SHARE = 0.9


def beginnings(pilot: np.ndarray, n: int, alpha: float, delta: float) -> list[int]:
    part = np.sqrt(np.ceil(np.log(delta) / np.log1p(-alpha)) / n)
    ranks = [int(np.ceil(p * len(pilot))) for p in (part, max(part, 0.5))]
    starts = [np.sort(pilot)[::-1][min(max(rank, 1), len(pilot)) - 1] for rank in ranks]
    return [int(np.argmax(THRESHOLDS <= start)) for start in starts]


def last_passed(p: np.ndarray, first: int, second: int, delta: float) -> int | None:
    """Two fixed sequences; the second takes over the level of the first where that comes so far."""
    passed = control_fwer(p[first:second], FIRST_SHARE * delta, "fixed_sequence") if first < second else []
    alive = len(passed) == second - first
    later = control_fwer(p[second:], delta if alive else delta - FIRST_SHARE * delta, "fixed_sequence")
    if len(later):
        return second + int(later.max())
    return first + int(passed.max()) if len(passed) else None


def choices(rng) -> dict:
    cases = {}
    for name, n, spread, decimals, alpha, delta in [
        ("a good model", 500, 5, 5, 0.05, 0.1),
        ("strict", 600, 7, 5, 0.02, 0.05),
        ("ties", 400, 5, 2, 0.1, 0.1),
        ("all may stay", 200, 12, 5, 0.2, 0.1),
        ("too few", 100, 5, 5, 0.02, 0.1),
        ("too weak", 400, 0.5, 5, 0.05, 0.1),
        ("the surest are wrong", 400, 8, 5, 0.1, 0.1),
    ]:
        pilot, _ = draw(rng, 50, spread, decimals)
        confidence, correct = draw(rng, n, spread, decimals)
        if name == "the surest are wrong":
            correct[np.argsort(-confidence)[:6]] = 0
        local = confidence >= THRESHOLDS[:, None]
        losses = local * (1 - correct)
        both = {}

        m, wrong = local.sum(1), losses.sum(1)
        # Where nothing stays local mapie would divide by zero; nothing speaks against the risk there.
        p = np.where(m > 0, mapie_p(wrong, np.maximum(m, 1), alpha), 1.0)
        last = last_passed(p, *beginnings(pilot, n, alpha, delta), delta)
        both["learn_then_test"] = None if last is None else [THRESHOLDS[last], m[last] / n, wrong[last] / m[last]]

        _, bound = get_r_hat_plus(losses.T, THRESHOLDS, "crc", None, None, None)
        last = max(np.flatnonzero((bound <= alpha) & (m > 0)), default=None)
        both["conformal_risk_control"] = None if last is None else [THRESHOLDS[last], m[last] / n, wrong[last] / n]

        cases[name] = {"alpha": alpha, "delta": delta, "pilot": pilot.tolist(), "confidence": confidence.tolist()}
        cases[name] |= {"correct": correct.tolist(), **both}
    return cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fd-shifts", type=Path, required=True, help="a checkout of IML-DKFZ/fd-shifts")
    arguments = parser.parse_args()
    rng = np.random.default_rng(20261124)
    write_json("metrics.json", metrics(rng, load_risk_coverage(arguments.fd_shifts)))
    write_json("temperatures.json", temperatures(rng))
    write_json("p_values.json", p_values())
    write_json("choices.json", choices(rng))


if __name__ == "__main__":
    main()
