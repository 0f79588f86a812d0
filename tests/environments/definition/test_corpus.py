"""Real files, where they are at hand: a folder named by STUDIO_CORPUS, or `../shared/corpus`; `conftest.py` leaves
this module out where there are none.

Each is accepted with a faithful reading, or refused with a line and a reason. The readings are compared
with those of other readers: PyYAML's for conda files, pip's own for requirements.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from environments.definition import Finding, Reading, read, read_path
from environments.definition.cli import reading_json
from environments.definition.difference import diff_readings
from environments.definition.fixes import apply_fix, with_fixes
from tests.environments.definition.conftest import CORPUS

COMMENT = re.compile(r"(?:^|\s)(#.*)$", re.MULTILINE)


def listed() -> Iterator[tuple[str, Path]]:
    with (CORPUS / "index.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["kind"].removeprefix("version-history:"), CORPUS / row["file"]


@pytest.fixture(scope="module")
def readings() -> list[tuple[str, Path, Reading]]:
    return [(kind, path, read_path(path)) for kind, path in listed()]


def test_every_file_is_accepted_or_refused_with_a_reason(readings: list[tuple[str, Path, Reading]]) -> None:
    assert readings
    for _, path, reading in readings:
        assert reading.accepted == (not reading.errors), path
        for error in reading.errors:
            assert error.message, path
            assert error.help, path
            assert error.line is not None, (path, error)


def test_no_password_of_any_file_is_printed(readings: list[tuple[str, Path, Reading]]) -> None:
    in_url = re.compile(r"://[^\s/@:\"']+:([^\s/@\"'$<{*]{3,})@")
    for _, path, reading in readings:
        printed = json.dumps(reading_json(reading)) + repr(reading.findings)
        assert not in_url.search(printed), path


def test_conda_files_are_read_as_another_reader_reads_them(readings: list[tuple[str, Path, Reading]]) -> None:
    count = 0
    for kind, path, reading in readings:
        if kind != "conda-env" or reading.definition is None:
            continue
        document = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
        entries = document.get("dependencies") or []
        conda = [" ".join(entry.split()) for entry in entries if isinstance(entry, str)]
        for entry in entries:
            if isinstance(entry, dict):
                conda += [
                    " ".join(spec.split()) for key, spec in entry.items() if key.startswith("sel(linux")
                ]
        pip = [line for entry in entries if isinstance(entry, dict) for line in entry.get("pip") or []]
        python = reading.definition.python
        assert sorted(python.conda) == sorted(conda), path
        assert list(python.pip) == [" ".join(line.split()) for line in pip], path
        assert list(python.channels) == list(document.get("channels") or []), path
        assert reading.definition.variables == (document.get("variables") or {}), path
        count += 1
    assert count > 0


@pytest.mark.slow
def test_requirements_are_read_as_pip_reads_them(readings: list[tuple[str, Path, Reading]]) -> None:
    from pip._internal.network.session import PipSession
    from pip._internal.req.req_file import parse_requirements

    for kind, path, reading in readings:
        if kind != "pip-requirements" or reading.definition is None:
            continue
        with PipSession() as session:
            expected = [
                " ".join(requirement.requirement.split())
                for requirement in parse_requirements(str(path), session)
            ]
        ours = [re.split(r"\s--hash", line)[0] for line in reading.definition.python.pip if line[0] != "-"]
        assert ours == expected, path


def test_dockerfiles_and_explicit_lists_are_taken_whole(readings: list[tuple[str, Path, Reading]]) -> None:
    for kind, path, reading in readings:
        if reading.definition is None:
            continue
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n")
        if kind == "dockerfile":
            assert reading.definition.dockerfile == text, path
        elif kind in ("conda-explicit-lock", "resolved-package-list"):
            lines = [line.strip() for line in text.splitlines()]
            lines = [line for line in lines if line and not line.startswith(("#", "@"))]
            assert len(reading.packages) == len(lines), path
            assert len(reading.definition.python.conda) == len(lines), path


def test_every_published_upgrade_comes_out_of_the_difference_of_two_locks() -> None:
    pairs = CORPUS / "sagemaker-pairs.csv"
    # A corpus of other files has no pairs of locks.
    if not pairs.is_file():
        return
    with pairs.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            difference = diff_readings(
                read_path(CORPUS / row["lock_base"]), read_path(CORPUS / row["lock_target"])
            )
            result = {(package.name, package.old, package.new) for package in difference.packages}
            page = (CORPUS / row["published_diff"]).read_text(encoding="utf-8").split("## What's new")[0]
            published = re.findall(r"(?m)^([\w.-]+)\|([\w.+!]+)\|([\w.+!]+)\s*$", page)
            assert len(published) == int(row["published_upgrades"])
            assert [item for item in published if item not in result] == [], row["published_diff"]


def fixed_reading(text: str, name: str) -> Reading:
    return with_fixes(read(text, name), text, lambda changed: read(changed, name))


def with_code(reading: Reading, code: str) -> list[Finding]:
    return [finding for finding in reading.findings if finding.code == code]


def corpus_files() -> list[Path]:
    return [path for path in sorted(CORPUS.rglob("*")) if path.is_file() and path.stat().st_size < 200_000]


@pytest.mark.slow
def test_each_fix_of_a_real_file_ends_its_finding_and_keeps_its_comments() -> None:
    count = 0
    for path in corpus_files():
        try:
            text = path.read_bytes().decode()
        except UnicodeDecodeError:
            continue
        before = fixed_reading(text, path.name)
        for finding in before.findings:
            if finding.fix is None:
                continue
            count += 1
            fixed = apply_fix(text, finding.fix)
            after = fixed_reading(fixed, path.name)
            assert len(with_code(after, finding.code)) < len(with_code(before, finding.code)), (path, finding)
            assert not {error.code for error in after.errors} - {error.code for error in before.errors}, path
            assert sorted(COMMENT.findall(fixed)) == sorted(COMMENT.findall(text)), (path, finding)
    assert count > 50
