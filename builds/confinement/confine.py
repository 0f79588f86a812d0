"""Start a child process that has its folder, its limits, and nothing else."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from builds.confinement import landlock, seccomp, watching

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_SET_DUMPABLE = 1, 38, 4
_CAPABILITIES_3 = 0x20080522
_CAPSET_HERE = {"x86_64": 126, "aarch64": 91}.get(platform.machine())
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

# Every program needs these to start: its interpreter, libraries, certificates, and how names are resolved.
_SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store"),
    *(
        "/etc/ld.so.cache",
        "/etc/ld.so.conf",
        "/etc/ld.so.conf.d",
        "/etc/ssl",
        "/etc/pki",
        "/etc/ca-certificates",
    ),
    *("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/gai.conf"),
    *("/etc/localtime", "/etc/mime.types", "/etc/os-release", "/etc/alternatives"),
    *("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"),
    *("/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm/overcommit_memory", "/proc/filesystems"),
    *("/sys/devices/system/cpu", "/sys/fs/cgroup"),
)
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# The variables that a child inherits. Settings, tokens and passwords are not among them.
_INHERITED = frozenset(
    {
        *_CERTIFICATES,
        *("PATH", "LANG", "LANGUAGE", "TZ", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE"),
        "PYTHONPYCACHEPREFIX",
    }
)
# Python lists the folder of the studio's packages to find them; what else is in it is not read.
_CODE = Path(__file__).parents[2]
GIGABYTE = 1024**3


@dataclass(frozen=True, slots=True)
class Confinement:
    """The files, network and resources of a child.

    It reads `reads`, the system and its interpreter; it writes `writes`, folders that are made if they are not there.
    `network` is False for none, or the ports it may connect to; True leaves the network open. `processes` is how many
    there may be at a time, itself included: with one, it starts none. `memory` in bytes and `cpu` in seconds are for
    all of them together, `file_size` is the bytes of a file.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    network: bool | tuple[int, ...] = False
    processes: int = 1
    memory: int = 4 * GIGABYTE
    file_size: int = 32 * GIGABYTE
    cpu: int = 3600


def environment(own: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Return the environment of a confined child: what it inherits, its own variables, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if name in _INHERITED or name.startswith("LC_")}
    home = {"HOME": str(folder), "TMPDIR": str(folder)} if folder is not None else {}
    return {**kept, **home, **own}


@dataclass(frozen=True, slots=True)
class Support:
    """The kinds of confinement that this machine has. `missing` are sentences on those it lacks."""

    files: bool
    network: bool
    calls: bool

    @property
    def missing(self) -> tuple[str, ...]:
        """Return a sentence for each kind of confinement that this machine lacks."""
        absent = {
            "Files: the kernel has no Landlock (Linux 5.13), or it is switched off.": not self.files,
            "Network: the kernel's Landlock is too old for ports (Linux 6.7).": not self.network,
            "System calls: there is no seccomp filter for this machine.": not self.calls,
        }
        return tuple(sentence for sentence, lacks in absent.items() if lacks)


@lru_cache(maxsize=1)
def support() -> Support:
    """Return what this machine can confine."""
    version = landlock.abi()
    return Support(files=version >= 1, network=version >= 4, calls=seccomp.available())


def is_read_by_all(path: Path) -> bool:
    """Return whether every confined process may read a file: one that lies with the system's programs."""
    if not support().files:
        return True
    allowed = [
        folder.resolve() for folder in (*map(Path, _SYSTEM), *_certificates(os.environ), *_interpreter())
    ]
    return any(path.resolve().is_relative_to(folder) for folder in allowed)


