"""In the worker: install a package alone into a staging folder, as if that were /opt/env."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rattler import PackageRecord, RepoDataRecord, install
from rattler.exceptions import ExtractError, InstallerError
from rattler.networking import Client
from rattler.package import BuildString
from rattler.platform.subdir import Subdir

from builds.imaging.conda.files import CondaFile
from builds.imaging.conda.package.copying import Copy
from builds.imaging.packing.wheel import PREFIX
from builds.imaging.reporting import ImageError


@dataclass(frozen=True, slots=True)
class Target:
    """The target of an installation: the environment's Python, if it has one, its platform, and its path."""

    python: CondaFile | None
    platform: str
    folder: Path


@contextmanager
def staged(file: CondaFile, copy: Copy, target: Target) -> Iterator[Path]:
    """Install the checked copy of a package alone in a folder of its own, as if that were /opt/env."""
    folder = Path(tempfile.mkdtemp(dir=target.folder))
    try:
        records, ignored = [asyncio.run(_read(copy.path))], set()
        if target.python is not None and target.python.name != file.name:
            # The Python is not installed again: rattler looks at its version to know where modules belong.
            records.append(_python(target.python))
            ignored = {target.python.name}
        asyncio.run(_install(records, ignored, target.platform, folder))
        yield folder / "env"
    except (ExtractError, InstallerError) as error:
        raise ImageError(
            "bad-package",
            f"The conda package {file.path.name} cannot be installed: {str(error).replace(str(folder), '…')}.",
            "Pin another version or build of it.",
            fault="outside",
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _read(path: Path) -> RepoDataRecord:
    return await RepoDataRecord.from_package_archive(path)


def _python(file: CondaFile) -> RepoDataRecord:
    """Return the record of a Python by what is locked: nothing in its archive decides where modules go."""
    record = PackageRecord(
        file.name, file.version, BuildString("0"), 0, file.subdir, sha256=bytes.fromhex(file.sha256)
    )
    return RepoDataRecord(record, file.path.name, file.path.absolute().as_uri(), file.path.parent.as_uri())


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
