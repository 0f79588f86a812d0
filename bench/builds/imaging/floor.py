"""The fastest possible time for hashing and checking these bytes on as many cores."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

from builds.imaging.download.fetch import Fetched
from builds.imaging.packing.wheel import Wheel


def run_floor(fetched: Fetched, target: Path, cores: int) -> None:
    """Read every wheel, inflate it, hash packed and plain bytes, and write it all to the disk."""
    with ThreadPoolExecutor(cores) as pool, target.open("wb") as out:
        for raw in pool.map(_floor, [(wheel.path, wheel.name) for wheel in fetched.wheels]):
            out.write(raw)
        out.flush()
        os.fsync(out.fileno())


def _floor(file: tuple[Path, str]) -> bytes:
    path, name = file
    packed, plain = sha256(), sha256()
    with Wheel(path, name, (3, 11)) as wheel, ZipFile(path) as archive:
        for info in archive.filelist:
            stream = wheel.stream(info)
            if stream is not None:
                packed.update(stream.raw)
                plain.update(stream.inflated())
    return path.read_bytes()
