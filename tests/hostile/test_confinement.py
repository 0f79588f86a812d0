"""A confined child has its folder and its limits: everything else of the machine is closed to it."""

from __future__ import annotations

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from builds.confinement.confine import Confinement, environment, support
from builds.confinement.forkserver import Command
from builds.confinement.watching import members
from builds.imaging.child_process import FORKS
from tests.services.processes import wait_until

CLONE3 = 435
SHMGET = {"x86_64": 29, "aarch64": 194}[platform.machine()]

# Runs each expression of a JSON object in the child, and prints what came of it.
TRY = """
import ctypes, json, os, resource, signal, socket, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def outcome(code):
    try:
        return repr(eval(code))
    except BaseException as error:
        return type(error).__name__
print(json.dumps({code: outcome(code) for code in json.loads(sys.argv[1])}))
"""


def python(program: str, confinement: Confinement, folder: Path, *arguments: str) -> Command:
    """Start a confined Python that runs a program."""
    argv = [sys.executable, "-c", program, *arguments]
    return FORKS.run(argv, confinement, environment({}, folder), folder)


def outcomes(confinement: Confinement, folder: Path, *expressions: str) -> list[str]:
    """Return what a confined Python makes of these expressions: the value's repr, or the error's name."""
    out, _ = python(TRY, confinement, folder, json.dumps(expressions)).communicate(timeout=60)
    result: dict[str, str] = json.loads(out)
    return [result[expression] for expression in expressions]


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file of the studio's, outside of the child's folder."""
    file = tmp_path / "studio" / "secret-key"
    file.parent.mkdir()
    file.write_text("s3cret")
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    own = tmp_path / "own"
    own.mkdir()
    return own


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server


def test_this_machine_can_confine() -> None:
    """The tests below prove nothing on a machine that cannot."""
    assert support().files, support().missing
    assert support().calls, support().missing


def test_only_inputs_are_read_and_only_the_own_folder_is_written(
    folder: Path, secret: Path, tmp_path: Path
) -> None:
    given = tmp_path / "input.txt"
    given.write_text("in")
    link = f"os.symlink({str(secret)!r}, 'link')"

    read, listed, linked, through, overwritten, climbed, own, input_, input_written = outcomes(
        Confinement(reads=(given,), writes=(folder,)),
        folder,
        f"open({str(secret)!r}).read()",
        f"os.listdir({str(secret.parent)!r})",
        link,
        "open('link').read()",
        f"open({str(secret)!r}, 'w')",
        "open('../studio/new', 'w')",
        "open('mine', 'w').write('abc')",
        f"open({str(given)!r}).read()",
        f"open({str(given)!r}, 'w')",
    )

    assert (read, listed, through, overwritten, climbed) == ("PermissionError",) * 5
    assert (linked, own, input_, input_written) == ("None", "3", "'in'", "PermissionError")
    assert secret.read_text() == "s3cret"
    assert not (secret.parent / "new").exists()


def test_files_are_not_linked_renamed_or_opened_as_devices(folder: Path, secret: Path) -> None:
    hard_link, moved_out, device = outcomes(
        Confinement(writes=(folder,)),
        folder,
        f"os.link({str(secret)!r}, 'hard')",
        f"open('a', 'w').close() or os.rename('a', {str(secret)!r})",
        "os.mknod('disk', 0o60600, os.makedev(8, 0))",
    )

    assert "None" not in (hard_link, moved_out, device)
    assert secret.read_text() == "s3cret"
    assert not (folder / "disk").exists()


def test_a_child_has_no_secrets_in_its_environment_and_sees_nobody_elses(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://studio:s3cret@db/studio")
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")

    own, parents, memory, traced = outcomes(
        Confinement(writes=(folder,)),
        folder,
        "dict(os.environ)",
        f"open('/proc/{os.getpid()}/environ').read()",
        f"open('/proc/{os.getpid()}/mem', 'rb').read(1)",
        f"libc.ptrace(16, {os.getpid()}, 0, 0)",
    )

    assert "s3cret" not in own
    assert (parents, memory, traced) == ("PermissionError", "PermissionError", "-1")


def test_the_operators_own_certificates_are_read(
    folder: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = secret.with_name("company.pem")
    certificates.write_text("trusted")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates))

    read, beside = outcomes(
        Confinement(writes=(folder,)),
        folder,
        "open(os.environ['SSL_CERT_FILE']).read()",
        f"open({str(secret)!r}).read()",
    )

    assert (read, beside) == ("'trusted'", "PermissionError")


def test_without_network_no_socket_is_made_and_with_it_one_port_answers(
    folder: Path, listener: socket.socket
) -> None:
    port = listener.getsockname()[1]
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        connect = "socket.create_connection(('127.0.0.1', {}), 5).getpeername()[1]"
        tried = (
            connect.format(port),
            connect.format(other.getsockname()[1]),
            "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
            "socket.socket(socket.AF_UNIX)",
            "socket.socket(socket.AF_INET, socket.SOCK_RAW)",
            "socket.create_server(('127.0.0.1', 0))",
        )
        closed = outcomes(Confinement(writes=(folder,)), folder, *tried)
        allowed, *refused = outcomes(Confinement(writes=(folder,), network=(port,)), folder, *tried)

    assert set(closed) == {"PermissionError"}
    if support().network:
        assert allowed == str(port)
        assert set(refused) == {"PermissionError"}


def test_memory_files_and_cpu_are_limited(folder: Path) -> None:
    limits = Confinement(writes=(folder,), memory=512 * 1024**2, file_size=1024**2, cpu=1)

    memory, _, fits = outcomes(
        limits,
        folder,
        "len(bytearray(1024**3))",
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN) and open('large', 'wb').write(bytes(2 * 1024**2))",
        "len(bytearray(1024**2))",
    )
    spinning = python("while True: pass", limits, folder)

    assert (memory, fits) == ("MemoryError", str(1024**2))
    assert (folder / "large").stat().st_size <= 1024**2
    assert spinning.wait(30) < 0


def test_signals_and_system_settings_are_out_of_reach(folder: Path) -> None:
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        killed, unshared, mounted, clock = outcomes(
            Confinement(writes=(folder,)),
            folder,
            f"os.kill({bystander.pid}, signal.SIGKILL)",
            "libc.unshare(0x10000000)",
            "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
            "__import__('time').clock_settime(0, 1.0)",
        )
        # Signals are covered by Linux 6.12 and newer.
        assert killed == "PermissionError" or not support().network
        assert (unshared, mounted, clock) == ("-1", "-1", "PermissionError")
    finally:
        bystander.kill()
        bystander.wait()


def test_a_child_of_root_has_none_of_roots_powers(folder: Path) -> None:
    user, group = outcomes(Confinement(writes=(folder,)), folder, "libc.setuid(12345)", "libc.setgid(12345)")

    assert (user, group) == ("-1", "-1")


def test_what_a_child_starts_is_confined_too(folder: Path, secret: Path) -> None:
    program = f"subprocess.run(['cat', {str(secret)!r}], capture_output=True).stdout"

    (output,) = outcomes(Confinement(writes=(folder,), processes=3), folder, program)

    assert output == "b''"


def test_a_child_that_needs_no_other_processes_starts_none_but_threads(folder: Path) -> None:
    """The limits of one process are then those of all that it could do."""
    *refused, thread = outcomes(
        Confinement(writes=(folder,)),
        folder,
        "os.fork()",
        "subprocess.run(['true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        f"ctypes.c_long(libc.syscall({CLONE3}, None, 0)).value or ctypes.get_errno()",
        "__import__('concurrent.futures').futures.ThreadPoolExecutor().submit(len, 'abc').result()",
    )

    assert refused == ["PermissionError"] * 3 + ["-1"]
    assert thread == "3"


def test_memory_that_no_limit_counts_is_refused(folder: Path) -> None:
    shared, growing, unnamed, segment, own = outcomes(
        Confinement(writes=(folder,), memory=512 * 1024**2),
        folder,
        "__import__('mmap').mmap(-1, 1024**3)",
        "__import__('mmap').mmap(-1, 1024**3, flags=0x122)",
        "os.memfd_create('memory')",
        f"libc.syscall({SHMGET}, 0, 1024, 0o1600)",
        "len(__import__('mmap').mmap(-1, 1024**2, flags=0x22))",
    )

    assert (shared, growing, unnamed, segment) == (*("PermissionError",) * 3, "-1")
    assert own == str(1024**2)


def test_what_a_child_starts_does_not_leave_its_session(folder: Path) -> None:
    left = outcomes(
        Confinement(writes=(folder,), processes=3),
        folder,
        "os.setsid()",
        "os.setpgid(0, 0)",
        "subprocess.run(['true'], start_new_session=True)",
        "subprocess.run(['true']).returncode",
    )

    assert left == ["PermissionError"] * 3 + ["0"]


# Orphans among orphans: nobody waits for any of them.
MULTIPLY = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
# Each stays below the limit of a process.
SHARE_OUT = """
import os, signal
for _ in range(3):
    if os.fork() == 0:
        break
