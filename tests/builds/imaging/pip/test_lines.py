"""Lines of requirements and pip's options, read as pip reads them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.lock import Lock
from builds.imaging.pip.lines.pip_options import options_of
from builds.imaging.pip.lines.requirement import checked
from builds.imaging.pip.resolve import resolve
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from environments.definition.packages.pip_line import taken_apart
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, make_sdist, make_wheel
from tests.builds.imaging.pip.comparing import as_pip_reads, would_install
from tests.builds.imaging.serving import Index

URL = "http://127.0.0.1:9/simple"
_DESTINATIONS = {
    "--index-url": "index_url",
    "--extra-index-url": "extra_index_urls",
    "--find-links": "find_links",
    "--trusted-host": "trusted_hosts",
}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    folder = tmp_path / "index"
    for version in ("1.0", "2.0", "3.0b1"):
        make_wheel(folder, "tiles", version)
    make_sdist(folder, "tiles", "1.5")
    make_wheel(folder, "early", "1.0rc1")
    served = Index(folder)
    with served.server.running():
        yield served


@pytest.fixture
def shopping(workshop: Workshop, index: Index) -> Workshop:
    return replace(workshop, index_url=index.url)


def versions(lock: Lock) -> dict[str, str]:
    return {package.name: package.version for package in lock.packages}


@pytest.mark.parametrize(
    "line",
    [
        f"--extra-index-url {URL}",
        f"--extra-index-url={URL}",
        f"--extra-index {URL}",
        f"--extra={URL}",
        f'--extra-index-url "{URL}"',
        f"--index-url '{URL}'",
        f"--index-url='{URL}'",
        f"--pypi-url {URL}",
        f"-i{URL}",
        f"-i {URL}",
        f'-i "{URL}"',
        f"-f{URL}",
        f"--find {URL}",
        f'--extra-index-url {URL} ; sys_platform != "darwin"',
        f"-i {URL} --extra-index-url {URL}/more --trusted-host 127.0.0.1",
        f"tiles==1.0 -f {URL}",
        f"tiles==1.0 ; python_version > '3' --extra-index-url {URL}",
        "tiles[a,b] >= 1.0 , < 2",
    ],
)
def test_a_line_is_read_as_pip_reads_it(line: str, tmp_path: Path) -> None:
    requirement, options = as_pip_reads(line, tmp_path)

    read = taken_apart(line)

    assert read.requirement == requirement.strip()
    for name, destination in _DESTINATIONS.items():
        values = [value for option, value in read.options if option == name]
        expected = options[destination] or []
        assert values == (expected if isinstance(expected, list) else [expected])


@pytest.mark.parametrize(
    "line",
    ["--extra-index-url {0}", '-i "{0}"', "-i{0}", "--extra {0}", '--index-url {0} ; os_name == "posix"'],
)
def test_an_index_in_any_of_pips_spellings_is_queried(workshop: Workshop, index: Index, line: str) -> None:
    elsewhere = replace(workshop, index_url=index.url.replace("/simple", "/nothing"))

    lock = resolve(empty_base(), [line.format(index.url), "tiles"], elsewhere, Recorder())

    assert versions(lock) == {"tiles": "2.0"}


@pytest.mark.parametrize(
    "lines",
    [
        ["tiles"],
        ["--pre", "tiles"],
        ["--pre", "tiles<3"],
        ["early"],
        ["tiles>=3.0b1"],
        ["tiles --pre"],
        ["tiles --only-binary=:all:"],
        ["tiles --no-binary=tiles"],
        ["tiles==1.0 --config-settings=fast=yes"],
        ['tiles==1.0 --config-settings "fast=yes"'],
        ["tiles ; python_version > '3'"],
    ],
)
def test_options_have_the_effect_that_they_have_in_pip(
    shopping: Workshop, index: Index, tmp_path: Path, lines: list[str]
) -> None:
    lock = resolve(empty_base(), lines, shopping, Recorder())

    assert versions(lock) == would_install([f"-i {index.url}", *lines], tmp_path)


def test_pre_releases_may_be_wanted_of_one_package(shopping: Workshop, index: Index) -> None:
    """Options of pip since 26."""
    make_wheel(index.folder, "other", "1.0")
    make_wheel(index.folder, "other", "2.0rc1")

    only = resolve(empty_base(), ["--all-releases tiles", "tiles", "other"], shopping, Recorder())
    but = resolve(empty_base(), ["--pre", "--only-final other", "tiles", "other"], shopping, Recorder())

    assert versions(only) == versions(but) == {"tiles": "3.0b1", "other": "1.0"}


def test_an_option_beside_a_requirement_that_pip_passes_over_is_reported(shopping: Workshop) -> None:
    reporter = Recorder()

    lock = resolve(empty_base(), ["tiles --pre"], shopping, reporter)

    assert versions(lock) == {"tiles": "2.0"}
    assert "--pre has no effect on the line of tiles, as in pip: put it on a line of its own" in reporter.log


def test_a_package_that_only_the_index_on_its_line_has_leads_to_a_line_of_its_own(shopping: Workshop) -> None:
    for line in (
        "nowhere -f http://127.0.0.1:9/links",
        "tiles==9 --extra-index-url http://127.0.0.1:9/simple",
    ):
        with pytest.raises(ImageError) as refused:
            resolve(empty_base(), [line], shopping, Recorder())

        assert "on a line of its own" in refused.value.help
        assert "http://127.0.0.1:9" in refused.value.help


@pytest.mark.parametrize(
    ("line", "says", "help"),
    [
        ("--no-such-option", "pip has no option --no-such-option", "leave it out"),
        ("--no-bin tiles --no tiles", "--no may be --no-binary or --no-index", "--no-binary"),
        ('--index-url "http://127.0.0.1:9', "quotation mark in it is not closed", "Correct"),
        ("--index-url", "--index-url needs a value", "Correct"),
        ("tiles --config-settings fast", "--config-settings has no =", "KEY=VALUE"),
        ("tiles==2012h", "'2012h' is no version", "index lists"),
        ("tiles==1.0,<dev", "'dev' is no version", "index lists"),
        ("tiles>=dev", "'dev' is no version", "index lists"),
        ("tiles=1.0", "= is no operator", "tiles==1.0"),
        ("tiles ; python_version", "the marker 'python_version' cannot be read", "condition after the ;"),
    ],
)
def test_what_pip_cannot_read_is_refused_in_plain_sentences(line: str, says: str, help: str) -> None:
    with pytest.raises(ImageError) as refused:
        options_of(checked([line]))

    assert refused.value.code == "bad-spec"
    assert says in refused.value.message
    assert help in refused.value.help


@pytest.mark.parametrize(
    "lines",
    [
        ["tiles>=1,==2.0.*,!=2.0,>3"],
        ["tiles==9"],
        ["nosuch"],
        ["tiles @ http://127.0.0.1:9/tiles-1-py3-none-any.whl"],
    ],
)
@pytest.mark.usefixtures("one_attempt")
def test_no_sentence_names_a_file_of_the_studio(shopping: Workshop, lines: list[str]) -> None:
    reporter = Recorder()

    with pytest.raises(ImageError) as refused:
        resolve(empty_base(), lines, shopping, reporter)

    text = f"{refused.value}\n{reporter.log}"
    for name in ("requirements.in", "constraints.txt", "uv.toml", "pylock", "resolve-"):
        assert name not in text


def test_a_comma_at_the_end_of_versions_is_no_error(shopping: Workshop) -> None:
    """As in pip since 24.1."""
    lock = resolve(empty_base(), ["tiles<2, ; python_version > '3'"], shopping, Recorder())

    assert versions(lock) == {"tiles": "1.5"}


def test_settings_of_a_build_belong_to_their_requirement() -> None:
    lines = checked(["tiles==1.0 --config-settings=fast=yes -C 'a=b c'", "other", "third --hash=sha256:00"])

    rest, options = options_of(lines)

    assert rest == ["tiles==1.0", "other", f"third {shlex.join(['--hash=sha256:00'])}"]
    assert options.settings == {"tiles": ("fast=yes", "a=b c")}
