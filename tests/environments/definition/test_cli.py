"""`inspect`, `diff` and `convert` on the command line."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from environments.definition.cli import main

GOOD = "name: demo\nchannels: [c]\ndependencies: [python=3.12, numpy=1.26]\n"
BAD = "name: demo\nchannels: [c]\ndependencies:\n  - python=3.12\n  - numpy=>1\n"


def run(*arguments: str | Path) -> tuple[int, str]:
    out = io.StringIO()
    code = main([str(argument) for argument in arguments], out)
    return code, out.getvalue()


def test_inspect_prints_one_json_object_and_exits_0_or_2(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    good.write_text(GOOD)
    bad.write_text(BAD)
    code, text = run("inspect", good, "--json")
    result = json.loads(text)
    assert code == 0
    assert {"accepted", "format", "hash", "definition", "findings"} <= result.keys()
    assert (result["accepted"], result["format"], len(result["hash"])) == (True, "conda-env", 32)
    assert result["definition"]["python"]["conda"] == ["python=3.12", "numpy=1.26"]
    code, text = run("inspect", bad, "--json")
    result = json.loads(text)
    assert code == 2
    assert (result["accepted"], result["definition"], result["hash"]) == (False, None, None)
    (error,) = [item for item in result["findings"] if item["severity"] == "error"]
    assert {"code", "severity", "line", "message", "help"} <= error.keys()
    assert (error["code"], error["line"]) == ("bad-conda-spec", 5)


def test_inspect_of_several_paths_prints_one_object_a_line(tmp_path: Path) -> None:
    for name, text in (("a.yml", GOOD), ("b.yml", BAD), ("c.yml", GOOD)):
        (tmp_path / name).write_text(text)
    code, text = run("inspect", "--json", *(tmp_path / name for name in ("a.yml", "b.yml", "c.yml")))
    result = [json.loads(line) for line in text.splitlines()]
    assert code == 2
    assert [item["accepted"] for item in result] == [True, False, True]
    assert [item["path"] for item in result] == [str(tmp_path / name) for name in ("a.yml", "b.yml", "c.yml")]


def test_inspect_for_people_points_at_line_and_column(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yml"
    bad.write_text(BAD)
    code, text = run("inspect", bad)
    assert code == 2
    assert f"{bad}:5:5: error:" in text
    assert "[bad-conda-spec]" in text


def test_a_file_that_is_not_there_is_exit_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _ = run("inspect", tmp_path / "nothing.yml")
    assert code == 1
    assert "nothing.yml" in capsys.readouterr().err


def test_diff_prints_the_summary_and_every_package(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yml", tmp_path / "new.yml"
    old.write_text(GOOD)
    new.write_text(GOOD.replace("1.26", "1.27"))
    code, text = run("diff", old, new, "--json")
    assert code == 0
    assert json.loads(text) == {
        "same_hash": False,
        "summary": "1 upgraded · needs a new image",
        "packages": [
            {
                "name": "numpy",
                "ecosystem": "conda",
                "change": "upgraded",
                "old": "1.26",
                "new": "1.27",
                "level": "minor",
            }
        ],
        "other": [],
    }
    code, text = run("diff", old, new)
    assert text.splitlines() == ["1 upgraded · needs a new image", "  upgraded    numpy (conda) 1.26 → 1.27"]


def test_diff_of_something_refused_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = tmp_path / "old.yml", tmp_path / "new.yml"
    old.write_text(GOOD)
    new.write_text(BAD)
    assert run("diff", old, new)[0] == 2
    assert "bad-conda-spec" in capsys.readouterr().err


def test_diff_of_lists_of_system_packages(tmp_path: Path) -> None:
    old, new = tmp_path / "old.txt", tmp_path / "new.txt"
    old.write_text("ii  libc6:amd64  2.36-9  amd64  GNU C Library\n")
    new.write_text("ii  libc6:amd64  2.36-10  amd64  GNU C Library\n")
    code, text = run("diff", old, new, "--json")
    assert code == 0
    assert json.loads(text)["packages"][0]["change"] == "upgraded"


def test_convert_writes_another_format_with_the_same_hash(tmp_path: Path) -> None:
    source, target = tmp_path / "environment.yml", tmp_path / "out.json"
    source.write_text(GOOD)
    code, text = run("convert", source, "--to", "v2-yaml")
    assert code == 0
    assert "name: demo" in text
    assert run("convert", source, "--to", "v1-json", "--output", target) == (0, "")
    hashes = {json.loads(run("inspect", "--json", path)[1])["hash"] for path in (source, target)}
    assert len(hashes) == 1


def test_convert_to_what_cannot_hold_it_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "environment.yml"
    source.write_text(GOOD)
    for format in ("requirements", "pylock", "dockerfile"):
        assert run("convert", source, "--to", format)[0] == 2
        assert format.title().lower() in capsys.readouterr().err.lower()


def test_the_commands_start_without_django_and_without_a_solver() -> None:
    program = (
        "import sys; from environments.definition.cli import main\n"
        "code = main(['inspect', '-', '--json'])\n"
        "assert not {'django', 'rattler', 'cyclonedx', 'spdx_tools'} & sys.modules.keys(), 'too much is loaded'\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input=GOOD.encode(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["accepted"]


def test_nothing_that_a_terminal_would_obey_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "environment.yml"
    path.write_text('image: "ubuntu\\e[31m"\n"unknown\\e]0;title\\a": 1\n')
    text = run("inspect", path)[1]
    assert "\x1b" not in text
    assert "\a" not in text


def test_half_a_surrogate_pair_is_refused_and_can_be_printed(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"name": "\\ud800", "docker": {"baseImage": "a:1"}}')
    code, text = run("inspect", "--json", path)
    assert code == 2
    assert text.encode("utf-8")


def test_convert_names_what_the_format_has_no_key_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "env.yml"
    path.write_text(
        "name: lab\nversion: 3\nimage: host\ntags: {team: a}\nconda_file: {channels: [c], dependencies: [python=3.12]}\n"
    )
    assert run("convert", path, "--to", "conda-env")[0] == 0
    assert "conda-env has no place for: version, tags" in capsys.readouterr().err
    assert run("convert", path, "--to", "v2-yaml")[0] == 0
    assert capsys.readouterr().err == ""
