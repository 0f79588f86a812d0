"""Rules for all commands of the studio."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.services.processes import free_port
from tests.studio.management.commands import Desk

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "argv",
    [
        ["prepare"],
        ["run", "--port", "0"],
        ["build", "pyproject.toml"],
        ["clean"],
        ["person", "add", "somebody"],
        ["limits", "default"],
    ],
    ids=lambda argv: argv[0],
)
def test_an_unreachable_database_is_reported_in_a_sentence(tmp_path: Path, argv: list[str]) -> None:
    away = f"postgresql://studio:secret-word@127.0.0.1:{free_port()}/studio"

    done = Desk(tmp_path, {}).manage(*argv, DATABASE_URL=away, SECRET_KEY="k" * 50)

    assert done.code == 2, done.stderr
    assert "The database cannot be used:" in done.stderr
    assert "manage.py doctor" in done.stderr
    assert "Traceback" not in done.stderr
    assert "secret-word" not in done.stdout + done.stderr


@pytest.fixture
def full_disk(tmp_path: Path, stock: Path) -> Iterator[Desk]:
    """A studio's database on a file system without a free byte."""
    desk = Desk(tmp_path, {})
    desk.var.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "full", desk.var], check=True)
    try:
        shutil.copytree(stock, desk.var, ignore=shutil.ignore_patterns("store", "cache"), dirs_exist_ok=True)
        assert desk.manage("limits", "default").code == 0
        with suppress(OSError), (desk.var / "ballast").open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        yield desk
    finally:
        subprocess.run(["umount", "--lazy", desk.var], check=True)


def test_a_full_disk_under_the_database_is_reported_in_a_sentence(full_disk: Desk) -> None:
    done = full_disk.manage("person", "add", "x" * 100, "--workspace", "default")

    assert done.code == 2, done.stderr
    assert "The database cannot be used:" in done.stderr
    assert f"Is the disk under {full_disk.var} full?" in done.stderr
    assert "Traceback" not in done.stderr
