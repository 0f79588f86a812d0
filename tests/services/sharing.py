"""Services shared by the processes of a test run: started by the first that needs one, ended with the run.

The process that hands out the tests has a folder for it, and a guard that ends what belongs to the folder however
the run ends. A run in one process shares with itself.
"""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest

from tests.services import reaper
from tests.services.processes import MARKER
from tests.services.servers.service import Service

# overlay2 cannot put its layers on these everywhere.
NO_HOME_FOR_IMAGES = {"tmpfs", "overlay", "ramfs"}

# Tests throw away what they write: where this much memory is available, half of it is their disk at the most.
MEMORY_FOR_FILES = 12 << 30

# In the folder of a run, once a process has set its SQLite up: a database with the tables, and nothing in them.
MIGRATED = "tables.sqlite3"

T = TypeVar("T")
S = TypeVar("S", bound=Service)

_OUTER_RUN = os.environ.get(MARKER, "")  # of a run of pytest inside a test
_FOLDER = pytest.StashKey[Path]()
_started: list[Service] = []  # kept: an object that is collected would warn that its process still runs


@contextmanager
def guarded_folder() -> Iterator[Path]:
    """Give a folder; its files, processes, mounts and networks go with the block, and also if the run is killed."""
    # Servers run as users of their own, so the way to it must be open to all: not pytest's tmp_path.
    folder = Path(tempfile.mkdtemp(prefix="studio-tests-", dir=roomy_folder()))
    put_in_memory(folder)
    folder.chmod(0o755)
    guard = subprocess.Popen(
        [sys.executable, "-I", reaper.__file__, str(folder), str(os.getpid())],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield folder
    finally:
        assert guard.stdin
        guard.stdin.close()
        guard.wait()


@contextmanager
def belonging_to(folder: Path) -> Iterator[None]:
    """Let the guard of this folder, and of no other folder of the run, end the processes started in the block."""
    before = os.environ.get(MARKER)
    os.environ[MARKER] = f"{_OUTER_RUN} {folder}".strip()
    try:
        yield
    finally:
        if before is None:
            del os.environ[MARKER]
        else:
            os.environ[MARKER] = before


def put_in_memory(folder: Path) -> None:
    """Mount memory as the folder where there is plenty, root may, and engines can put images on it."""
    if os.geteuid() or available_memory() < MEMORY_FOR_FILES:
        return
    if not done("mount", "-t", "tmpfs", "-o", f"size={MEMORY_FOR_FILES // 2}", "studio-tests", str(folder)):
        return
    layers = [folder / name for name in ("lower", "upper", "work", "merged")]
    for layer in layers:
        layer.mkdir()
    lower, upper, work, merged = map(str, layers)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    if done("mount", "-t", "overlay", "-o", options, "studio-tests", merged):
        done("umount", merged)
        for layer in layers:
            shutil.rmtree(layer)
    else:
        done("umount", str(folder))


def available_memory() -> int:
    """Return the bytes that this machine has left, or that its control group allows in all."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    left = next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) << 10
    limits = [Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory/memory.limit_in_bytes")]
    allowed = [limit.read_text().strip() for limit in limits if limit.exists()]
    return min([left, *(int(limit) for limit in allowed if limit != "max")])


def done(*argv: str) -> bool:
    """Run a command that may fail; return whether it did what it was to do."""
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0


def roomy_folder() -> Path:
    """Return a folder for temporary files that everybody may enter, on a file system that can hold images."""
    kinds = {}
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _device, mount, kind = line.split()[:3]
        kinds[Path(mount)] = kind
    for folder in (Path("/tmp"), Path("/var/tmp")):
        mount_point = next(parent for parent in (folder, *folder.parents) if parent in kinds)
        if kinds[mount_point] not in NO_HOME_FOR_IMAGES:
            return folder
    return Path("/tmp")  # the engine will find a slower way to store layers


def folder_for_workers(config: pytest.Config) -> Path:
    """Return the folder that this process shares with its workers; it is removed with this process."""
    if _FOLDER not in config.stash:
        stack = ExitStack()
        config.stash[_FOLDER] = stack.enter_context(guarded_folder())
        config.add_cleanup(stack.close)
    return config.stash[_FOLDER]


def made_once(shared_folder: Path, name: str, make: Callable[[], T]) -> T:
    """Return what the first process to need it has made; it goes to the others as a pickle."""
    kept = shared_folder / f"{name}.pickle"
    with (shared_folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # also let go when the process is killed
        if not kept.exists():
            with belonging_to(shared_folder):
                made = make()
            kept.write_bytes(pickle.dumps(made))
        made_by_first: T = pickle.loads(kept.read_bytes())  # noqa: S301 (our own)
    return made_by_first


def shared(service: Callable[[Path], S], shared_folder: Path, name: str) -> S:
    """Return a service that all test processes of the run use, and that none of them can stop."""

    def start() -> S:
        started = service(shared_folder / f"{name}-{uuid4().hex[:8]}")
        started.start()
        _started.append(started)
        return started

    used = made_once(shared_folder, name, start)
    used.shared = True
    return used
