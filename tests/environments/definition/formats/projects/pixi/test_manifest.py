"""pixi.toml and pyproject.toml with pixi's tables: the packages and settings that an environment of them requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from environments.definition import Definition, Reading, read, read_path
from environments.definition.model import Selection, Target

HEAD = '[workspace]\nname = "lab"\nchannels = ["conda-forge"]\nplatforms = ["osx-arm64", "linux-64"]\n\n'


def definition(text: str, name: str = "pixi.toml", **selection: Any) -> Definition:
    reading = read(text, name, selection=Selection(**selection))
    assert reading.definition is not None, reading.errors
    return reading.definition


def codes(reading: Reading) -> list[tuple[str, int | None]]:
    return [(finding.code, finding.line) for finding in reading.findings if finding.severity != "note"]


def test_each_spelling_of_a_conda_dependency_is_the_specification_that_pixi_means() -> None:
    text = (
        HEAD
        + """[dependencies]
python = "3.12.*"
any = "*"
empty = ""
fuzzy = "=1.2"
exact = "==1.2"
spaced = ">=72, <=73"
pytorch = { version = ">=2", channel = "pytorch" }
mirror = { version = "*", channel = "https://prefix.example/forge" }
blas = { version = "*", build = "*mkl*" }
mpi = { build = "openmpi*" }
built = { version = "==1.0", build = "h1_0" }
bounded = { version = ">=1", build = "py312*", channel = "nvidia" }
hashed = { version = "1.0", md5 = "0123456789abcdef0123456789abcdef", subdir = "noarch" }
numbered = { version = "1.*", build-number = ">=3" }
file = { url = "https://repo.example/linux-64/file-1.0-0.conda" }
"R.dotted" = {
  version = ">=1",   # TOML 1.1: a comment and a break
}
"""
    )
    assert definition(text).python.conda == (
        "python 3.12.*",
        "any",
        "empty",
        "fuzzy=1.2",
        "exact==1.2",
        "spaced >=72,<=73",
        "pytorch::pytorch >=2",
        "https://prefix.example/forge::mirror",
        "blas=*=*mkl*",
        "mpi[build=openmpi*]",
        "built=1.0=h1_0",
        "nvidia::bounded >=1 py312*",
        "hashed[version=1.0,md5=0123456789abcdef0123456789abcdef,subdir=noarch]",
        "numbered[version=1.*,build_number='>=3']",
        "https://repo.example/linux-64/file-1.0-0.conda",
        "R.dotted>=1",
    )


def test_each_spelling_of_a_pypi_dependency_is_the_requirement_that_pixi_means() -> None:
    text = (
        HEAD
        + """[dependencies]
python = "3.12.*"
[pypi-dependencies]
any = "*"
bounded = ">=1,<2"
bare = "1.2"
extras = { version = ">=1", extras = ["a", "b"] }
marked = { version = "*", env-markers = "python_version < '3.13'" }
git = { git = "https://git.example/x.git" }
tagged = { git = "https://git.example/x.git", tag = "v1", extras = ["a"] }
below = { git = "ssh://git@git.example/x.git", rev = "0123abc", subdirectory = "python" }
branch = { git = "https://git.example/x.git", branch = "main" }
wheel = { url = "https://wheels.example/wheel-1.0-py3-none-any.whl" }
torch = { version = ">=2", index = "https://download.example/whl/cu124/" }
folder = { path = "./folder", editable = true }
"""
    )
    reading = read(text, "pixi.toml")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip == (
        "any",
        "bounded>=1,<2",
        "bare==1.2",
        "extras[a,b]>=1",
        "marked ; python_version < '3.13'",
        "git @ git+https://git.example/x.git",
        "tagged[a] @ git+https://git.example/x.git@v1",
        "below @ git+ssh://git@git.example/x.git@0123abc#subdirectory=python",
        "branch @ git+https://git.example/x.git@main",
        "wheel @ https://wheels.example/wheel-1.0-py3-none-any.whl",
        "torch>=2",
    )
    assert reading.definition.python.package_indexes == {"torch": "https://download.example/whl/cu124"}
    assert ("project-left-out", 20) in codes(reading)


def test_tables_for_linux_are_read_the_most_specific_last_and_those_of_other_systems_are_not() -> None:
    text = (
        HEAD
        + """[target.linux-64.dependencies]
