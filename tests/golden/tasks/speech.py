"""Speech and what silero-vad makes of it: speech.json."""

import itertools
import json
import sys
import wave
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np

HERE = Path(__file__).resolve().parent


def silero():
    """The package, whose functions that are used here need no torch."""
    try:
        import torch  # noqa: F401
    except ImportError:
        torch = MagicMock()
        torch.no_grad = lambda: lambda function: function
        torch.is_tensor = lambda value: isinstance(value, np.ndarray)
        sys.modules["torch"] = torch
    from silero_vad import sequence_vad, utils_vad

    return sequence_vad, utils_vad


def voice(seconds: float) -> np.ndarray:
    """Something like vowels, by a formula that the tests have as well: harmonics under two formants that glide,
    in syllables, with pauses, over a faint hum."""
    time = np.arange(int(seconds * 16000)) / 16000
    pitch = 120 + 20 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * 120 * time - 20 / 0.7 * np.cos(2 * np.pi * 0.7 * time)
    first, second = 500 + 250 * np.sin(2 * np.pi * 1.9 * time), 1500 + 600 * np.sin(2 * np.pi * 1.3 * time)
    sound = np.zeros_like(time)
    for harmonic in range(1, 31):
        frequency = harmonic * pitch
        strength = np.exp(-(((frequency - first) / 130) ** 2)) + 0.5 * np.exp(-(((frequency - second) / 180) ** 2))
        sound += strength * np.sin(harmonic * phase)
    syllables = np.maximum(np.sin(2 * np.pi * 2.1 * time), 0)
    speaks = (time % 4 > 0.6) & (time % 4 < 2.9)
    return (0.1 * sound * syllables * speaks + 0.001 * np.sin(2 * np.pi * 50 * time)).astype(np.float32)


def walk(seed: int, frames: int, stay: float) -> np.ndarray:
    """Probabilities that hover and jump, from a small generator."""
    state, value, values = seed, 0.1, []
    for _ in range(frames):
        state = (state * 1103515245 + 12345) % 2**31
        if state / 2**31 > stay:
            state = (state * 1103515245 + 12345) % 2**31
            value = state / 2**31
        values.append(round(value, 3))
    return np.array(values)


def read(path: Path) -> np.ndarray:
    with wave.open(str(path)) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16000, 1, 2)
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16).astype(np.float32) / 32768


def options():
    grid = {
        "threshold": [0.5, 0.3, 0.7],
        "neg_threshold": [None, 0.1],
        "min_speech_duration_ms": [250, 0, 600],
        "min_silence_duration_ms": [100, 0, 500],
        "speech_pad_ms": [30, 0, 400],
        "max_speech_duration_s": [None, 1.5, 6],
        "use_max_poss_sil_at_max_speech": [True, False],
        "min_silence_at_max_speech": [98, 30],
    }
    defaults = {key: values[0] for key, values in grid.items()}
    yield {}
    for key, values in grid.items():
        yield from ({key: value} for value in values[1:])
    for first, second in itertools.combinations(grid, 2):
        yield {first: grid[first][-1], second: grid[second][-1]}
    for index in range(60):
        yield {key: values[(index * 7 + place * (index + 3)) % len(values)] for place, (key, values) in enumerate(grid.items())}
    assert defaults


def make(models: Path, recording: Path) -> None:
    sequence, utils = silero()
    model = sequence.SileroVADSequence(str(models / "silero_vad_16k_sequence.onnx"))
    three = lambda numbers: [round(float(number), 3) for number in numbers]
    sounds = {"recording": three(model.audio_forward(read(recording)))}
    sounds |= {f"walk-{seed}": list(walk(seed, 600, stay)) for seed, stay in [(1, 0.95), (2, 0.8), (3, 0.5), (4, 0.98)]}
    lengths = {name: len(probabilities) * 512 - 100 for name, probabilities in sounds.items()}
    cases = []
    for chosen in options():
        spans = {}
        for name, probabilities in sounds.items():
            arguments = dict(chosen)
            if arguments.get("max_speech_duration_s", 0) is None:
                arguments["max_speech_duration_s"] = float("inf")
            found = utils.get_speech_timestamps_from_probs(probabilities, audio_length_samples=lengths[name], **arguments)
            spans[name] = [[span["start"], span["end"]] for span in found]
        cases.append({"options": chosen, "spans": spans})

    class Frame(np.ndarray):
        """As much of a torch tensor as the iterator looks at."""

        def dim(self):
            return self.ndim

    class Spoken:
        """A model that says what it is told to."""

        def __init__(self, probabilities):
            self.probabilities = iter(probabilities)

        def reset_states(self):
            pass

        def __call__(self, _samples, _rate):
            return np.float64(next(self.probabilities))

    streams = []
    for threshold, silence, pad in [(0.5, 100, 30), (0.7, 500, 100), (0.3, 0, 0)]:
        events = {}
        for name, probabilities in sounds.items():
            iterator = utils.VADIterator(Spoken(probabilities), threshold, 16000, silence, pad)
            heard = (iterator(np.zeros(512, np.float32).view(Frame)) for _ in probabilities)
            events[name] = [[kind, place] for event in heard if event for kind, place in event.items()]
        chosen = {"threshold": threshold, "min_silence_duration_ms": silence, "speech_pad_ms": pad}
        streams.append({"options": chosen, "events": events})

    spoken = voice(14.3)
    golden = {
        "sounds": sounds,
        "lengths": lengths,
        "cases": cases,
        "streams": streams,
        "voice": {
            "seconds": 14.3,
            "probabilities": [round(float(number), 6) for number in model.audio_forward(spoken)],
            "spans": [
                [span["start"], span["end"]] for span in sequence.get_speech_timestamps_sequence(spoken, model)
            ],
        },
    }
    parts = [f'"{key}": {json.dumps(value)}' for key, value in golden.items() if key not in ("cases", "streams")]
    for key in ("cases", "streams"):
        parts.append(f'"{key}": [\n' + ",\n".join(json.dumps(case) for case in golden[key]) + "\n]")
    (HERE / "speech.json").write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