held = bytearray(os.urandom(1024)) * (200 * 1024)
signal.pause()
"""
SPIN = """
import os
for _ in range(3):
    os.fork()
while True:
    pass
"""
# The first process ends, and leaves one that has no parent any more.
LEAVE = """
import os, signal
if os.fork() == 0:
    if os.fork() == 0:
        open('orphan', 'w').write(str(os.getpid()))
        signal.pause()
    os._exit(0)
os.wait()
while not os.path.exists('orphan') or not open('orphan').read():
    pass
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(MULTIPLY, id="processes"),
        pytest.param(SHARE_OUT, id="memory"),
        pytest.param(SPIN, id="cpu"),
    ],
)
def test_a_tree_of_processes_that_takes_too_much_is_ended_whole(program: str, folder: Path) -> None:
    limits = Confinement(writes=(folder,), processes=20, memory=512 * 1024**2, cpu=2)

    child = python(program, limits, folder)

    assert child.wait(60) == -signal.SIGKILL
    wait_until(lambda: not [*members(child.pid)], 30, "Some of the tree is still there.")


def test_a_tree_of_processes_ends_with_its_first(folder: Path) -> None:
    limits = Confinement(writes=(folder,), processes=20)

    child = python(LEAVE, limits, folder)

    assert child.wait(60) == 0
    assert (folder / "orphan").read_text().isdecimal()
    wait_until(lambda: not [*members(child.pid)], 30, "The orphan is still there.")


def test_a_tree_within_its_limits_is_left_alone(folder: Path) -> None:
    """It runs for long enough to be looked at many times."""
    program = "import os, time; os.fork(); time.sleep(1)"
    limits = Confinement(writes=(folder,), processes=2, cpu=60)

    assert python(program, limits, folder).wait(60) == 0


def test_children_of_many_threads_start_side_by_side(folder: Path) -> None:
    codes: list[int] = []

    def run() -> None:
        codes.append(FORKS.run(["true"], Confinement(writes=(folder,))).wait(60))

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert codes == [0] * 8
