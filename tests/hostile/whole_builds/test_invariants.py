"""The invariants of hostile tests can fail: each notices what it is there to notice."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from builds.models import Build
from tests.builds.scenarios import claim_build, person, queue_build, save_text
from tests.hostile.whole_builds.invariants import assert_no_secret, modest, punctual, unchanged

MEGABYTE = 1024**2
HOLD = f"held = bytearray(b'x') * {200 * MEGABYTE}; print(flush=True); input()"


def test_a_file_that_is_added_changed_or_removed_is_noticed(tmp_path: Path) -> None:
    kept = tmp_path / "folder" / "file"
    kept.parent.mkdir()
    kept.write_text("kept")

    with unchanged(tmp_path):
        kept.read_text()
    with pytest.raises(AssertionError, match="new"), unchanged(tmp_path):
        kept.with_name("new").touch()
    with pytest.raises(AssertionError, match="file"), unchanged(tmp_path):
        kept.write_text("like")
    with pytest.raises(AssertionError, match="file"), unchanged(tmp_path):
        kept.chmod(0o777)
    with pytest.raises(AssertionError, match="file"), unchanged(tmp_path):
        kept.unlink()


def test_memory_that_is_held_for_a_moment_is_noticed() -> None:
    with modest(150 * MEGABYTE):
        pass
    with pytest.raises(AssertionError, match="of memory"), modest(150 * MEGABYTE):
        bytearray(b"x") * (200 * MEGABYTE)


def test_memory_of_what_a_worker_starts_is_noticed() -> None:
    def hold() -> None:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", HOLD], text=True, **pipes) as child:  # type: ignore[call-overload]
            child.stdout.readline()
            looked.wait(1.0)  # so that somebody looks meanwhile
            child.communicate("\n")

    looked = threading.Event()
    with modest(150 * MEGABYTE):
        hold()
    with pytest.raises(AssertionError, match="of memory"), modest(150 * MEGABYTE, tree=True):
        hold()


@pytest.fixture
def build() -> Build:
    return queue_build(save_text("numpy==2.1.3\n"), person("ada"))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_sends_no_heartbeat_is_noticed(build: Build) -> None:
    pause = threading.Event()
    with claim_build(build) as (claim, _):  # its reporter sends none by itself
        with punctual(build, late=2.0):
            for _ in range(4):
                claim.should_stop()
                pause.wait(0.1)
        with pytest.raises(AssertionError, match="no heartbeat"), punctual(build, late=0.3):
            pause.wait(1.5)


@pytest.mark.django_db(transaction=True)
def test_a_secret_in_a_log_an_error_or_a_layer_is_noticed(build: Build, tmp_path: Path) -> None:
    secret = b"s3cret"
    with claim_build(build) as (claim, reporter):
        reporter.line("A line")
        reporter.log.flush(everything=True)
        assert_no_secret([secret], build)
        reporter.line("The password is s3cret")
        reporter.log.flush(everything=True)
        with pytest.raises(AssertionError, match="got out"):
            assert_no_secret([secret], build)
        claim.fail("timeout", "It is pa55word", "", "outside", 1)
    with pytest.raises(AssertionError, match="got out"):
        assert_no_secret([b"pa55word"], build)

    (tmp_path / "blob").write_bytes(os.urandom(100))
    assert_no_secret([secret], None, tmp_path.iterdir())
    (tmp_path / "blob").write_bytes(gzip.compress(b"a layer with s3cret in it"))
    with pytest.raises(AssertionError, match="got out"):
        assert_no_secret([secret], None, tmp_path.iterdir())