a = "3"
[target.linux.dependencies]
a = "2"
b = "2"
[dependencies]
a = "1"
b = "1"
c = "1"
[target.unix.dependencies]
c = "2"
[target.osx-arm64.dependencies]
d = "1"
[target.win.dependencies]
a = "9"
"""
    )
    assert definition(text).python.conda == ("a 3", "b 2", "c 2")


def test_host_and_build_dependencies_are_part_of_the_environment_and_give_way_to_dependencies() -> None:
    text = (
        HEAD
        + '[build-dependencies]\ncmake = "3.26"\n[host-dependencies]\nnumpy = "1"\n[dependencies]\nnumpy = "2"\n'
    )
    assert definition(text).python.conda == ("cmake 3.26", "numpy 2")


FEATURES = """[workspace]
channels = ["conda-forge", { channel = "late", priority = -1 }]
platforms = ["linux-64"]
pypi-options = { index-url = "https://main.example/simple" }

[dependencies]
python = ">=3.10"
numpy = "*"

[activation.env]
LEVEL = "default"
OTHER = "1"

[feature.gpu]
channels = ["nvidia", { channel = "pytorch", priority = 1 }]
system-requirements = { cuda = "12.4", libc = { family = "glibc", version = "2.28" } }
[feature.gpu.dependencies]
python = "3.12.*"
numpy = ">=2"
pytorch-gpu = "*"
[feature.gpu.pypi-options]
extra-index-urls = ["https://gpu.example/simple"]
find-links = [{ url = "https://links.example" }, { path = "links" }]
[feature.gpu.pypi-dependencies]
flash = "*"
[feature.gpu.activation.env]
LEVEL = "gpu"
[feature.gpu.target.linux.activation.env]
PATHS = "$CONDA_PREFIX/lib"

[feature.test.dependencies]
pytest = "*"

[environments]
gpu = { features = ["gpu", "test"], solve-group = "one" }
test = ["test"]
lint = { features = ["test"], no-default-feature = true }
"""


def test_the_default_environment_is_read_and_the_others_are_offered_by_name() -> None:
    reading = read(FEATURES, "pixi.toml")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.conda == ("python >=3.10", "numpy")
    assert reading.definition.variables == {"LEVEL": "default", "OTHER": "1"}
    assert reading.definition.target == Target()
    assert reading.definition.selection == Selection(environment="default")
    assert reading.offers.environments == ("default", "gpu", "test", "lint")
    assert reading.offers.default == Selection(environment="default")
    parts = [finding.message for finding in reading.findings if finding.code == "project-parts"]
    assert parts == [
        "The environment default is used; the project also has the environments gpu, test and lint."
    ]


def test_an_environment_joins_its_features_with_channels_by_priority() -> None:
    reading = read(FEATURES, "pixi.toml", selection=Selection(environment="gpu"))
    assert reading.definition is not None, reading.errors
    python = reading.definition.python
    assert python.channels == ("pytorch", "nvidia", "conda-forge", "late")
    assert python.conda == ("python >=3.10,3.12.*", "numpy >=2", "pytorch-gpu", "pytest")
    assert python.pip == (
        "--index-url https://main.example/simple",
        "--extra-index-url https://gpu.example/simple",
        "--find-links https://links.example",
        "flash",
    )
    assert reading.definition.target == Target(cuda="12.4", glibc="2.28")
    assert reading.definition.variables == {"LEVEL": "gpu", "OTHER": "1"}
    # The folder of links, and the variable that is made of another.
    assert [line for code, line in codes(reading) if code == "project-setting"] == [23, 29]


def test_an_environment_without_the_default_feature_has_its_own_packages_only() -> None:
    assert definition(FEATURES, environment="lint").python.conda == ("pytest",)


@pytest.mark.parametrize(
    ("selection", "what"),
    [
        ({"environment": "prod"}, "no environment named “prod”"),
        ({"extras": ("gpu",)}, "no extra named “gpu”"),
        ({"groups": ("dev",)}, "no group named “dev”"),
    ],
)
def test_a_selection_that_the_project_does_not_have_is_refused_with_what_it_has(
    selection: dict[str, Any], what: str
) -> None:
    reading = read(FEATURES, "pixi.toml", selection=Selection(**selection))
    (error,) = reading.errors
    assert error.code == "selection-unknown"
    assert what in error.message
    assert reading.offers.environments == ("default", "gpu", "test", "lint")


def test_a_feature_that_is_nowhere_defined_is_refused() -> None:
    (error,) = read(HEAD + '[environments]\ndefault = ["nowhere"]\n', "pixi.toml").errors
    assert (error.code, error.line) == ("selection-unknown", 7)
    assert "“nowhere”" in error.message


@pytest.mark.parametrize(
    "tables",
    [
        "",
        '[dependencies]\nlab = { path = "." }\n',
        '[pypi-dependencies]\nlab = { path = ".", editable = true }\n',
        '[feature.test.dependencies]\npytest = "*"\n[environments]\ntest = ["test"]\n',
    ],
)
def test_a_default_environment_that_requests_nothing_but_the_project_is_refused(tables: str) -> None:
    errors = read(HEAD + tables, "pixi.toml").errors
    assert [error.code for error in errors] == ["project-empty"]
    assert "environment default" in errors[0].message


def test_a_package_of_a_workspace_elsewhere_has_no_environment() -> None:
    (error,) = read('[package]\nname = "x"\n[package.run-dependencies]\na = "*"\n', "pixi.toml").errors
    assert error.code == "project-empty"
    assert "pixi.toml of the workspace" in error.help


def test_a_project_for_other_systems_is_read_with_a_warning_and_that_for_arm_as_such() -> None:
    other = HEAD.replace('"osx-arm64", "linux-64"', '"win-64"') + '[dependencies]\npython = "*"\n'
    assert ("project-platform", 4) in codes(read(other, "pixi.toml"))
    arm = HEAD.replace("linux-64", "linux-aarch64") + '[dependencies]\npython = "*"\n'
    assert definition(arm).platform == "linux/arm64"


def test_platforms_with_virtual_packages_are_the_target_where_no_plain_one_is_meant() -> None:
    rich = '{ name = "gpu", platform = "linux-64", cuda = "12", glibc = "2.28", archspec = "x86_64_v3" }'
    text = (
        HEAD.replace('"linux-64"', rich) + '[dependencies]\na = "*"\n[target.gpu.dependencies]\ncuda = "*"\n'
    )
    read_as = definition(text)
    assert read_as.target == Target(cuda="12", glibc="2.28", cpu="x86_64_v3")
    assert read_as.python.conda == ("a", "cuda")
    both = text.replace(rich, f'{rich}, "linux-64"')
    assert definition(both).target == Target()
    assert definition(both).python.conda == ("a",)
    feature = both + '[feature.cuda]\nplatforms = ["gpu"]\n[environments]\nfast = ["cuda"]\n'
    assert definition(feature, environment="fast").target.cuda == "12"


def test_mistakes_have_their_line() -> None:
    text = (
        HEAD
        + """[dependencies]
