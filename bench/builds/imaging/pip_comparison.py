"""Compare what the studio installs with what pip installs: `python -m bench.builds.imaging.pip_comparison [--sets 40]`.

Each package alone and random sets of packages are resolved by both, from the package index that pip is set up with.
The locked wheels are installed by both, and the trees compared file by file: names, contents and whether a file may be
run. Needs an hour and a fast connection. The code of packages without a wheel runs on this machine, as pip runs it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.utils import canonicalize_name

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.bases.find import find_base
from builds.imaging.download.fetch import Fetched, fetch
from builds.imaging.lock import Lock
from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import unpacked

PACKAGES = Path(__file__).with_name("packages.txt")
ENVIRONMENT = "opt/env"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
# Of pip, of virtual environments, or of the time of installation
OWN = re.compile(
    r"(\.pyc|/RECORD|/INSTALLER|/REQUESTED|/direct_url\.json|^pyvenv\.cfg|^bin/([Aa]ctivate.*|python[\d.]*))$"
)
WRAPPER = re.compile(
    rb"#!.*python.*\n(?:.*\n){0,6}?\s*from (\S+) import (\S+)\n(?s:.*)sys\.exit\((\S+)\(\)\)\s*\Z"
)


@dataclass
class Comparison:
    """The differences for one set of requirements; `failed` is why it could not be compared."""

    requirements: Sequence[str]
    failed: str = ""
    versions: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    compared: int = 0


def main() -> None:
    """Compare, and print what differs."""
    options = read_options()
    downloaded, learning = packages()
    names = options.only or [*downloaded, *learning]
    drawn = random.Random(options.seed)  # noqa: S311
    sets = [[name] for name in names]
    sets += [drawn.sample(names, drawn.randint(3, 8)) for _ in range(options.sets)] if len(names) > 8 else []
    done = []
    with tempfile.TemporaryDirectory(prefix="pip-comparison-", dir="/tmp") as name:
        comparing = Comparing(Path(name), options.most << 20)
        for requirements in sets[options.skip :]:
            result = comparing.compare(requirements)
            done.append(result)
            print(line_of(result), flush=True)
    print(summary(done))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--sets", type=int, default=40, help="random sets of three to eight packages")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--skip", type=int, default=0, help="comparisons that an earlier run has made")
    parser.add_argument("--most", type=int, default=400, help="MB of wheels whose files are compared")
    parser.add_argument("--only", nargs="*", help="these packages instead of the list")
    return parser.parse_args()


def packages() -> tuple[list[str], list[str]]:
    """Return the packages of both lists."""
    text = re.sub(r"#.*", "", PACKAGES.read_text())
    _, downloaded, learning = re.split(r"\[\w+\]", text)
    return downloaded.split(), learning.split()


class Comparing:
    """A base of this machine, a store, and folders for trees."""

    def __init__(self, folder: Path, most: int) -> None:
        self._folder = folder
        self._most = most
        self._workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache")
        self._base = find_base("host", self._workshop, Quiet())

    def compare(self, requirements: Sequence[str]) -> Comparison:
        """Resolve and install by both."""
        result = Comparison(requirements)
        try:
            lock = resolve(self._base, requirements, self._workshop, Quiet())
        except ImageError as error:
            result.failed = f"studio: {error.code}: {error.message[:200]}"
            return result
        theirs = resolved_by_pip(requirements)
        if isinstance(theirs, str):
            result.failed = f"pip: {theirs}"
            return result
        ours = {package.name: package.version for package in lock.packages}
        result.versions = [
            f"{name} {ours.get(name, 'none')} (pip {theirs.get(name, 'none')})"
            for name in sorted(ours.keys() | theirs.keys())
            if ours.get(name) != theirs.get(name)
        ]
        if sum(package.size for package in lock.packages) <= self._most:
            self._compare_files(lock, result)
        return result

    def _compare_files(self, lock: Lock, result: Comparison) -> None:
        if any(package.kind != "wheel" for package in lock.packages):
            return
        fetched = fetch(lock, self._workshop, Quiet())
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            ours = tree(self._ours(lock, fetched, Path(name) / "ours"))
            theirs = tree(installed_by_pip(lock, fetched, Path(name)))
        result.compared = len(ours)
        result.files = [
            f"{path}: {ours.get(path, 'none')} (pip {theirs.get(path, 'none')})"
            for path in sorted(ours.keys() | theirs.keys())
            if ours.get(path) != theirs.get(path)
        ]

    def _ours(self, lock: Lock, fetched: Fetched, root: Path) -> Path:
        image = assemble(self._base, lock, fetched, ImageSettings(), self._workshop, Quiet())
        known = {layer.digest for layer in self._base.layers}
        for layer in image.layers:
            if layer.digest not in known:
                unpacked(self._workshop.store, layer.digest, root)
        return root / ENVIRONMENT


def resolved_by_pip(requirements: Sequence[str]) -> dict[str, str] | str:
    """Return the version of each package by its name, or pip's last words."""
    argv = [*PIP, "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-", *requirements]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        return " ".join(done.stderr.split())[-200:]
    items = [item["metadata"] for item in json.loads(done.stdout)["install"]]
    return {str(canonicalize_name(item["name"])): str(item["version"]) for item in items}


