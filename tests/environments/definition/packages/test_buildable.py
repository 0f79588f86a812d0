"""Lines that every build refuses are reported while the definition is written, by the build's own check."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builds.imaging.pip.lines.requirement import checked
from builds.imaging.reporting import ImageError
from environments.definition import read
from environments.definition.findings.finding import Finding

REFUSALS = ("bad-requirement", "local-path", "not-buildable", "single-equals")
COMMIT = "0" * 40


def about(line: str) -> list[Finding]:
    """Return what is reported about this line of a requirements file, but the notes."""
    reading = read(f"idna==3.7\n{line}\n", "requirements.txt")
    return [finding for finding in reading.findings if finding.severity != "note"]


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("git+https://git.example/team/solver.git@v2.4.1", "Write solver==2.4.1"),
        (f"solver @ git+https://git.example/team/solver.git@{COMMIT}", "Write solver==version"),
        (f"-e git+git@git.example:team/core.git@{COMMIT}#egg=team_core", "Write team_core==version"),
        ("-e git+ssh://git@git.example/team/core.git", "Write core==version"),
        ("https://git.example/team/solver/archive/refs/tags/v0.9.2.zip", "from an index: solver==0.9.2"),
        ("https://git.example/team/solver/archive/main.tar.gz", "from an index: solver==version"),
        ("solver @ https://files.example/solver-1.5.tar.gz", "from an index: solver==1.5"),
        (
            "numpy @ file:///home/conda/numpy-1.26.4-cp311-cp311-linux_x86_64.whl#sha256=d0",
            "Write numpy==1.26.4",
        ),
        ("attrs @ file:///croot/attrs_1695717823297/work", "`pip list --format=freeze` prints the versions"),
        ("./wheels/solver-1.5-py3-none-any.whl", "Write solver==1.5"),
        ("-e .", "`uv export --no-emit-project` leaves it out"),
        ("-e .[test]", "Take the line out"),
        ("-e /home/me/solver", "install it in the Dockerfile"),
        ("--extra-index-url https://${USER}:${PASSWORD}@index.example/simple", "Settings → Connections"),
        ("solver @ https://files.example/${NAME}-1.0-py3-none-any.whl", "Write the value itself."),
        ("solver==${SOLVER_VERSION}", "Write the value itself."),
        ("HTTPS://files.example/solver-1.5-py3-none-any.whl", "in small letters"),
        ("solver @ HTTP://files.example/solver-1.5-py3-none-any.whl", "in small letters"),
        ("--index-url 'https://index.example/simple -r /etc/passwd'", "without blanks"),
        ("solver==1.5 --hash='sha256:aa -r /etc/passwd'", "without blanks"),
        ("--pre\t-r more.txt", "Write its lines in this file."),
        ("--find-links ./wheels", "Give an http(s) address."),
        ("--extra-index-ulr https://index.example/simple", "Write --extra-index-url."),
        ("--upgrade", "leave it out"),
    ],
)
def test_a_line_that_no_build_takes_has_a_finding_with_what_to_write(line: str, help: str) -> None:
    (finding,) = about(line)
    assert finding.code in REFUSALS
    assert finding.line == 2
    assert help in finding.help
    with pytest.raises(ImageError) as refused:
        checked([line])
    assert refused.value.code == "bad-spec"


@pytest.mark.parametrize(
    ("line", "what", "help"),
    [
        ("torch==2.1.2+cu121 --extra-index-url https://w.example/cu121", "--extra-index-url",
         "Write --extra-index-url https://w.example/cu121 on a line of its own."),
        ("torch==1.10.0 -f https://w.example/links.html", "--find-links",
         "Write --find-links https://w.example/links.html on a line of its own."),
        ("solver==1.5 --pre", "--pre", "Write --pre on a line of its own."),
        ("solver==1.5 --global-option=blas", "--global-option", "install the package in a Dockerfile"),
        ("--extra-index-url https://w.example/simple ; sys_platform != 'darwin'", "'; sys_platform != darwin'",
         "an option takes no marker"),
        ("--pre --hash=sha256:aa", "--hash", "behind the requirement"),
    ],
)  # fmt: skip
def test_an_option_that_counts_for_nothing_is_reported_and_no_build_fails_for_it(
    line: str, what: str, help: str
) -> None:
    (finding,) = [finding for finding in about(line) if finding.code != "local-version"]
    assert (finding.code, finding.line) == ("option-ignored", 2)
    assert finding.message.startswith(f"{what} has no effect on this line")
    assert help in finding.help
    assert checked([line])


@pytest.mark.parametrize(
    "option", ["--no-binary=solver", "--only-binary :all:", "--config-settings=blas=none"]
)
def test_an_option_that_counts_behind_a_requirement_is_not_reported(option: str) -> None:
    assert about(f"solver==1.5 {option}") == []


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        ('--extra-index-url "https://index.example/simple"', "--extra-index-url https://index.example/simple"),
        ("--extra-index https://index.example/simple", "--extra-index-url https://index.example/simple"),
        ("-ihttps://index.example/simple", "--index-url https://index.example/simple"),
        ("--pre", "--pre"),
        ("solver==1.5 --hash=sha256:aa", "solver==1.5 --hash=sha256:aa"),
        ("https://files.example/solver-1.5%2Bcu1-py3-none-any.whl#sha256=aa",
         "solver @ https://files.example/solver-1.5%2Bcu1-py3-none-any.whl#sha256=aa"),
    ],
)  # fmt: skip
def test_what_pip_takes_is_taken_without_a_finding(line: str, taken: str) -> None:
    assert about(line) == []
    assert checked([line]) == [taken]


PIECES = st.sampled_from(
    """solver numpy==1.0 @ https://h.example/ a-1.0-py3-none-any.whl a-1.0.tar.gz git+ git@h.example:a file:///x ./a .
    -e -i -f --pre --hash=sha256:aa ; python_version>'3' ${X} [extra] >=1 == = " ' \\ # --constraint""".split()
)