@contextmanager
def entering(
    confinement: Confinement | None, env: Mapping[str, str] | None = None
) -> Iterator[Callable[[], None]]:
    """Yield the function for `preexec_fn` of a child that is started in the block.

    `env` are its variables, if they are not this process'. Without a confinement, it only dies with its parent.
    Everything is prepared before the fork: in the child only system calls are left.
    """
    if confinement is None:
        yield die_with_parent
        return
    rules = None
    certificates = tuple(_certificates(os.environ if env is None else env))
    for path in confinement.writes:
        if not path.exists():  # or there would be no rule for it
            path.mkdir(parents=True, exist_ok=True)
    if support().files:
        reads = (*map(Path, _SYSTEM), *certificates, *_interpreter(), *confinement.reads)
        network = confinement.network
        ports = None if network is True else network or ()
        rules = landlock.ruleset(reads, (Path("/dev/null"), *confinement.writes), (_CODE,), ports)
    calls = None
    if support().calls:
        calls = seccomp.program(_sockets(confinement.network), processes=confinement.processes > 1)
    limits = (
        (resource.RLIMIT_DATA, confinement.memory),
        (resource.RLIMIT_FSIZE, confinement.file_size),
        (resource.RLIMIT_CPU, confinement.cpu),
        (resource.RLIMIT_CORE, 0),
    )

    def enter() -> None:
        if _LIBC is None:
            return
        die_with_parent()
        for limit, most in limits:
            hard = resource.getrlimit(limit)[1]
            allowed = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(limit, (allowed, allowed))
        _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        _drop_capabilities()
        if rules is not None:
            landlock.restrict(rules)
        if calls is not None:
            seccomp.install(calls)

    try:
        yield enter
    finally:
        if rules is not None:
            os.close(rules)


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent ends. Called in the child."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def start(
    argv: Sequence[str], confinement: Confinement | None, *, session: bool = True, **options: Any
) -> subprocess.Popen[Any]:
    """Start a confined child; the options are those of `subprocess.Popen`, with `env` complete.

    The child begins as a copy of this process, which is slow where that is big: `ForkServer.run` is for those.
    It leads a session of its own, unless it is started by a confined process, whose session it cannot leave.
    """
    with entering(confinement, options.get("env")) as enter:
        child = subprocess.Popen(argv, preexec_fn=enter, start_new_session=session, **options)
    if session:
        watch_tree(child.pid, confinement)
    return child


def watch_tree(leader: int, confinement: Confinement | None, process: int | None = None) -> None:
    """Hold a confined process to the limits of all that it starts. `process` is its descriptor, if there is one."""
    if confinement is not None and confinement.processes > 1 and sys.platform == "linux":
        most = watching.Most(confinement.processes, confinement.memory, confinement.cpu)
        watching.watch(leader, os.pidfd_open(leader) if process is None else os.dup(process), most)


def _sockets(network: bool | tuple[int, ...]) -> seccomp.Sockets:
    return "any" if network is True else "tcp" if network else "none"


def _certificates(env: Mapping[str, str]) -> Iterator[Path]:
    """Yield where the operator keeps certificates, which need not be where the system has them."""
    return (Path(path) for name in _CERTIFICATES if (path := env.get(name)))


@lru_cache(maxsize=1)
def _interpreter() -> tuple[Path, ...]:
    """Return where this Python and the studio's own code are."""
    mine = [_CODE / package for package in ("builds", "environments", "studio")]
    return (
        Path(sys.prefix),
        Path(sys.base_prefix),
        *mine,
        *{Path(path) for path in sys.path if _installed(path)},
    )


def _installed(path: str) -> bool:
    return path.endswith(("site-packages", "dist-packages"))


def _drop_capabilities() -> None:
    """Be root without its powers, where the worker runs as root: files of others are closed to it."""
    if _LIBC is None or _CAPSET_HERE is None:
        return
    header = (ctypes.c_uint32 * 2)(_CAPABILITIES_3, 0)
    none = (ctypes.c_uint32 * 6)()
    _LIBC.syscall(ctypes.c_long(_CAPSET_HERE), ctypes.byref(header), ctypes.byref(none))