def installed_by_pip(lock: Lock, fetched: Fetched, folder: Path) -> Path:
    """Return a virtual environment with the locked wheels, and with nothing of its own scripts."""
    env, wheels = folder / "pip" / ENVIRONMENT, folder / "wheels"
    wheels.mkdir()
    for wheel in fetched.wheels:
        os.link(wheel.path, wheels / wheel.path.name)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    pinned = [f"{package.name}=={package.version}" for package in lock.packages]
    options: list[str | Path] = ["--no-index", "--find-links", wheels, "--no-compile", "--quiet"]
    subprocess.run([*PIP, "--python", env, "install", *options, *pinned], check=True)
    return env


def tree(root: Path) -> dict[str, str]:
    """Return what each file is: its mode and hash, a command's target, or a link's."""
    result = {}
    for path in files_of(root):
        name = str(path.relative_to(root))
        if OWN.search(name):
            continue
        if path.is_symlink():
            result[name] = f"link to {path.readlink()}"
            continue
        content = path.read_bytes().replace(f"#!{root}/".encode(), f"#!/{ENVIRONMENT}/".encode(), 1)
        wrapper = WRAPPER.fullmatch(content) if name.startswith("bin/") else None
        if wrapper:
            result[name] = "command " + b" ".join(wrapper.groups()).decode()
        else:
            mode = "x" if path.stat().st_mode & 0o111 else "-"
            result[name] = f"{mode} {hashlib.sha256(content).hexdigest()[:12]}"
    return result


def files_of(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root):
        yield from (Path(folder, name) for name in files)
        yield from (path for name in folders if (path := Path(folder, name)).is_symlink())


def line_of(result: Comparison) -> str:
    """Return a set's line, and a line for each difference."""
    state = result.failed or (
        f"{len(result.versions)} versions and {len(result.files)} of {result.compared:,} files differ"
    )
    lines = [f"{' '.join(result.requirements)}: {state}"]
    lines += [f"    {text}" for text in (*result.versions, *result.files[:10])]
    return "\n".join(lines)


def summary(results: Sequence[Comparison]) -> str:
    """Return how many sets were compared, and how many differ."""
    failed = Counter(result.failed.partition(":")[0] for result in results if result.failed)
    whole = [result for result in results if not result.failed]
    return (
        f"{len(results)} sets: {len(whole)} resolved by both, "
        f"{sum(not result.versions for result in whole)} of them to the same versions; "
        f"files compared in {sum(result.compared > 0 for result in whole)} sets "
        f"({sum(result.compared for result in whole):,} files), "
        f"all equal in {sum(result.compared > 0 and not result.files for result in whole)}. "
        f"Not resolved: {dict(failed) or 'none'}."
    )


if __name__ == "__main__":
    main()
