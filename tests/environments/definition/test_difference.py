"""Differences between two definitions, locks or lists, and whether the hash differs."""

from __future__ import annotations

import random

import pytest

from environments.definition import Definition, Difference, diff, read
from environments.definition.difference import diff_locks, diff_readings
from environments.definition.model import BuildContext, ContextFile, PythonLayer
from environments.definition.packages.locked import LockedPackage
from environments.definition.packages.versions import is_newer


def of(
    *conda: str, pip: tuple[str, ...] = (), image: str = "ubuntu:22.04", channels: tuple[str, ...] = ("c",)
) -> Definition:
    return Definition(image=image, python=PythonLayer(channels=channels, conda=conda, pip=pip))


def rows(difference: Difference) -> list[tuple[str, str, str, str, str]]:
    return [
        (package.name, package.ecosystem, package.change, package.old, package.new)
        for package in difference.packages
    ]


def test_nothing_differs_between_a_definition_and_itself() -> None:
    difference = diff(of("a=1"), of("a=1"))
    assert (difference.same_hash, difference.summary, difference.packages, difference.other) == (
        True, "no differences", (), (),
    )  # fmt: skip


def test_packages_go_up_and_down_come_and_go() -> None:
    old = of("up=1.9", "down=2", "gone=1", "same=1", "free")
    new = of("up=1.10", "down=1", "same=1", "new=3", "free>=2")
    difference = diff(old, new)
    assert rows(difference) == [
        ("down", "conda", "downgraded", "2", "1"),
        ("free", "conda", "constraint", "*", ">=2"),
        ("gone", "conda", "removed", "1", ""),
        ("new", "conda", "added", "", "3"),
        ("up", "conda", "upgraded", "1.9", "1.10"),
    ]
    assert (
        difference.summary
        == "1 upgraded, 1 downgraded, 1 added, 1 removed, 1 constraint changed · needs a new image"
    )


@pytest.mark.parametrize(
    ("newer", "older", "ecosystem"),
    [
        ("1.10", "1.9", "pip"),
        ("1.0", "1.0rc1", "pip"),
        ("1.0.post1", "1.0", "pip"),
        ("1!0.1", "2.0", "pip"),
        ("1.0+cu118", "1.0", "pip"),
        ("9e", "9d", "conda"),
        ("2024b", "2024a", "conda"),
        ("1.0", "1.0rc1", "conda"),
        ("1.1", "1.0.1g", "conda"),
        ("1!164.3095", "164.4000", "conda"),
        ("1:1.2.13", "1.2.13", "system"),
    ],
)
def test_each_ecosystem_has_its_own_order_of_versions(newer: str, older: str, ecosystem: str) -> None:
    assert is_newer(newer, older, ecosystem) is True
    assert is_newer(older, newer, ecosystem) is False
    assert is_newer(newer, newer, ecosystem) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("certifi==2024.07.04", "certifi==2024.7.4"),
        ("a==1.0", "a==1.0.0"),
        ("a==1.0", "a ==  1.0"),
        ("a==1.0", "a==v1.0"),
        ("a==1.0", "a==0!1.0"),
        ("a==1.0RC1", "a==1.0rc1"),
        ("a==1.0-1", "a==1.0.post1"),
        ("a==1.0+Ubuntu-1", "a==1.0+ubuntu.1"),
        ("a==01.0.*", "a==1.0.*"),
        ("a>=1,<2", "a <2.0, >=1.0"),
        ("a===1.0A", "a===1.0a"),
        ("a[x,Y_Z]==1.0", "a[y-z, x] == 1.0"),
        ("a==1.0; python_version > '3.9'", 'a==1.0.0 ; python_version>"3.9"'),
    ],
)
def test_another_spelling_of_a_requirement_is_no_change_of_the_package(old: str, new: str) -> None:
    difference = diff(of(pip=(old,)), of(pip=(new,)))
    assert (rows(difference), difference.same_hash) == ([], False)
    assert difference.summary == "written differently · needs a new image"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("certifi==2024.07.04", "certifi ==2024.07.04"),
        ("certifi==2024.07.04", "certifi==2024.7.4"),
        ("a=2024.07", "a =2024.7"),
        ("a=1.2", "a 1.2.*"),
        ("a==1.0", "a==1.0.0"),
        ("a==1.0A", "a==1.0a"),
        ("a==1!1.0", "a==1!01.0"),
        ("a==1.0+l.1", "a==1.0+L.01"),
        ("a>=1,<2", "a <2.0,>=1.0"),
        ("a 1.2|1.3", "a 1.3|1.2"),
        ("a 1.0 py_0", "a==1.0.0=py_0"),
    ],
)
def test_another_spelling_of_a_match_specification_is_no_change_of_the_package(old: str, new: str) -> None:
    difference = diff(of(old), of(new))
    assert (rows(difference), difference.same_hash) == ([], False)
    assert difference.summary == "written differently · needs a new image"