python = 3
"a b" = "*"
unknown = { version = "*", colour = "red" }
source = { git = "https://git.example/x.git" }
[pypi-dependencies]
"--index-url x" = "*"
"""
    )
    assert [entry for entry in codes(read(text, "pixi.toml")) if entry[0] != "python-missing"] == [
        ("bad-conda-spec", 7),
        ("bad-conda-spec", 8),
        ("bad-conda-spec", 9),
        ("not-buildable", 10),
        ("bad-requirement", 12),
    ]


def test_a_manifest_that_is_given_alone_says_that_its_lock_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "pixi.toml").write_text(HEAD + '[dependencies]\npython = "3.12.*"\n')
    (tmp_path / "pixi.lock").write_text("version: 6\nenvironments: {}\npackages: []\n")
    reading = read_path(tmp_path / "pixi.toml")
    assert reading.accepted
    assert "lock-unread" in [finding.code for finding in reading.findings]


TEXTS = st.text(st.sampled_from("abc[]{}=\"'.,\n #-*>:/"), max_size=20)
VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-9, 9), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)
KEYS = st.sampled_from(
    "workspace project channels platforms dependencies pypi-dependencies pypi-options feature environments target activation"
    " env system-requirements exclude-newer name version features default linux-64 python tool pixi priority channel".split()
)


@given(
    st.dictionaries(
        KEYS,
        st.one_of(
            VALUES,
            st.dictionaries(KEYS, st.one_of(VALUES, st.dictionaries(KEYS, VALUES, max_size=4)), max_size=4),
        ),
        max_size=6,
    )
)
@settings(max_examples=100)
def test_values_of_any_shape_are_read_or_refused(values: dict[str, Any]) -> None:
    text = "\n".join(f"{key} = {_toml(value)}" for key, value in values.items())
    for name in ("pixi.toml", "pyproject.toml"):
        reading = read(text, name)
        assert reading.accepted != bool(reading.errors)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_toml(key)} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return (
        str(value)
        if isinstance(value, int)
        else '"' + value.replace("\\", "").replace('"', '\\"').replace("\n", "\\n") + '"'
    )
