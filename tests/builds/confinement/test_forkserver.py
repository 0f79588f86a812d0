"""Confined children are forked in milliseconds, end as processes do, and leave nothing behind."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from builds.confinement import forkserver
from builds.confinement.confine import Confinement
from builds.confinement.forkserver import Child, ForkServer
from builds.confinement.watching import members
from tests.services.processes import many_open_files, wait_until

MODULE = "tests.builds.confinement.evaluating"


@pytest.fixture
def server() -> Iterator[ForkServer]:
    server = ForkServer([MODULE])
    yield server
    server.close()


def answer(child: Child, expression: str) -> str:
    child.stdin.write(expression + "\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


def test_a_child_is_confined_and_has_no_secrets(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    secret, own = tmp_path / "secret", tmp_path / "own"
    secret.write_text("s3cret")

    child = server.start(MODULE, Confinement(writes=(own,)), {"OWN": "yes"})

    assert answer(child, f"open({str(secret)!r}).read()") == "PermissionError"
    assert answer(child, f"open({str(own / 'file')!r}, 'w').write('abc')") == "3"
    assert answer(child, "os.environ['OWN']") == "'yes'"
    assert "s3cret" not in answer(child, "dict(os.environ)")
    assert answer(child, "open('/proc/1/environ').read()") == "PermissionError"
    child.kill()


def test_a_child_ends_with_its_input_by_itself_or_by_a_signal(server: ForkServer) -> None:
    by_input, by_itself, terminated, killed = (server.start(MODULE, Confinement()) for _ in range(4))
    assert killed.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(0.01)

    by_input.stdin.close()
    by_itself.stdin.write("os._exit(7)\n")
    by_itself.stdin.flush()
    terminated.terminate()
    killed.kill()

    codes = [child.wait(30) for child in (by_input, by_itself, terminated, killed)]
    assert codes == [0, 7, -signal.SIGTERM, -signal.SIGKILL]
    killed.kill()  # nothing any more
    assert killed.poll() == -signal.SIGKILL


def test_a_child_holds_no_other_childs_input_open(server: ForkServer) -> None:
    first = server.start(MODULE, Confinement())
    second = server.start(MODULE, Confinement())

    first.stdin.close()

    assert first.wait(30) == 0
    assert answer(second, "1 + 1") == "2"
    second.kill()


def test_a_server_that_was_killed_takes_its_children_along_and_is_replaced(server: ForkServer) -> None:
    child = server.start(MODULE, Confinement())
    parent = int(answer(child, "os.getppid()"))

    os.kill(parent, signal.SIGKILL)

    assert child.wait(30) == -signal.SIGKILL
    again = server.start(MODULE, Confinement())
    assert answer(again, "2 + 2") == "4"
    assert int(answer(again, "os.getppid()")) != parent
    again.kill()


def test_the_server_ends_with_what_uses_it(server: ForkServer) -> None:
    child = server.start(MODULE, Confinement())
    parent = int(answer(child, "os.getppid()"))

    server.close()

    assert child.wait(30) == -signal.SIGKILL
    wait_until(lambda: not Path(f"/proc/{parent}").exists(), 10, "The server is still there.")


def test_children_of_many_threads_answer_side_by_side(server: ForkServer) -> None:
    def doubled(number: int) -> str:
        child = server.start(MODULE, Confinement())
        result = answer(child, f"{number} * 2")
        child.kill()
        child.wait()
        return result

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(doubled, range(40))) == [str(number * 2) for number in range(40)]


def test_without_a_fork_server_a_child_is_a_new_python(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forkserver, "LINUX", False)
    child = server.start(MODULE, Confinement(reads=(Path(__file__).parents[2],)), {"OWN": "yes"})

    assert answer(child, "os.environ['OWN']") == "'yes'"
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(30) == 0
    assert child.poll() == 0
    command = server.run(["sh", "-c", "cat; echo a; echo b >&2; exit 3"], Confinement(processes=2))
    assert (command.communicate(timeout=30), command.wait()) == ((b"a\n", b"b\n"), 3)


def test_a_module_is_imported_when_a_child_first_runs_it_and_no_other_is_forked() -> None:
    server = ForkServer([MODULE, "builds.imaging.bases.probe_worker"])
    child = server.start(MODULE, Confinement())

    assert answer(child, "'builds.imaging.bases' in __import__('sys').modules") == "False"
    server.start("builds.imaging.bases.probe_worker", Confinement()).kill()
    later = server.start(MODULE, Confinement())
    assert answer(later, "'builds.imaging.bases.probe_worker' in __import__('sys').modules") == "True"

    with pytest.raises(ValueError, match=r"http\.server is none of the modules"):
        server.start("http.server", Confinement())
    assert answer(later, "3 + 3") == "6", "The server is still there."
    server.close()


def test_a_command_has_its_folder_its_variables_and_no_input(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")
    script = 'cat; pwd; env; cat "$1" >&2; exit 7'
    secret, own = tmp_path / "secret", tmp_path / "own"
    secret.write_text("s3cret")
    argv = ["sh", "-c", script, "sh", str(secret)]

    child = server.run(argv, Confinement(writes=(own,), processes=4), {"OWN": "yes", "PATH": "/bin"}, own)

    out, errors = child.communicate(timeout=30)
    folder, *variables = out.decode().splitlines()
    assert child.wait() == 7
    assert folder == str(own)
    assert sorted(line for line in variables if not line.startswith(("PWD=", "_=", "SHLVL="))) == [
        "OWN=yes",
        "PATH=/bin",
    ]
    assert b"Permission denied" in errors


def test_a_command_without_variables_of_its_own_has_no_secrets(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "s3cret")

    out, _ = server.run(["env"], None).communicate(timeout=30)

    assert b"PATH=" in out
    assert b"s3cret" not in out


def test_long_output_arrives_whole_however_often_it_is_waited_for(server: ForkServer) -> None:
    script = "for n in $(seq 200000); do echo $n; done & seq 200000 >&2; wait"
    child = server.run(["sh", "-c", script], Confinement(processes=8))
    waits = 0
    while True:
        try:
            out, errors = child.communicate(timeout=0.001)
            break
        except subprocess.TimeoutExpired:
            waits += 1

    whole = "".join(f"{number}\n" for number in range(1, 200001)).encode()
    assert (out, errors) == (whole, whole)
    assert waits > 0


@pytest.mark.parametrize(
    ("argv", "folder", "error"),
    [
        (["/does/not/exist"], None, FileNotFoundError),
        (["/etc/hostname"], None, PermissionError),
        (["true"], "/does/not/exist", FileNotFoundError),
        (["echo", "a\0b"], None, ValueError),
    ],
)
def test_a_command_that_cannot_be_started_is_an_error_here_and_no_harm_there(
    server: ForkServer, argv: list[str], folder: str | None, error: type[Exception]
) -> None:
    child = server.start(MODULE, Confinement())
    before = len(os.listdir("/proc/self/fd"))

    with pytest.raises(error):
        server.run(argv, Confinement(), folder=None if folder is None else Path(folder))

    assert len(os.listdir("/proc/self/fd")) == before
    assert answer(child, "1 + 1") == "2"
    child.kill()


def test_commands_get_no_descriptors_and_leave_none_behind(server: ForkServer) -> None:
    child = server.start(MODULE, Confinement())
    listed, _ = server.run(["ls", "/proc/self/fd"], None).communicate(timeout=30)
    assert listed.split() == [b"0", b"1", b"2", b"3"], "The last is the folder that ls reads."
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(5):
        server.run(["echo", "a"], Confinement()).communicate(timeout=30)

    assert len(os.listdir("/proc/self/fd")) == before
    child.kill()


def test_a_process_without_free_descriptors_gets_an_error_and_keeps_its_children(server: ForkServer) -> None:
    child = server.start(MODULE, Confinement())
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(descriptor) for descriptor in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 32, hard))
    refused, out = 0, b""
    try:
        for free in range(20):
            with taken_descriptors(free):
                try:
                    out, _ = server.run(["echo", "a"], Confinement(processes=2)).communicate(timeout=30)
                    break
                except OSError as error:
                    refused += error.errno == errno.EMFILE
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert refused > 6, (
        "Descriptors were free for its pipes, and then not for its sockets and for watching it."
    )
    assert out == b"a\n"
    assert answer(child, "1 + 1") == "2"
    child.kill()


@contextmanager
def taken_descriptors(free: int) -> Iterator[None]:
    """Take all descriptors that this process may have, but for some."""
    taken = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for _ in range(free):
            os.close(taken.pop())
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)


def test_a_command_that_cannot_be_watched_is_ended(
    server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def fail(leader: int, *_: object) -> None:
        started.append(leader)
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(forkserver, "watch_tree", fail)
    with pytest.raises(RuntimeError, match="new thread"):
        server.run(["sleep", "600"], Confinement(processes=2))

    (leader,) = started
    wait_until(lambda: not [*members(leader)], 10, "The command is still there.")


def test_a_command_is_watched_by_a_process_with_more_than_a_thousand_open_files(server: ForkServer) -> None:
    with many_open_files():
        command = server.run(
            ["sh", "-c", "for n in 1 2 3 4 5 6; do sleep 600 & done; wait"], Confinement(processes=4)
        )
        assert command.wait(30) == -signal.SIGKILL


USING = """
import os, signal
from builds.confinement.confine import Confinement
from builds.confinement.forkserver import ForkServer
from builds.confinement.watching import members
child = ForkServer([]).run(["sh", "-c", "sleep 600 & wait"], Confinement(processes=4))
while len([*members(child.pid)]) < 2:
    pass
print(child.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_command_has_started_ends_with_the_process_that_uses_the_server() -> None:
    used = subprocess.run([sys.executable, "-c", USING], stdout=subprocess.PIPE, check=False)

    assert used.returncode == -signal.SIGKILL
    wait_until(lambda: not [*members(int(used.stdout))], 10, "Some of the tree is still there.")


def test_the_operators_certificates_are_read_in_any_folder(server: ForkServer, tmp_path: Path) -> None:
    """Also where the variable was set after the server had started."""
    certificates = tmp_path / "ca.pem"
    certificates.write_text("-----BEGIN")
    server.run(["true"], None).communicate(timeout=30)

    command = server.run(["cat", str(certificates)], Confinement(), {"SSL_CERT_FILE": str(certificates)})
    other = server.run(["cat", str(certificates)], Confinement(), {})

    assert command.communicate(timeout=30)[0] == b"-----BEGIN"
    assert other.communicate(timeout=30)[0] == b""
