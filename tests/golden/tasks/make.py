"""Regenerates every golden value in this folder (see README.md).

    python make.py --recording FILE        all of it
    python make.py --only files            files/, files.json
    python make.py --only speech --recording FILE
    python make.py --only images           images/, images.json
    python make.py --only personal_data    personal_data.json
    python make.py --only centrality       centrality.json
"""

import argparse
import importlib.util
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["files", "speech", "images", "personal_data", "centrality"])
    parser.add_argument("--recording", type=Path, help="tests/data/test.wav of silero-vad's source distribution")
    arguments = parser.parse_args()
    if arguments.only in (None, "files"):
        import files

        files.make()
    if arguments.only in (None, "speech"):
        import speech

        if arguments.recording is None:
            parser.error("--recording is missing")
        [package] = importlib.util.find_spec("silero_vad").submodule_search_locations
        speech.make(Path(package) / "data", arguments.recording)
    if arguments.only in (None, "images"):
        import images

        images.make()
    if arguments.only in (None, "personal_data"):
        import personal_data

        personal_data.make()
    if arguments.only in (None, "centrality"):
        import centrality

        centrality.make()


if __name__ == "__main__":
    main()
