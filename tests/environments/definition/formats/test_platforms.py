"""The platforms of a definition: read, chosen, checked, compared and written."""

import pytest

from environments.definition import Reading, diff, read
from environments.definition.formats.conda import environment_file
from environments.definition.formats.projects.pep621 import pyproject
from environments.definition.formats.projects.pixi import manifest as pixi
from environments.definition.formats.target import on_platform
from environments.definition.model import Definition, PythonLayer, Selection, Target
from environments.definition.writing.write import CannotWrite, write

BOTH = ("linux/amd64", "linux/arm64")
V2 = "image: python:3.12-slim\nconda_file:\n  dependencies:\n    - pip\n    - pip: [numpy==2.0.0]\n"
EXPLICIT = "# platform: linux-64\n@EXPLICIT\nhttps://conda.example/linux-64/xz-5.2.6-h166bdaf_0.tar.bz2#2161070d867d1b1204ea749c8eec4ef0\n"


def codes(reading: Reading) -> set[str]:
    return {finding.code for finding in reading.findings if finding.severity == "error"}


def test_platforms_have_one_order_and_each_is_there_once() -> None:
    written = read(f"{V2}platforms: [linux/arm64, linux/amd64, linux/arm64]\n").definition
    assert written is not None
    assert written.platforms == BOTH
    assert written.hash == read(f"{V2}platforms: [linux/amd64, linux/arm64]\n").definition.hash  # type: ignore[union-attr]
    built = Definition(image="x:1", platform="linux/arm64", other_platforms=("linux/amd64", "linux/arm64"))
    assert built.platforms == BOTH
    assert Definition.model_validate_json(built.model_dump_json()) == built


def test_a_single_platform_has_the_hash_that_it_had_without_a_list() -> None:
    plain = read(V2).definition
    for text in ("platforms: [linux/amd64]\n", "platforms: linux/amd64\n", "platform: linux/amd64\n"):
        assert read(V2 + text).definition == plain
    arm = read(f"{V2}platform: linux/arm64\n").definition
    assert read(f"{V2}platforms: [linux/arm64]\n").definition == arm
    assert Definition(image="python:3.11-slim", python=PythonLayer(pip=("numpy",))).hash == (
        "fe726cf9791711c245ebffe932fb31b4"
    )


def test_several_platforms_are_another_image() -> None:
    plain, both = read(V2).definition, read(f"{V2}platforms: [linux/amd64, linux/arm64]\n").definition
    assert plain is not None
    assert both is not None
    assert plain.hash != both.hash
    (change,) = diff(plain, both).other
    assert (change.text, change.old, change.new) == ("platforms changed", BOTH[0], ", ".join(BOTH))


@pytest.mark.parametrize("format", ["v2-yaml", "v1-json"])
def test_platforms_are_written_and_read_again(format: str) -> None:
    definition = Definition(image="python:3.12", other_platforms=("linux/arm64",))
    assert read(write(definition, format)).definition == definition


@pytest.mark.parametrize("format", [environment_file.FORMAT, "requirements", pixi.FORMAT, pyproject.FORMAT])
def test_other_formats_do_not_lose_a_platform_in_silence(format: str) -> None:
    definition = Definition(
        image="host:1", python=PythonLayer(pip=("numpy==2.0",)), other_platforms=("linux/arm64",)
    )
    with pytest.raises(CannotWrite, match="linux/amd64 and linux/arm64"):
        write(definition, format)


@pytest.mark.parametrize(
    "text", ["numpy==2.0.0\n", "dependencies: [python=3.12]\nchannels: [conda-forge]\n", V2]
)
def test_any_definition_can_be_built_for_chosen_platforms(text: str) -> None:
    reading = read(text, default_image="python:3.12", selection=Selection(platforms=BOTH))
    assert reading.definition is not None
    assert reading.definition.platforms == BOTH
    assert reading.definition.selection.platforms == BOTH
    assert str(reading.definition.selection) == ""
    chosen = read(
        f"{V2}platforms: [linux/amd64, linux/arm64]\n", selection=Selection(platforms=("linux/arm64",))
    )
    assert chosen.definition is not None
    assert chosen.definition.platforms == ("linux/arm64",)


@pytest.mark.parametrize(
    "value", ["[linux/mips64]", "[linux/amd64, windows/amd64]", "[linux/arm64/v8]", "[amd64]"]
)
def test_a_platform_that_images_are_not_built_for_is_refused(value: str) -> None:
    reading = read(f"{V2}platforms: {value}\n")
    assert codes(reading) == {"bad-platform"}
    assert "linux/amd64 and linux/arm64" in reading.errors[0].help
    assert codes(read(V2, selection=Selection(platforms=("linux/mips",)))) == {"bad-platform"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("image: host\nplatforms: [linux/amd64, linux/arm64]\n", "the base host"),
        ("$schema: environment.schema.json\ndockerfile: |\n  FROM python:3.12\nplatforms: [linux/amd64, linux/arm64]\n", "a Dockerfile"),
    ],
)  # fmt: skip
def test_a_base_of_one_platform_takes_no_other(text: str, what: str) -> None:
    reading = read(text)
    assert codes(reading) == {"several-platforms"}
    assert f"An image on {what} is built for one platform" in reading.errors[0].message


def test_a_lock_of_conda_packages_is_for_its_own_platform() -> None:
    assert codes(read(EXPLICIT, default_image="python:3.12", selection=Selection(platforms=BOTH))) == {
        "locked-platform"
    }
    assert codes(
        read(EXPLICIT, default_image="python:3.12", selection=Selection(platforms=("linux/arm64",)))
    ) == {"locked-platform"}
    assert (
        codes(read(EXPLICIT, default_image="python:3.12", selection=Selection(platforms=("linux/amd64",))))
        == set()
    )


def test_the_processor_of_a_target_counts_on_its_own_platform() -> None:
    reading = read(
        f"{V2}platforms: [linux/amd64, linux/arm64]\ntarget: {{cpu: neoverse_n1, glibc: '2.28'}}\n"
    )
    assert reading.definition is not None
    target = reading.definition.target
    assert on_platform(target, "linux/arm64") == target
    assert on_platform(target, "linux/amd64") == Target(glibc="2.28")
    assert codes(read(f"{V2}platforms: [linux/amd64, linux/arm64]\ntarget: {{cpu: none}}\n")) == {
        "bad-target"
    }
