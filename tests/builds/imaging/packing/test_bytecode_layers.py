"""Bytecode in images: which modules have it, that it fits its sources, and that it is always the same."""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from builds.imaging.assemble import AssembledImage, ImageSettings, assemble
from builds.imaging.bytecode.compilers import cached_path
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing import bytecode_layers, packers
from builds.imaging.packing.bytecode_layers import bytecode_budget
from builds.imaging.packing.packers import compiler_for
from builds.imaging.packing.pipeline import Ahead
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Bytecode, Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel, recorded, unpacked, wheel_file

SITE = "opt/env/lib/python3.11/site-packages"
SHOP = {
    "shop/__init__.py": "import till.open\n",
    "shop/plot.py": "x = 1\n",
    "shop/_private.py": "x = 1\n",
    "shop/desk.py": "def main():\n    import till.never\n",
}
TILL = {
    "till/__init__.py": "",
    "till/open.py": "from . import drawer\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import till.checked\n",
    "till/drawer.py": "",
    "till/never.py": "",
    "till/checked.py": "",
}


@pytest.fixture
def wheels(tmp_path: Path) -> list[Path]:
    return [make_wheel(tmp_path, "shop", files=SHOP), make_wheel(tmp_path, "till", files=TILL)]


def fresh(folder: Path, bytecode: Bytecode = "imported", jobs: int = 2) -> Workshop:
    return Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", bytecode=bytecode, jobs=jobs)


def image_of(workshop: Workshop, *wheels: Path, requested: set[str] | None = None) -> AssembledImage:
    lock, fetched = locked(*wheels, requested=requested)
    return assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())


def root_of(image: AssembledImage, workshop: Workshop, into: Path) -> Path:
    for layer in image.layers:
        unpacked(workshop.store, layer.digest, into)
    return into / SITE


def compiled_in(site: Path) -> set[str]:
    """Return the modules that have bytecode, by their paths."""
    return {
        str(path.relative_to(site))
        for path in site.rglob("*.py")
        if (site / cached_path(str(path.relative_to(site)), (3, 11)).lstrip("/")).exists()
    }


@pytest.mark.parametrize(
    ("bytecode", "left_out"),
    [
        ("imported", {"shop/_private.py", "till/never.py", "till/checked.py"}),
        ("all", set()),
        ("none", SHOP.keys() | TILL.keys()),
    ],
)
def test_the_setting_decides_which_modules_have_bytecode(
    wheels: list[Path], tmp_path: Path, bytecode: Bytecode, left_out: set[str]
) -> None:
    workshop = fresh(tmp_path, bytecode)

    site = root_of(image_of(workshop, *wheels, requested={"shop"}), workshop, tmp_path / "root")

    assert compiled_in(site) == (SHOP.keys() | TILL.keys()) - left_out


def test_layers_of_packages_do_not_depend_on_their_bytecode(wheels: list[Path], tmp_path: Path) -> None:
    images = {name: image_of(fresh(tmp_path / name, name), *wheels) for name in ("none", "imported", "all")}
    layers = {name: [layer.digest for layer in image.layers] for name, image in images.items()}

    assert layers["imported"][: len(layers["none"])] == layers["none"]
    assert layers["all"][: len(layers["none"])] == layers["none"]
    assert len({image.digest for image in images.values()}) == 3


def test_bytecode_is_that_of_the_source_beside_it_and_never_checked(
    wheels: list[Path], tmp_path: Path
) -> None:
    workshop = fresh(tmp_path)
    other = make_wheel(tmp_path, "zebra", files={"shop/plot.py": "x = 2\n"})

    site = root_of(image_of(workshop, *wheels, other), workshop, tmp_path / "root")

    for path in compiled_in(site):
        code = (site / cached_path(path, (3, 11)).lstrip("/")).read_bytes()
        assert code[:8] == importlib.util.MAGIC_NUMBER + b"\1\0\0\0"
        assert code[8:16] == importlib.util.source_hash((site / path).read_bytes()), path


def test_bytecode_that_a_wheel_brings_itself_stays(tmp_path: Path) -> None:
    workshop = fresh(tmp_path)
    own: dict[str, str | bytes] = {
        "shop/__init__.py": "",
        "shop/__pycache__/__init__.cpython-311.pyc": b"own",
    }

    site = root_of(image_of(workshop, make_wheel(tmp_path, files=own)), workshop, tmp_path / "root")

    assert (site / "shop/__pycache__/__init__.cpython-311.pyc").read_bytes() == b"own"


def test_modules_compiled_before_or_while_wheels_arrived_give_the_same_image(
    wheels: list[Path], tmp_path: Path
) -> None:
    expected = image_of(fresh(tmp_path / "cold"), *wheels, requested={"shop"}).digest
    warm = fresh(tmp_path / "warm")
    image_of(warm, *wheels, requested={"till"})
    ahead = fresh(tmp_path / "ahead")
    compiler = compiler_for((3, 11), ahead, Recorder())
    assert compiler is not None
    packing = Ahead(compiler, {"shop"}, {tmp_path}, ahead)
    for path in wheels:
        packing.arrived(wheel_file(path))
    packing.finish(Recorder())
    packing.close()

    assert image_of(warm, *wheels, requested={"shop"}).digest == expected
    assert image_of(ahead, *wheels, requested={"shop"}).digest == expected


