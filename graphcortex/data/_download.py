"""The released files of the MICrONS fields: what they are, and how a missing one is fetched whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from graphcortex.data._unpickle import DataFileError

REPOSITORY, COMMIT = "neurovium/CorticalBlueprintRNN", "8d5e241b444803ba552923d32a5fcef39439425b"

BASE_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/"
"""The released files at one commit (MIT licence); the paths of the manifest follow."""

RELEASE = {
    "licence": "MIT",
    "version": f"{REPOSITORY}, commit {COMMIT}",
    "citation": (
        "Shakiba, Rokni, Mohammadi & Dehghani (2026), arXiv:2606.14975; the MICrONS Consortium (2025), "
        "Nature 640, doi:10.1038/s41586-025-08790-w"
    ),
}
"""What the provenance of a released field says of its origin."""

RETRIES = 2
TIMEOUT_S = 30.0


class DownloadError(DataFileError):
    """A file could not be fetched, or is not the released one. Nothing was left under its name."""


@dataclass(frozen=True)
class ReleasedFile:
    """One released file: its path in the repository, its size and its SHA-256."""

    path: str
    bytes: int
    sha256: str

    @property
    def name(self) -> str:
        """The name of the file within the folder of its field."""
        return self.path.rsplit("/", 1)[-1]


@functools.cache
def released_files() -> dict[str, dict[str, ReleasedFile]]:
    """Return the released files by field and name, as the manifest of the package lists them."""
    table: dict[str, dict[str, ReleasedFile]] = {}
    text = resources.files("graphcortex.data").joinpath("fields_manifest.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        file = ReleasedFile(row["path"], int(row["bytes"]), row["sha256"])
        table.setdefault(file.path.split("/")[-2], {})[file.name] = file
    return table


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as the manifest writes it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch(files: Iterable[ReleasedFile], folder: Path, *, base_url: str, progress: bool, label: str) -> None:
    """Fetch files into ``folder``. Each appears under its name only after its SHA-256 was found right.

    Raises:
        DownloadError: If a file cannot be had or written, or is not the released one.
    """
    files = list(files)
    logger, total = pooch.get_logger(), sum(file.bytes for file in files)
    level = logger.level
    logger.setLevel("WARNING")  # the bar says what pooch would log
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    hidden = None if progress else True  # None: hidden where standard error is no terminal
    try:
        with tqdm(total=total, unit="B", unit_scale=True, desc=label, disable=hidden) as bar:
            for file in files:
                _fetch_one(file, folder, base_url, bar)
    except BaseException:
        for path in made:  # the innermost first; what holds a file stays
            with contextlib.suppress(OSError):
                path.rmdir()
        raise
    finally:
        logger.setLevel(level)


def _fetch_one(file: ReleasedFile, folder: Path, base_url: str, bar: tqdm) -> None:
    url = base_url.rstrip("/") + "/" + file.path
    hashed = f"sha256:{file.sha256}"
    source = pooch.create(
        path=folder, base_url="", registry={file.name: hashed}, urls={file.name: url}, retry_if_failed=RETRIES
    )
    try:
        source.fetch(file.name, downloader=_Downloader(bar))
    except Exception as error:
        # pooch, requests, urllib3 and the file system each have errors of their own.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DownloadError(
            f"{file.name}: expected {file.bytes} bytes with SHA-256 {file.sha256} from {url}, got "
            f"{type(error).__name__}: {reason}. Nothing was left at {folder / file.name}. Check the connection and "
            "that the folder can be written, and run again; or copy the file there by hand."
        ) from None


class _Downloader:
    """Streams a file for pooch. pooch's own downloader leaves the connection open when a transfer fails."""

    def __init__(self, bar: tqdm):
        self._bar, self._start = bar, bar.n

    def __call__(self, url: str, output_file: str, _: pooch.Pooch) -> None:
        self._bar.update(self._start - self._bar.n)  # a failed attempt counts for nothing
        with requests.get(url, stream=True, timeout=TIMEOUT_S) as response, open(output_file, "wb") as file:
            response.raise_for_status()
            for chunk in response.iter_content(chunk_size=1 << 16):
                file.write(chunk)
                self._bar.update(len(chunk))
