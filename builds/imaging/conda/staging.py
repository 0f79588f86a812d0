"""In the worker: one package, installed alone into a folder as if that were /opt/env."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from rattler import RepoDataRecord, install
from rattler.exceptions import InstallerError
from rattler.networking import Client
from rattler.platform.subdir import Subdir

from builds.images.conda.files import CondaFile
from builds.images.report import ImageError
from builds.images.wheel import PREFIX


@dataclass(frozen=True, slots=True)
class Place:
    """What a package is installed for: the environment's Python, if it has one, and the platform; and where."""

    python: CondaFile | None
    platform: str
    folder: Path


@contextmanager
def staged(file: CondaFile, place: Place) -> Iterator[Path]:
    """Install the package alone in a folder of its own, as if that were /opt/env."""
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    try:
        records, ignored = [_record(file.path)], set()
        if place.python is not None and place.python.name != file.name:
            # The Python is not installed again: rattler asks it where modules belong.
            records.append(_record(place.python.path))
            ignored = {place.python.name}
        asyncio.run(_install(records, ignored, place.platform, folder))
        yield folder / "env"
    except InstallerError as error:
        raise ImageError(
            "bad-package",
            f"The conda package {file.path.name} cannot be installed: {str(error).replace(str(folder), '…')}.",
            "Pin another version or build of it.",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=2)
def _record(path: Path) -> RepoDataRecord:
    return asyncio.run(_read(path))


async def _read(path: Path) -> RepoDataRecord:
    return await RepoDataRecord.from_package_archive(path)


async def _install(records: list[RepoDataRecord], ignored: set[str], platform: str, folder: Path) -> None:
    await install(
        records,
        folder / "env",
        cache_dir=folder / "packages",
        installed_packages=[],
        ignored_packages=ignored,
        platform=Subdir(platform),
        execute_link_scripts=False,
        show_progress=False,
        client=Client(),
        alternative_target_prefix=f"/{PREFIX}",
    )