def test_a_module_is_compiled_once_for_all_environments(wheels: list[Path], tmp_path: Path) -> None:
    workshop = fresh(tmp_path)
    image_of(workshop, *wheels, requested={"shop"})
    lock, fetched = locked(*wheels, requested={"shop", "till"})
    reporter = Recorder()

    assemble(empty_base(), lock, fetched, ImageSettings(), workshop, reporter)

    assert "Bytecode of 8 modules: 6 compiled before, 2 now" in reporter.log


def test_wheels_of_one_version_for_several_platforms_share_the_modules_that_are_equal(tmp_path: Path) -> None:
    workshop = fresh(tmp_path)
    amd64 = make_wheel(
        tmp_path / "amd64", files={"shop/__init__.py": "", "shop/machine.py": "name = 'amd64'\n"}
    )
    arm64 = make_wheel(
        tmp_path / "arm64", files={"shop/__init__.py": "", "shop/machine.py": "name = 'arm64'\n"}
    )
    image_of(workshop, amd64)
    lock, fetched = locked(arm64)
    reporter = Recorder()

    image = assemble(empty_base(), lock, fetched, ImageSettings(), workshop, reporter)

    assert "Bytecode of 2 modules: 1 compiled before, 1 now" in reporter.log
    site = root_of(image, workshop, tmp_path / "root")
    assert b"arm64" in (site / "shop/__pycache__/machine.cpython-311.pyc").read_bytes()


def test_a_record_that_claims_the_hash_of_another_file_gives_nobody_else_bytecode(tmp_path: Path) -> None:
    """A package of the same name and version from another index, which an attacker wrote."""
    honest = make_wheel(tmp_path / "honest", files={"shop.py": "x = 'honest'\n"})
    evil = make_wheel(tmp_path / "evil", files={"shop.py": "x = 'evil'\n"})
    with zipfile.ZipFile(evil) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    claimed = recorded(b"x = 'honest'\n").encode()
    members["shop-1.0.dist-info/RECORD"] = members["shop-1.0.dist-info/RECORD"].replace(
        recorded(b"x = 'evil'\n").encode(), claimed
    )
    with zipfile.ZipFile(evil, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    workshop = fresh(tmp_path)
    image_of(workshop, evil)

    site = root_of(image_of(workshop, honest), workshop, tmp_path / "root")

    assert b"honest" in (site / "__pycache__/shop.cpython-311.pyc").read_bytes()


def test_a_cached_file_that_lost_its_end_is_made_again(wheels: list[Path], tmp_path: Path) -> None:
    workshop = fresh(tmp_path)
    expected = image_of(workshop, *wheels).digest
    for path in (path for path in (tmp_path / "cache/modules").iterdir() if path.is_file()):
        path.write_bytes(path.read_bytes()[:10])
    again = replace(workshop, store=BlobStore(tmp_path / "other"))

    assert image_of(again, *wheels).digest == expected


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"modules": "x"},
        {"modules": []},
        {"modules": [[0, 10**9, [], ""]]},
        {"modules": [[-1, 1, [], ""]]},
        {"modules": [[0, 1, [1], ""]]},
        {"modules": [["0", 1, [], ""]]},
        {"modules": [[0, 1, []]]},
    ],
)
def test_an_answer_that_describes_no_modules_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: dict[str, object]
) -> None:
    workshop = fresh(tmp_path)
    path = make_wheel(tmp_path, files={"shop.py": ""})
    real = packers.Processes._answer

    def lie(self: packers.Processes, child: object, question: dict[str, object], wheel: object) -> object:
        honest = real(self, child, question, wheel)  # type: ignore[arg-type]
        return answer if question["do"] == "compile" else honest

    monkeypatch.setattr(packers.Processes, "_answer", lie)

    with pytest.raises(ImageError) as refused:
        image_of(workshop, path)

    assert refused.value.code == "packing-failed"


def test_much_bytecode_gets_layers_of_its_own_within_the_budget(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bytecode_layers, "BIG", 2000)
    wheels = [
        make_wheel(tmp_path, f"pack{n}", files={f"pack{n}.py": f"x = {n}\n" * (300 if n < 9 else 1)})
        for n in range(30)
    ]

    plain = len(image_of(fresh(tmp_path / "plain", "none"), *wheels).layers)
    whole = len(image_of(fresh(tmp_path / "whole"), *wheels).layers)

    assert [bytecode_budget(budget) for budget in (2, 8, 20, 39, 60)] == [1, 2, 5, 9, 10]
    assert whole - plain == bytecode_budget(39)
