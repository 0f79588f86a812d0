"""requirements.txt is read as pip reads it."""

from __future__ import annotations

from pathlib import Path

import pytest

from environments.definition import Reading, read, read_path


def codes(reading: Reading) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in reading.findings if finding.severity != "note"]


def pip_of(text: str, name: str = "requirements.txt") -> tuple[str, ...]:
    reading = read(text, name)
    assert reading.definition is not None, reading.errors
    return reading.definition.python.pip


def test_comments_and_blank_lines_go_and_the_order_stays() -> None:
    text = "# header\nzlib-ng==1.0  # why\n\n   numpy >= 1.20 , < 2\nflask[async]\n"
    assert pip_of(text) == ("zlib-ng==1.0", "numpy >= 1.20 , < 2", "flask[async]")


def test_a_hash_sign_inside_a_url_is_no_comment() -> None:
    line = "demo @ git+https://example.org/demo.git@v1#egg=demo&subdirectory=python"
    assert pip_of(line + "   # a comment") == (line,)


def test_continuation_lines_are_one_requirement() -> None:
    text = "demo==1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nother==2\n"
    assert pip_of(text) == ("demo==1.0 --hash=sha256:aa --hash=sha256:bb", "other==2")


def test_a_finding_points_at_the_first_line_of_a_continued_requirement() -> None:
    reading = read("\n\ndemo \\\n  ==\\\n  !!!\n")
    assert codes(reading) == [("bad-requirement", 3)]


def test_options_keep_their_place() -> None:
    text = "--index-url https://pypi.example/simple\n-f https://wheels.example/\n--pre\nnumpy\n--no-binary=:all:\n"
    assert pip_of(text) == (
        "--index-url https://pypi.example/simple",
        "-f https://wheels.example/",
        "--pre",
        "numpy",
        "--no-binary=:all:",
    )


@pytest.mark.parametrize(
    "line",
    [
        "-e git+https://example.org/a/b.git@main#egg=b",
        "--editable=git+https://example.org/a/b.git#egg=b",
        "git+ssh://git@example.org/a/b.git@v1",
        "https://example.org/files/demo-1.0-py3-none-any.whl",
        "demo @ https://example.org/demo-1.0.tar.gz ; python_version < '3.12'",
        "demo==1.0 ; sys_platform == 'win32' and python_version >= '3.8'",
        "demo[a,b]>=1.0,!=1.5,<2",
        "demo===2013.01-weird",
        "git+https://github.com/o/r.git@abc#subdirectory=x",
    ],
)
def test_every_kind_of_requirement_is_kept_as_it_was_written(line: str) -> None:
    assert pip_of(f"other==1\n{line}\n") == ("other==1", line)


def test_files_of_utf16_and_with_a_byte_order_mark_are_read() -> None:
    assert pip_of("numpy==1.0\r\nflask==2\r\n") == ("numpy==1.0", "flask==2")
    for raw in ("numpy==1.0\r\n".encode("utf-16"), b"\xef\xbb\xbfnumpy==1.0\n"):
        reading = read(raw, "requirements.txt")
        assert reading.definition is not None
        assert reading.definition.python.pip == ("numpy==1.0",)


def test_a_single_equals_sign_is_reported_with_its_line_and_the_right_spelling() -> None:
    """Rule 47."""
    reading = read("flask==2.0\nnumpy=1.26\n", "requirements.txt")
    assert reading.accepted
    (finding,) = [finding for finding in reading.findings if finding.code == "single-equals"]
    assert (finding.line, finding.severity) == (2, "warning")
    assert "numpy==1.26" in finding.help


def test_a_line_that_pip_cannot_read_is_refused() -> None:
    assert codes(read("flask\nfoo bar baz\n", "requirements.txt")) == [("bad-requirement", 2)]


def test_an_included_file_of_the_same_folder_is_written_in_place(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text("a==1\n-r more/base.txt\nz==9\n-c limits.txt\n")
    (tmp_path / "more" / "base.txt").write_text("b==2\n-r deeper.txt\n")
    (tmp_path / "more" / "deeper.txt").write_text("c==3\n")
    (tmp_path / "limits.txt").write_text("numpy<2  # because\n")
    reading = read_path(tmp_path / "requirements.txt")
    assert reading.definition is not None
    assert reading.definition.python.pip == ("a==1", "b==2", "c==3", "z==9", "--constraint numpy<2")


def test_an_included_file_that_is_not_there_is_refused_with_the_line() -> None:
    assert codes(read("a==1\n-r base.txt\n")) == [("file-missing", 2)]


def test_an_included_file_outside_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("stolen==1\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "link.txt").symlink_to(tmp_path / "secret.txt")
    for line in ("-r ../secret.txt", f"-r {tmp_path}/secret.txt", "-r link.txt", "-c ..\\secret.txt"):
        (inner / "requirements.txt").write_text(f"a==1\n{line}\n")
        reading = read_path(inner / "requirements.txt")
        assert [error.code for error in reading.errors] == ["outside-folder"], line
        assert "stolen" not in str(reading)


def test_files_that_include_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("a==1\n-r b.txt\n")
    (tmp_path / "b.txt").write_text("-r requirements.txt\n")
    assert [error.code for error in read_path(tmp_path / "requirements.txt").errors] == ["include-loop"]


def test_a_file_that_others_include_is_read_once_and_once_more_as_constraints(tmp_path: Path) -> None:
    """Or reading would never end: nineteen files of four lines name the last of them a billion times."""
    (tmp_path / "requirements.txt").write_text("-r 0.txt\n-c 0.txt\n")
    for number in range(18):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n" * 4)
    (tmp_path / "18.txt").write_text("a==1\n")

    definition = read_path(tmp_path / "requirements.txt").definition

    assert definition is not None
    assert definition.python.pip == ("a==1", "--constraint a==1")


def test_paths_of_the_authors_machine_are_reported() -> None:
    reading = read("-e .\n./wheels/demo-1.0-py3-none-any.whl\n/home/me/demo\nfile:///srv/other-1.0.tar.gz\n")
    assert codes(reading) == [("local-path", line) for line in (1, 2, 3, 4)]


def test_the_address_of_a_wheel_is_no_path() -> None:
    address = "https://example.com/demo-1.0-py3-none-any.whl"
    assert codes(read(f"{address}\nother @ {address.replace('demo', 'other')}\n")) == []


def test_a_list_of_nothing_is_refused() -> None:
    for text in ("", "   \n", "# only words\n\n"):
        assert [error.code for error in read(text, "requirements.txt").errors] == ["empty"]
