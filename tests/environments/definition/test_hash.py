"""The definition hash: what it is made of, and what it does not see (rules 1-7)."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import Definition, diff, read
from environments.definition.hash import content_key
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

NAMES = st.from_regex(r"[a-z][a-z0-9]{2,8}", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,2}\.[0-9]{1,2}", fullmatch=True)
CONDA = st.lists(st.builds("{}={}".format, NAMES, VERSIONS), min_size=1, max_size=6, unique=True)
PIP = st.lists(st.builds("{}=={}".format, NAMES, VERSIONS), max_size=6, unique=True)
CHANNELS = st.lists(NAMES, min_size=1, max_size=4, unique=True)
VALUES = st.text(string.ascii_letters + string.digits + " .:/-", max_size=12)
FILES = st.fixed_dictionaries(
    {
        "channels": CHANNELS,
        "conda": CONDA,
        "pip": PIP,
        "name": NAMES,
        "variables": st.dictionaries(NAMES, VALUES),
    }
)


def hash_of(text: str | bytes) -> str:
    reading = read(text, "environment.yml")
    assert reading.definition is not None, reading.errors
    return reading.definition.hash


def document(file: dict[str, Any]) -> dict[str, Any]:
    dependencies: list[Any] = list(file["conda"])
    if file["pip"]:
        dependencies.append({"pip": file["pip"]})
    return {
        "name": file["name"],
        "channels": file["channels"],
        "dependencies": dependencies,
        "variables": file["variables"],
    }


@given(FILES)
@settings(max_examples=60)
def test_a_hash_has_32_lower_case_hex_digits(file: dict[str, Any]) -> None:
    """Rule 1."""
    digits = hash_of(yaml.safe_dump(document(file)))
    assert len(digits) == 32
    assert set(digits) <= set("0123456789abcdef")


@given(FILES, NAMES, st.dictionaries(NAMES, VALUES, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_name_variables_style_comments_and_line_ends_are_not_seen(
    file: dict[str, Any], name: str, variables: dict[str, str], random: Any
) -> None:
    """Rules 3 and 4."""
    plain = hash_of(yaml.safe_dump(document(file), sort_keys=False))
    other = document(file | {"name": name, "variables": variables}) | {"prefix": "/opt/x"}
    keys = list(other)
    random.shuffle(keys)
    shuffled = {key: other[key] for key in keys}
    styles = [
        yaml.safe_dump(shuffled, sort_keys=False, default_style='"'),
        yaml.safe_dump(shuffled, sort_keys=False, default_flow_style=True),
        yaml.safe_dump(shuffled, sort_keys=False, indent=7),
        json.dumps(shuffled),
    ]
    styles.append("# first\n" + styles[2].replace("\n", "  # why\n\n"))
    styles.append(styles[2].replace("\n", "\r\n"))
    assert {hash_of(text) for text in styles} == {plain}


@given(FILES, st.data())
@settings(max_examples=60)
def test_order_counts(file: dict[str, Any], data: st.DataObject) -> None:
    """Rule 6."""
    lists = [key for key in ("channels", "conda", "pip") if len(file[key]) > 1]
    if not lists:
        return
    key = data.draw(st.sampled_from(lists))
    order = data.draw(st.permutations(file[key]))
    first, second = (
        read(yaml.safe_dump(document(item)), "x.yml").definition for item in (file, file | {key: order})
    )
    assert first is not None
    assert second is not None
    assert (first.hash == second.hash) == (order == file[key])
    assert content_key(first) == content_key(second)
    if order != file[key]:
        assert diff(first, second).summary == "same content in another order · needs a new image"


@given(FILES, NAMES, VERSIONS)
@settings(max_examples=60)
def test_adding_removing_or_repinning_changes_the_hash(file: dict[str, Any], name: str, version: str) -> None:
    """Rule 5."""
    plain = hash_of(yaml.safe_dump(document(file)))
    for key, sign in (("conda", "="), ("pip", "==")):
        added = file | {key: [*file[key], f"zz{name}{sign}{version}"]}
        assert hash_of(yaml.safe_dump(document(added))) != plain
    without = file | {"conda": file["conda"][1:] or ["other=1"]}
    assert hash_of(yaml.safe_dump(document(without))) != plain
    pinned = file | {"conda": [file["conda"][0] + ".99", *file["conda"][1:]]}
    assert hash_of(yaml.safe_dump(document(pinned))) != plain


BASE = Definition(
    image="ubuntu:22.04",
    python=PythonLayer(channels=("a", "b"), conda=("x=1",), pip=("y==1",)),
    spark=SparkLayer(packages=(SparkPackage(group="g", artifact="a", version="1"),)),
)


@pytest.mark.parametrize(
    "change",
    [
        {"image": "ubuntu"},
        {"image": None, "dockerfile": "FROM ubuntu:22.04"},
        {"image": None, "context": BuildContext(files=(ContextFile(path="Dockerfile", content=b"FROM a"),))},
        {"python": BASE.python.model_copy(update={"channels": ("b", "a")})},
        {"python": BASE.python.model_copy(update={"user_managed": True})},
        {"python": BASE.python.model_copy(update={"interpreter_path": "/opt/python"})},
        {"python": BASE.python.model_copy(update={"base_conda_environment": "base"})},
        {"spark": SparkLayer()},
        {"platform": "linux/arm64"},
    ],
)
def test_every_part_that_the_image_is_made_of_goes_in(change: dict[str, Any]) -> None:
    """Rule 2."""
    assert BASE.model_copy(update=change).hash != BASE.hash


@pytest.mark.parametrize(
    "change",
    [
        {"variables": {"A": "1"}},
        {"properties": {"team": "x"}},
        {"inference": InferenceConfig(scoring=Route(port=5001, path="/score"))},
        {"run": RunOptions(arguments=("--ipc=host",), shm_size="2g", inferencing_stack_version="latest")},
        {"registry": "ubuntu.example"},
        {"python": BASE.python.model_copy(update={"interpreter_path": "python"})},
    ],
)
def test_what_belongs_to_the_run_stays_out(change: dict[str, Any]) -> None:
    """Rule 3."""
    assert BASE.model_copy(update=change).hash == BASE.hash


def test_the_hash_of_a_definition_never_changes_by_accident() -> None:
    """Rule 7: a stored hash must still be found by the next release."""
    assert BASE.hash == "82233535e6701db010c230c98f264a6d"


def test_a_definition_survives_json() -> None:
    context = BuildContext(
        files=(ContextFile(path="Dockerfile", content=b"FROM a\xff\xfe"),), args={"A": "1"}
    )
    definition = Definition(context=context, variables={"ä": "\u2028"})
    again = Definition.model_validate(json.loads(json.dumps(definition.model_dump(mode="json"))))
    assert again == definition
    assert again.hash == definition.hash


def test_two_bases_or_none_are_no_definition() -> None:
    """Rule 36."""
    for bases in ({}, {"image": "a", "dockerfile": "FROM a"}):
        with pytest.raises(ValueError, match="exactly one"):
            Definition.model_validate(bases)
