"""The target of a definition: what is no version or processor is refused, and what is written reads the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rattler import VirtualPackage, VirtualPackageOverrides

from environments.definition import CannotWrite, Definition, diff, read, write
from environments.definition.findings.finding import Finding
from environments.definition.formats.target import _CPUS
from environments.definition.model import PythonLayer, Target

CONDA = PythonLayer(channels=("conda-forge",), conda=("python=3.12", "pytorch"))
PLAIN = Definition(image="host", python=CONDA)


def findings(target: str, platform: str = "linux/amd64") -> list[Finding]:
    text = f"image: host\nplatform: {platform}\ntarget: {target}\n"
    return [finding for finding in read(text, "environment.yaml").findings if finding.line]


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (
            '{cuda: ">=12.4"}',
            "“>=12.4” is not valid for target.cuda: it must be a version such as 12.4. Did you mean “12.4”?",
        ),
        ("{cuda: cu124}", "Did you mean “12.4”?"),
        ("{cuda: true}", "must be a version such as 12.4"),
        ("{cuda: 0}", "must be a version"),
        ("{cuda: 12.4.1.0.0}", "Did you mean “12.4.1”?"),
        (f"{{cuda: {'1' * 100_000}}}", "must be a version"),
        ("{cuda: \uff11\uff12.\uff14}", "must be a version"),
        ("{cuda: [12]}", "target.cuda must be a single value"),
        ("{glibc: 228}", "must be a version such as 2.28"),
        ("{glibc: glibc-2.28}", "Did you mean “2.28”?"),
        ("{glibc: musl}", "must be a version such as 2.28"),
        ("{linux: 5.x}", "Did you mean “5”?"),
        ("{cpu: x86-64-v3}", "Did you mean “x86_64_v3”?"),
        ("{cpu: v4}", "Did you mean “x86_64_v4”?"),
        ("{cpu: Skylake}", "Did you mean “skylake”?"),
        ("{cpu: neoverse_n1}", "must be for linux/amd64, not linux/arm64"),
        (f"{{cpu: {'_' * 100_000}}}", "must be a processor or level of linux/amd64"),
        ("12.4", "target must be a mapping"),
    ],
)
def test_a_target_that_conda_cannot_use_is_refused_with_what_is_meant(target: str, says: str) -> None:
    (finding,) = findings(target)

    assert (finding.severity, finding.line) == ("error", 3)
    assert says in finding.message
    assert len(finding.message) < 200


def test_each_value_of_a_target_is_checked_before_the_file_is_refused() -> None:
    codes = [(f.code, f.severity) for f in findings("{cuda: x, glibc: x, linux: x, cpu: X, libc: 1}")]

    assert codes == [("bad-target", "error")] * 4 + [("unknown-key", "warning")]


def test_the_processors_of_a_platform_are_those_that_rattler_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (name for cpus in _CPUS.values() for name in cpus):
        monkeypatch.setenv("CONDA_OVERRIDE_ARCHSPEC", name)
        packages = VirtualPackage.detect(VirtualPackageOverrides.from_env())
        generic = [package.into_generic() for package in packages]
        assert [str(p.build_string) for p in generic if p.name.normalized == "__archspec"] == [name]


def test_a_processor_is_checked_for_the_platform_that_the_definition_names() -> None:
    assert not findings("{cpu: neoverse_n1}", "linux/arm64")
    assert findings("{cpu: x86_64_v3}", "linux/arm64")


def test_a_target_is_part_of_the_hash_and_its_absence_is_not() -> None:
    hashes = {
        PLAIN.model_copy(update={"target": target}).hash
        for target in (Target(), Target(cuda="12.4"), Target(glibc="12.4"), Target(cuda="12.5"))
    }

    assert len(hashes) == 4
    assert PLAIN.hash in hashes
    assert read("image: host\ntarget: {}\n").definition == read("image: host\n").definition
    # As it was before a definition could state a target.
    assert Definition(image="host").hash == "6e4208f65c1c3a4561cb1dcd51b05397"


versions = st.from_regex(r"[1-9][0-9]?(\.[0-9]{1,2}){0,2}", fullmatch=True)
targets = st.builds(
    Target,
    cuda=st.just("") | versions,
    glibc=st.just("") | st.from_regex(r"2\.[0-9]{1,2}", fullmatch=True),
    linux=st.just("") | versions,
    cpu=st.sampled_from(["", *_CPUS["amd64"]]),
)


@given(targets)
@settings(max_examples=60)
def test_a_target_that_is_written_is_read_as_the_same(target: Target) -> None:
    definition = PLAIN.model_copy(update={"target": target})

    for format in ("v2-yaml", "v1-json", "conda-env"):
        again = read(write(definition, format)).definition
        assert again == definition
        assert again.hash == definition.hash


@given(st.text(max_size=30), st.sampled_from(["cuda", "glibc", "linux", "cpu"]))
@settings(max_examples=200)
def test_any_text_as_a_target_is_taken_as_it_is_or_refused(text: str, key: str) -> None:
    reading = read(json.dumps({"image": "host", "target": {key: text}}))

    if reading.definition is None:
        assert reading.errors
    else:
        assert getattr(reading.definition.target, key) == text.strip()


@pytest.mark.parametrize("format", ["requirements", "dockerfile"])
def test_a_format_without_a_place_for_a_target_is_not_written(format: str) -> None:
    definition = Definition(image="host", python=PythonLayer(pip=("six",)), target=Target(cuda="12.4"))
    if format == "dockerfile":
        definition = Definition(dockerfile="FROM a:1\n", target=Target(cuda="12.4"))

    with pytest.raises(CannotWrite, match=r"no place for the target \(CUDA 12.4\)"):
        write(definition, format)


def test_a_conda_file_states_a_target_for_itself_only() -> None:
    """In the conda file of a larger definition, which has a key of its own, it is an unknown key."""
    own = read("dependencies: [python=3.12]\ntarget: {cuda: 12.4}\n", "environment.yml")
    part = read("image: host\nconda_file:\n  target: {cuda: 12.4}\n  dependencies: [python=3.12]\n")

    assert own.definition is not None
    assert own.definition.target == Target(cuda="12.4")
    assert "unknown-key" not in {finding.code for finding in own.findings}
    assert part.definition is not None
    assert part.definition.target == Target()
    assert [(f.line, f.code) for f in part.findings if f.code == "unknown-key"] == [(3, "unknown-key")]


def test_a_difference_says_what_changed_of_the_target() -> None:
    old = PLAIN.model_copy(update={"target": Target(cuda="12.4", glibc="2.28")})
    new = PLAIN.model_copy(update={"target": Target(cuda="12.6", cpu="x86_64_v3")})

    difference = diff(old, new)

    assert [(change.text, change.old, change.new) for change in difference.other] == [
        ("target: CUDA changed", "12.4", "12.6"),
        ("target: glibc removed", "2.28", ""),
        ("target: processor added", "", "x86_64_v3"),
    ]
    assert difference.summary == "3 changes of target · needs a new image"
    assert diff(PLAIN, old.model_copy(update={"target": Target()})).same_hash