@given(st.lists(st.tuples(PIECES, st.sampled_from(["", " "])), min_size=1, max_size=6))
@settings(max_examples=200)
def test_the_reader_and_the_build_agree_about_any_line(pieces: list[tuple[str, str]]) -> None:
    line = "".join(piece + space for piece, space in pieces).strip()
    reading = read(f"idna==3.7\n{line}\n", "requirements.txt")
    if reading.definition is None:
        assert reading.errors
        return
    reported = any(finding.code in REFUSALS for finding in reading.findings)
    try:
        checked(reading.definition.python.pip)
    except ImageError:
        assert reported, line
    else:
        # The solver itself refuses a single =.
        assert not reported or "single-equals" in [finding.code for finding in reading.findings], line


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("tzdata==2012h", "such as tzdata==2012.8"),
        ("tzdata>=dev", "such as tzdata>=1.2"),
        ("solver==1.0-custom", "as the index lists it"),
        ("solver 1.0", "Write solver==1.0."),
        ("solver=>1.0", "Write solver>=1.0."),
        ("solver>=1.0 <2", "a comma between two versions"),
        ("solver>=1.*", "or solver==1.*."),
        ("solver>=1,,<2", "a comma between them"),
        ("solver~=1", "Write solver~=1.0."),
        ("solver[cuda", "Write name[extra]"),
        ("solver ; python_verison > '3'", "Write a condition after the ;"),
        ("solver ;", "leave the ; out"),
        ("solver numpy scipy", "each package on a line of its own"),
        ("==1.0", "Write name"),
        ("solver\u200b==1.0", "Remove the character"),
        ("\ufeffsolver==1.0", "Remove the character"),
        ("solver ; python_version < “3.12”", "straight quotation marks"),
        ("solver>=", "Write solver>=1.2."),
    ],
)
def test_what_pip_cannot_read_has_a_single_error_in_words_of_ours(line: str, help: str) -> None:
    (finding,) = about(line)
    assert (finding.code, finding.severity, finding.line) == ("bad-requirement", "error", 2)
    assert help in finding.help
    assert "expected" not in finding.message.lower()