@pytest.mark.parametrize(
    ("before", "after", "ecosystem"),
    [
        ("a~=1.1", "a~=1.1.0", "pip"),
        ("a==1.*", "a==1.0.*", "pip"),
        ("a==1.0", "a===1.0", "pip"),
        ("a==1.0", "a==1.0+local", "pip"),
        ("a==1.0", "a[x]==1.0", "pip"),
        ("a[x]==1.0", "a[x,y]==2.0", "pip"),
        ("a=1.2", "a=1.2.0", "conda"),
        ("a=1.2", "a==1.2", "conda"),
        ("a ~=1.1", "a ~=1.1.0", "conda"),
        ("a 1.2|1.3", "a 1.2,1.3", "conda"),
        ("a 1.0 py_0", "a 1.0 py_1", "conda"),
    ],
)
def test_a_spelling_that_allows_other_versions_is_a_change(before: str, after: str, ecosystem: str) -> None:
    old, new = (of(pip=(text,)) if ecosystem == "pip" else of(text) for text in (before, after))
    assert [row[0] for row in rows(diff(old, new))] == ["a"]


def test_a_version_that_a_lock_spells_otherwise_has_not_moved() -> None:
    old = [LockedPackage("certifi", "2024.07.04", "conda", "h_0"), LockedPackage("a", "1.0", "pip")]
    new = [LockedPackage("certifi", "2024.7.4", "conda", "h_0"), LockedPackage("a", "1.0.0", "pip")]
    assert diff_locks(old, new) == ()


def test_names_are_compared_as_each_ecosystem_does() -> None:
    assert rows(diff(of(pip=("Ruamel.YAML==1",)), of(pip=("ruamel-yaml==2",)))) == [
        ("ruamel-yaml", "pip", "upgraded", "1", "2")
    ]


def test_a_package_that_goes_from_conda_to_pip_has_moved() -> None:
    difference = diff(of("numpy=1.26", "scikit_learn=1"), of(pip=("numpy==2.1", "scikit-learn==1")))
    assert rows(difference) == [
        ("numpy", "pip", "moved", "conda 1.26", "pip 2.1"),
        ("scikit-learn", "pip", "moved", "conda 1", "pip 1"),
    ]


def test_another_order_is_reported_as_an_order() -> None:
    """Rule 6."""
    difference = diff(of("a=1", "b=1", channels=("x", "y")), of("b=1", "a=1", channels=("y", "x")))
    assert difference.same_hash is False
    assert difference.summary == "same content in another order · needs a new image"
    assert [item.text for item in difference.other] == [
        "channel order changed",
        "conda packages reordered",
    ]


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("ubuntu:22.04", "ubuntu:24.04", "base image's tag changed"),
        ("ubuntu:22.04", "debian:12", "base image changed"),
        ("ubuntu@sha256:" + "0" * 64, "ubuntu@sha256:" + "1" * 64, "base image's digest changed"),
    ],
)
def test_another_base_image_says_which_part_of_it(old: str, new: str, text: str) -> None:
    difference = diff(of(image=old), of(image=new))
    assert [(item.text, item.old, item.new) for item in difference.other] == [(text, old, new)]
    assert difference.summary == f"{text} · needs a new image"


def test_many_files_that_are_hard_to_compare_share_a_second() -> None:
    """Later files count as replaced."""
    chance = random.Random(1)  # noqa: S311

    def context(last: str, hard: int) -> Definition:
        texts = {f"{n:02}.txt": "\n".join(chance.choices("ab", k=5_000)) for n in range(hard)}
        listed = [
            ContextFile(path=path, content=text.encode())
            for path, text in ({"Dockerfile": "FROM a:1\n", "z": last} | texts).items()
        ]
        return Definition(context=BuildContext(files=tuple(listed)))

    for hard, changed in ((0, "1 line added, 1 removed"), (40, "4 lines added, 4 removed")):
        old, new = context("a\nb\na\nb\n", hard), context("b\na\nb\na\n", hard)
        assert diff(old, new).other[-1].text == f"z: {changed}"


