"""Every format that is written is read again as the same definition."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import CannotWrite, Definition, read, write
from environments.definition.findings.secrets import holds_secret, is_secret_variable
from environments.definition.model import (
    BuildContext,
    ContextFile,
    InferenceConfig,
    PythonLayer,
    Route,
    RunOptions,
    SparkLayer,
    SparkPackage,
)

FULL = Definition(
    image="reg.example/team/base:1.2",
    python=PythonLayer(
        channels=("conda-forge", "https://repo.example/private"),
        conda=(
            "python=3.12",
            "numpy >=1.26,<2",
            "blas[build=mkl]",
            "pytorch=*=*cuda112*",
            "conda-forge::xtensor",
            "pip",
        ),
        pip=(
            "--index-url https://pypi.example/simple",
            "flask==3.0 ; python_version < '3.13'",
            "demo @ git+https://example.org/demo.git@v1#egg=demo",
            "--constraint urllib3<2",
        ),
        interpreter_path="/opt/conda/bin/python",
        base_conda_environment="base",
    ),
    spark=SparkLayer(
        repositories=("https://repo.example/maven",),
        packages=(SparkPackage(group="g", artifact="a", version="1.0"),),
        precache=False,
    ),
    variables={"A": "yes", "B": "1.10", "C": 'quo"te', "D": "a: b # c", "E": ""},
    platform="linux/arm64",
    inference=InferenceConfig(scoring=Route(port=5001, path="/score")),
    properties={"team": "x"},
)


def test_v2_yaml_holds_everything_but_how_a_container_is_started() -> None:
    again = read(write(FULL, "v2-yaml", name="demo", version="1.10", description='say "hi": # now'))
    assert again.definition == FULL
    assert (again.name, again.version, again.description) == ("demo", "1.10", 'say "hi": # now')


def test_v1_json_holds_everything_but_the_inference_routes_and_properties() -> None:
    full = FULL.model_copy(
        update={
            "inference": None,
            "properties": {},
            "run": RunOptions(
                arguments=("--ipc=host",), docker_enabled=True, shared_volumes=False, shm_size="2g"
            ),
        }
    )
    again = read(write(full, "v1-json", name="demo", version="2"))
    assert again.definition == full
    assert (again.name, again.version) == ("demo", "2")


def test_a_conda_file_is_written_for_what_a_conda_file_can_say() -> None:
    simple = Definition(
        image="host",
        python=FULL.python.model_copy(update={"interpreter_path": "", "base_conda_environment": ""}),
    )
    again = read(write(simple, "conda-env", name="demo"))
    assert again.definition == simple
    assert again.name == "demo"


@pytest.mark.parametrize(
    ("change", "format", "reason"),
    [
        ({}, "conda-env", "interpreter_path"),
        ({}, "requirements", "channels"),
        ({}, "dockerfile", "image"),
        ({}, "word", "word"),
        ({"image": None, "dockerfile": "FROM a:1\n"}, "requirements", "Dockerfile"),
        ({"python": PythonLayer(pip=("a",))}, "requirements", "Spark"),
        ({"python": PythonLayer(pip=("a",)), "spark": SparkLayer()}, "requirements", "linux/arm64"),
    ],
)
def test_what_a_format_cannot_say_is_not_left_out_silently(
    change: dict[str, Any], format: str, reason: str
) -> None:
    with pytest.raises(CannotWrite, match=reason):
        write(FULL.model_copy(update=change), format)


def test_a_build_context_is_no_single_text() -> None:
    context = Definition(context=BuildContext(files=(ContextFile(path="Dockerfile", content=b"FROM a:1"),)))
    for format in ("v1-json", "v2-yaml", "conda-env", "dockerfile"):
        with pytest.raises(CannotWrite):
            write(context, format)


def test_requirements_and_dockerfiles_are_written_as_they_are() -> None:
    lines = ("-i https://pypi.example/simple", "flask==3.0", "-e git+https://example.org/x.git#egg=x")
    assert (
        write(Definition(image="host", python=PythonLayer(pip=lines)), "requirements")
        == "\n".join(lines) + "\n"
    )
    text = "# syntax=docker/dockerfile:1\nFROM a:1\nRUN <<EOF\n  echo\n\nEOF\n"
    assert write(Definition(dockerfile=text), "dockerfile") == text


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)


@given(st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=5), st.text(max_size=200))
@settings(max_examples=60)
def test_any_text_survives_both_azure_formats(variables: dict[str, str], script: str) -> None:
    text = "FROM a:1\nRUN <<EOF\n" + script.replace("EOF", "") + "\nEOF\n"
    definition = Definition(dockerfile=text, variables=variables)
    for format in ("v2-yaml", "v1-json"):
        try:
            written = write(definition, format)
        except CannotWrite:
            # Only what no reader takes: control characters, secrets, conflict markers.
            assert read(text, "Dockerfile").definition is None or _unwritable(variables), (text, variables)
            continue
        assert read(written).definition == definition


def _unwritable(variables: dict[str, str]) -> bool:
    return any(
        not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", key)
        or is_secret_variable(key, value)
        or holds_secret(value)
        for key, value in variables.items()
    )
