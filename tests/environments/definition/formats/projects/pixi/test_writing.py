"""A definition written as a pixi.toml reads as the same definition; a written pixi.lock is one to rattler too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli
from hypothesis import given, settings
from hypothesis import strategies as st
from rattler import LockFile

from environments.definition import CannotWrite, Definition, read, write
from environments.definition.model import Cutoff, PythonLayer, Target
from environments.definition.packages.locked import CONDA, PIP, LockedFile, LockedPackage
from environments.definition.writing.write import write_lock

FULL = Definition(
    image="host",
    python=PythonLayer(
        channels=("conda-forge", "https://repo.example/private"),
        conda=(
            "python=3.12",
            "numpy >=1.26,<2",
            "scipy>=1.11",
            "blas[build=mkl]",
            "pytorch=*=*cuda112*",
            "conda-forge::xtensor",
            "https://repo.example/private::tool >=2",
            "zlib 1.3.1 h4ab18f5_1",
            "https://repo.example/private/linux-64/extra-1.0-0.conda#0123456789abcdef0123456789abcdef",
        ),
        pip=(
            "--index-url https://pypi.example/simple",
            "--extra-index-url https://wheels.example/simple",
            "--only-binary numpy,scipy",
            "flask==3.0 ; python_version < '3.13'",
            "django>=5; sys_platform == 'linux'",
            "uvicorn[standard]>=0.30",
            "requests >=2",
            "demo @ git+https://git.example/demo.git@v1#subdirectory=python",
            "wheel-of-mine @ https://wheels.example/wheel_of_mine-1.0-py3-none-any.whl",
            "torch==2.5.0+cu124",
        ),
        package_indexes={"torch": "https://download.example/whl/cu124"},
    ),
    variables={"OMP_NUM_THREADS": "4", "TEXT": 'quo"te\\ \n#'},
    target=Target(cuda="12.4", glibc="2.28", linux="5.10", cpu="x86_64_v3"),
    cutoff=Cutoff(newest="14 days", exceptions={"torch": "any", "numpy": "2026-06-01"}),
)


def test_a_full_definition_is_written_and_read_as_the_same() -> None:
    text = write(FULL, "pixi-toml", name="lab", version="1.2", description="a lab")
    again = read(text, "pixi.toml")
    assert again.definition is not None, again.errors
    assert again.definition.model_copy(update={"selection": FULL.selection}) == FULL
    assert (again.name, again.version, again.description) == ("lab", "1.2", "a lab")


def test_the_written_file_has_pixis_own_keys() -> None:
    values = tomli.loads(write(FULL, "pixi-toml"))
    assert values["workspace"] == {
        "name": "environment",
        "channels": ["conda-forge", "https://repo.example/private"],
        "platforms": ["linux-64"],
        "exclude-newer": "14days",
    }
    assert values["dependencies"]["numpy"] == ">=1.26,<2"
    assert values["dependencies"]["pytorch"] == {"version": "*", "build": "*cuda112*"}
    assert values["dependencies"]["tool"] == {"version": ">=2", "channel": "https://repo.example/private"}
    assert values["pypi-dependencies"]["torch"] == {
        "version": "==2.5.0+cu124",
        "index": "https://download.example/whl/cu124",
    }
    assert values["pypi-dependencies"]["demo"] == {
        "git": "https://git.example/demo.git",
        "rev": "v1",
        "subdirectory": "python",
    }
    assert values["pypi-options"]["no-build"] == ["numpy", "scipy"]
    assert values["system-requirements"] == {
        "cuda": "12.4",
        "libc": "2.28",
        "linux": "5.10",
        "archspec": "x86_64_v3",
    }


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"python": PythonLayer(conda=("python", "Python=3.12"))}, "given twice"),
        ({"python": PythonLayer(pip=("flask", "Flask>=2"))}, "given twice"),
        ({"python": PythonLayer(pip=("-e .",))}, "--editable"),
        ({"python": PythonLayer(pip=("--constraint urllib3<2", "flask"))}, "--constraint"),
        ({"python": PythonLayer(pip=("flask==3 --hash=sha256:" + "0" * 64,))}, "cannot say"),
        ({"python": PythonLayer(pip=("flask",), package_indexes={"numpy": "https://a.example"})}, "index"),
        ({"python": PythonLayer(pip=("flask",), interpreter_path="/opt/python")}, "interpreter_path"),
        ({"variables": {"LIBRARIES": "$HOME/lib"}}, r"the \$ in the variable LIBRARIES"),
        ({"cutoff": Cutoff(as_of="2026-06-01", newest="14 days")}, "not both"),
        ({"platform": "linux/s390x"}, "linux/s390x"),
        ({"image": None, "dockerfile": "FROM a:1\n"}, "Dockerfile"),
        ({"python": PythonLayer()}, "something else"),
    ],
)
def test_what_pixi_has_no_place_for_is_not_left_out_silently(change: dict[str, Any], reason: str) -> None:
    plain = Definition(image="host", python=PythonLayer(conda=("python=3.12",)))
    with pytest.raises(CannotWrite, match=reason):
        write(plain.model_copy(update=change), "pixi-toml")


def test_a_definition_for_another_processor_keeps_its_platform() -> None:
    arm = Definition(image="host", python=PythonLayer(conda=("python=3.12",)), platform="linux/arm64")
    again = read(write(arm, "pixi-toml"), "pixi.toml").definition
    assert again is not None
    assert again.hash == arm.hash


NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?", fullmatch=True)
VERSIONS = st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,3}){0,2}", fullmatch=True)
BOUNDS = st.builds("".join, st.tuples(st.sampled_from(["==", ">=", "<", "<=", ">", "!="]), VERSIONS))
RANGES = st.lists(BOUNDS, min_size=1, max_size=2).map(",".join)
CHANNELS = st.sampled_from(["", "", "conda-forge::", "https://repo.example/c::"])
BUILDS = st.sampled_from(["h123_0", "*cuda*", "py312*"])


@st.composite
def conda_lines(draw: st.DrawFn, name: str) -> str:
    form = draw(st.integers(0, 6))
    head = draw(CHANNELS) + name
    if form == 0:
        return head
    if form == 1:
        return f"{head}={draw(VERSIONS)}"
    if form == 2:
        return f"{head}{draw(st.sampled_from(['', ' ']))}{draw(RANGES)}"
    if form == 3:
        return f"{head}={draw(VERSIONS)}={draw(BUILDS)}"
    if form == 4:
        return f"{head} {draw(VERSIONS)}.*"
    if form == 5:
        return f"{head} {draw(VERSIONS)} {draw(BUILDS)}"
    return f"{head}[build={draw(BUILDS)}]"


@st.composite
def pip_lines(draw: st.DrawFn, name: str) -> str:
    extras = draw(st.sampled_from(["", "", "[a]", "[a,b-c]"]))
    version = draw(st.one_of(st.just(""), RANGES, RANGES.map(lambda text: f" {text}")))
    marker = draw(st.sampled_from(["", "", " ; python_version < '3.13'", "; sys_platform == 'linux'"]))
    form = draw(st.integers(0, 4))
    if form == 0:
        tail = draw(st.sampled_from(["", "@v1", "@0123456789abcdef", "@main#subdirectory=a/b"]))
        return f"{name}{extras} @ git+https://git.example/x.git{tail}"
    if form == 1:
        return f"{name}{extras} @ https://wheels.example/{name.replace('-', '_')}-1.0-py3-none-any.whl"
    return f"{name}{extras}{version}{marker}"


@st.composite
def definitions(draw: st.DrawFn) -> Definition:
    conda = [draw(conda_lines(name)) for name in draw(st.lists(NAMES, max_size=4, unique=True))]
    requested = draw(st.lists(NAMES, max_size=4, unique=True))
    pip = [draw(pip_lines(name)) for name in requested]
    options = draw(
        st.sampled_from(
            [(), ("--extra-index-url https://a.example/simple",), ("--index-url https://b.example", "--pre")]
        )
    )
    indexed = [
        name for name, line in zip(requested, pip, strict=True) if " @ " not in line and draw(st.booleans())
    ]
    return Definition(
        image="host",
        python=PythonLayer(
            channels=tuple(
                draw(
                    st.lists(
                        st.sampled_from(["conda-forge", "bioconda", "https://repo.example/c"]), unique=True
                    )
                )
            ),
            conda=tuple(conda),
            pip=(*options, *pip) if pip else (),
            package_indexes=dict.fromkeys(indexed, "https://index.example/simple"),
        ),
        variables=draw(
            st.dictionaries(
                st.from_regex(r"[A-Z]{1,5}", fullmatch=True), st.text("abc \"'\\#=\n", max_size=9), max_size=2
            )
        ),
        target=draw(st.sampled_from([Target(), Target(cuda="12.4"), Target(glibc="2.28", cpu="x86_64_v3")])),
        cutoff=draw(
            st.sampled_from(
                [Cutoff(), Cutoff(as_of="2026-06-01"), Cutoff(newest="1 day", exceptions={"a": "any"})]
            )
        ),
    )


@given(definitions())
@settings(max_examples=60)
def test_any_definition_of_packages_keeps_its_hash(definition: Definition) -> None:
    if not definition.python.conda and not definition.python.pip:
        return
    again = read(write(definition, "pixi-toml"), "pixi.toml", default_image="host").definition
    assert again is not None
    assert again.hash == definition.hash
    assert again.variables == definition.variables


SHA = "ab" * 32
PACKAGES = (
    LockedPackage(
        "python",
        "3.12.3",
        CONDA,
        "hab00c5b_0_cpython",
        "https://repo.example/c/linux-64/python-3.12.3-hab00c5b_0_cpython.conda",
        "https://repo.example/c",
        "linux-64",
        sha256=SHA,
        md5="01" * 16,
        size=31_000_000,
        requires=("bzip2", "openssl"),
    ),
    LockedPackage(
        "tzdata", "2024.1e3", CONDA, "0", "https://repo.example/c/noarch/tzdata-2024.1e3-0.conda", sha256="1" * 64
    ),
    LockedPackage(
        "Flask",
        "3.0.0",
        PIP,
        url="https://files.pythonhosted.org/packages/flask-3.0.0-py3-none-any.whl",
        sha256=SHA,
        requires=("werkzeug", "Jinja2"),
    ),
)  # fmt: skip


def written(packages: tuple[LockedPackage, ...], folder: Path, platform: str = "linux/amd64") -> LockFile:
    path = folder / "pixi.lock"
    path.write_text(write_lock(packages, "pixi-lock", platform=platform))
    return LockFile.from_path(path)


def test_rattler_reads_the_packages_of_a_written_lock(tmp_path: Path) -> None:
    environment = written(PACKAGES, tmp_path).default_environment()
    assert environment is not None
    (platform,) = environment.platforms()
    assert str(platform) == "linux-64"
    assert [str(channel).rstrip("/") for channel in environment.channels()] == ["https://repo.example/c"]
    packages: Any = environment.packages(platform)
    assert packages is not None
    locations = {package.name: (str(package.version), package.location) for package in packages}
    assert locations == {package.name.lower(): (package.version, package.url) for package in PACKAGES}
    digests = {
        package.name: package.hashes.sha256.hex()
        for package in packages
        if package.hashes and package.hashes.sha256
    }
    assert digests == {package.name.lower(): package.sha256 for package in PACKAGES}


def test_a_written_lock_is_read_as_the_same_packages() -> None:
    reading = read(write_lock(PACKAGES, "pixi-lock"), "pixi.lock")
    assert reading.definition is not None, reading.errors
    assert [(p.name, p.version, p.url, p.sha256, p.requires) for p in reading.packages] == [
        (p.name.lower(), p.version, p.url, p.sha256, tuple(name.lower() for name in p.requires))
        for p in PACKAGES
    ]
    assert reading.definition.python.pip == (f"flask==3.0.0 --hash=sha256:{SHA}",)


def files(*names: str) -> tuple[LockedFile, ...]:
    return tuple(
        LockedFile(name, f"https://files.example/{name}", f"{number}" * 64)
        for number, name in enumerate(names, 1)
    )


def test_a_written_lock_takes_of_several_files_the_best_for_its_python() -> None:
    wheels = files(
        "a-1-cp312-cp312-macosx_11_0_arm64.whl",
        "a-1-cp311-cp311-manylinux_2_17_x86_64.whl",
        "a-1.tar.gz",
        "a-1-py3-none-any.whl",
        "a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    )
    package = LockedPackage("a", "1", PIP, url=wheels[0].url, sha256=wheels[0].sha256, files=wheels)
    text = write_lock((PACKAGES[0], package), "pixi-lock")
    assert f"- pypi: {wheels[4].url}\n  name: a\n" in text
    assert f"sha256: {wheels[4].sha256}" in text.replace('"', "")
    for left_out in wheels[:4]:
        assert left_out.url not in text


@pytest.mark.parametrize(
    ("packages", "reason"),
    [
        (PACKAGES[2:], "no Python of conda's"),
        ((PACKAGES[0], LockedPackage("a", "1", PIP)), "the URL of every package; a lacks one"),
        ((LockedPackage("a", "1", CONDA),), "the URL of every package; a has none"),
        ((LockedPackage("bash", "5", "system"),), "no place for system packages such as bash"),
        (
            (
                PACKAGES[0],
                LockedPackage("a", "1", PIP, url="https://x/a", files=files("a-1-cp39-cp39-win32.whl")),
            ),
            "no file of a for Python 3.12.3",
        ),
    ],
)
def test_a_lock_that_pixi_cannot_hold_is_not_written(
    packages: tuple[LockedPackage, ...], reason: str
) -> None:
    with pytest.raises(CannotWrite, match=reason):
        write_lock(packages, "pixi-lock")


def test_a_package_for_another_python_is_left_out_of_a_written_lock() -> None:
    old = LockedPackage(
        "tomli",
        "2.0.1",
        PIP,
        url="https://files.example/tomli-2.0.1-py3-none-any.whl",
        marker='python_version < "3.11"',
    )
    assert "tomli" not in write_lock((*PACKAGES, old), "pixi-lock")


@given(
    st.lists(
        st.tuples(
            NAMES, VERSIONS, st.sampled_from(["0", "py312_0", "h1e5_1"]), st.sampled_from([SHA, "1" * 64, ""])
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda entry: entry[0],
    )
)
@settings(max_examples=60)
def test_any_lock_of_conda_is_read_by_rattler_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, entries: list[tuple[str, str, str, str]]
) -> None:
    packages = tuple(
        LockedPackage(
            name,
            version,
            CONDA,
            build,
            f"https://repo.example/c/noarch/{name}-{version}-{build}.conda",
            sha256=sha256,
        )
        for name, version, build, sha256 in entries
    )
    environment = written(packages, tmp_path_factory.mktemp("lock")).default_environment()
    assert environment is not None
    (read_by_rattler,) = environment.packages_by_platform().values()
    assert sorted(package.location for package in read_by_rattler) == sorted(
        package.url for package in packages
    )