def test_lines_of_the_dockerfile_and_files_of_the_context_are_named() -> None:
    def context(**files: str) -> Definition:
        listed = [
            ContextFile(path=path.replace("_", "."), content=text.encode()) for path, text in files.items()
        ]
        return Definition(context=BuildContext(files=tuple(listed)))

    old = context(Dockerfile="FROM a:1\nRUN one\n", a_txt="x\n", gone_txt="")
    new = context(Dockerfile="FROM a:1\nRUN two\nRUN three\n", a_txt="y\n", new_txt="")
    assert [(item.kind, item.text, item.old, item.new) for item in diff(old, new).other] == [
        ("dockerfile", "Dockerfile: 2 lines added, 1 removed", "RUN one", "RUN two\nRUN three"),
        ("context", "a.txt: 1 line added, 1 removed", "x", "y"),
        ("context", "gone.txt removed", "", ""),
        ("context", "new.txt added", "", ""),
    ]


def test_another_base_of_a_dockerfile_is_reported_as_a_base_change() -> None:
    old = Definition(dockerfile="ARG T=22.04\nFROM ubuntu:${T} AS one\nFROM one\n")
    new = Definition(dockerfile="ARG T=24.04\nFROM ubuntu:${T} AS one\nFROM one\n")
    first = diff(old, new).other[0]
    assert (first.text, first.old, first.new) == ("base image's tag changed", "ubuntu:22.04", "ubuntu:24.04")


def test_variables_differ_without_a_new_image() -> None:
    """Rule 3."""
    old = Definition(image="a:1", variables={"A": "1", "B": "1"})
    new = Definition(image="a:1", variables={"A": "2", "C": "1"})
    difference = diff(old, new)
    assert difference.same_hash
    assert [item.text for item in difference.other] == ["A changed", "B removed", "C added"]
    assert difference.summary.endswith("· same image")


def test_a_comment_in_the_dockerfile_is_shown_and_makes_no_new_image() -> None:
    """Rule 3."""
    difference = diff(Definition(dockerfile="FROM a:1\n"), Definition(dockerfile="FROM a:1\n# why\n"))
    assert difference.same_hash
    assert difference.summary == "Dockerfile: 1 line added, 0 removed · same image"


def test_secrets_are_masked_in_what_a_difference_shows() -> None:
    """Rule 44."""
    old = Definition(image="a:1", python=PythonLayer(pip=("--index-url https://u:hunter2@x/simple",)))
    new = Definition(image="a:1", python=PythonLayer(pip=("--index-url https://u:hunter3@x/simple",)))
    assert "hunter" not in str(diff(old, new).as_json())


def lock(count: int, version: str) -> tuple[LockedPackage, ...]:
    return tuple(
        LockedPackage(f"package-{n}", f"{n}.{version}", "conda" if n % 2 else "pip") for n in range(count)
    )


def test_two_locks_are_compared_package_by_package() -> None:
    old = (*lock(4, "1"), LockedPackage("gone", "1", "pip"), LockedPackage("built", "1", "conda", "h1_0"))
    new = (*lock(4, "2"), LockedPackage("come", "1", "pip"), LockedPackage("built", "1", "conda", "h1_1"))
    result = {lock.name: (lock.change, lock.old, lock.new) for lock in diff_locks(old, new)}
    assert result["package-3"] == ("upgraded", "3.1", "3.2")
    assert result["gone"] == ("removed", "1", "")
    assert result["come"] == ("added", "", "1")
    assert result["built"] == ("build", "1 h1_0", "1 h1_1")


def test_files_of_different_formats_can_be_compared() -> None:
    url = "https://conda.anaconda.org/conda-forge/linux-64/"
    old = read(f"@EXPLICIT\n{url}zlib-1.2.13-h1_0.conda\n{url}jpeg-9d-h1_0.tar.bz2\n")
    new = read(
        "# packages in environment at /x:\n# Name Version Build Channel\nzlib 1.3 h1_0 conda-forge\njpeg 9e h1_0 c\n"
    )
    assert rows(diff_readings(old, new)) == [
        ("jpeg", "conda", "upgraded", "9d", "9e"),
        ("zlib", "conda", "upgraded", "1.2.13", "1.3"),
    ]
