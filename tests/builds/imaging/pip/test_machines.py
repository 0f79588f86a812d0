"""Programs and libraries in wheels are checked for the machine that they are made for."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.bases.probe import Probe
from builds.imaging.packing.elf import machine_of
from builds.imaging.pip.declared.facts import facts_of_wheels
from builds.imaging.pip.machines import check_machines
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import make_wheel, wheel_file

INTEL, ARM, I386, CUDA = (2, 1, 62), (2, 1, 183), (1, 1, 3), (2, 1, 190)
AMD64 = Probe(architecture="amd64")


def elf(machine: tuple[int, int, int], module: str = "") -> bytes:
    bits, order, number = machine
    head = b"\x7fELF" + bytes([bits, order, 1]) + bytes(9) + b"\3\0"
    head += number.to_bytes(2, "big" if order == 2 else "little")
    return head + bytes(40) + (f"PyInit_{module}\0".encode() if module else b"")


def wheel(
    folder: Path,
    files: dict[str, bytes | str],
    tag: str = "cp311-cp311-manylinux_2_17_x86_64",
    **more: object,
) -> Path:
    made = make_wheel(folder, "shop", "1.0", files, **more)  # type: ignore[arg-type]
    return made.rename(made.with_name(f"shop-1.0-{tag}.whl"))


def check(path: Path, workshop: Workshop, probe: Probe = AMD64) -> list[str]:
    files = [wheel_file(path)]
    return check_machines(files, facts_of_wheels(files, (3, 11), workshop, Recorder()), probe)


@pytest.mark.parametrize(
    ("head", "machine"),
    [
        (elf(INTEL), "x86_64"),
        (elf(ARM), "aarch64"),
        (elf(I386), "i686"),
        (elf((2, 2, 22)), "s390x"),
        (elf((1, 1, 62)), "machine 62 with 32 bits"),
        (elf(CUDA), ""),
        (elf(INTEL)[:19], ""),
        (b"MZ" + bytes(60), ""),
        (b"#!/bin/sh\nexit 1\n", ""),
        (b"", ""),
    ],
)
def test_the_first_bytes_of_a_program_name_its_machine(head: bytes, machine: str) -> None:
    assert machine_of(head) == machine


@pytest.mark.parametrize(
    "files",
    [
        {
            "shop/_core.cpython-311-x86_64-linux-gnu.so": elf(ARM, "_core"),
            "shop/other.so": elf(INTEL, "other"),
        },
        {"shop/_core.abi3.so": elf(I386, "_core"), "shop/libx.so.1": elf(INTEL)},
        {"shop/lib/libshop.so": elf(ARM)},
        {"shop-1.0.data/scripts/shop": elf(ARM)},
    ],
    ids=["a module", "a module of 32 bits", "all libraries", "all programs"],
)
@pytest.mark.parametrize("stored", [False, True])
def test_a_wheel_for_another_machine_than_its_name_says_is_refused(
    tmp_path: Path, workshop: Workshop, files: dict[str, bytes | str], stored: bool
) -> None:
    path = wheel(tmp_path, files, stored=files if stored else ())

    with pytest.raises(ImageError) as refused:
        check(path, workshop)

    error = refused.value
    assert (error.code, error.fault) == ("bad-wheel", "outside")
    assert (
        "The image is for x86_64, and shop-1.0-cp311-cp311-manylinux_2_17_x86_64.whl is not:" in error.message
    )
    assert "(aarch64)" in error.message or "(i686)" in error.message
    with pytest.raises(ImageError, match="is not"):
        check(path, workshop)  # read once, refused each time


def test_what_is_data_to_a_wheel_is_a_warning(tmp_path: Path, workshop: Workshop) -> None:
    """As the helper with which a debugger enters processes of 32 bits."""
    files: dict[str, bytes | str] = {f"shop/helpers/attach{n}_x86.so": elf(I386) for n in range(25)}
    files |= {
        "shop/_core.abi3.so": elf(INTEL, "_core"),
        "shop/a.cubin": elf(CUDA),
        "shop/exe": b"MZ" + bytes(99),
    }

    (sentence,) = check(wheel(tmp_path, files), workshop)

    assert sentence.startswith(
        "shop 1.0 has files for other machines than x86_64: shop/helpers/attach0_x86.so (i686),"
    )
    assert sentence.endswith(" and 22 more.")


def test_a_wheel_for_any_platform_may_hold_modules_for_several(tmp_path: Path, workshop: Workshop) -> None:
    files: dict[str, bytes | str] = {
        "shop/arm/_core.so": elf(ARM, "_core"),
        "shop/intel/_core.so": elf(INTEL, "_core"),
    }
    path = wheel(tmp_path, files, "py3-none-any")

    assert check(path, workshop) == [
        "shop 1.0 has files for other machines than x86_64: shop/arm/_core.so (aarch64)."
    ]
    assert check(path, workshop, Probe(architecture="arm64")) == [
        "shop 1.0 has files for other machines than aarch64: shop/intel/_core.so (x86_64)."
    ]


def test_a_wheel_without_programs_has_nothing_to_say(tmp_path: Path, workshop: Workshop) -> None:
    assert check(wheel(tmp_path, {"shop/__init__.py": "x = 1\n", "shop/empty.so": b""}), workshop) == []
    assert (
        check(wheel(tmp_path / "b", {"shop/a.so": elf(ARM)}), workshop, Probe(architecture="loong64")) == []
    )
