"""No wheel gets more memory, disk or paths than it may have, and each that is refused is named."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from builds.imaging.oci.layer import LayerWriter
from builds.imaging.packing.wheel import Wheel
from builds.imaging.pip.check import check_lock
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import locked, make_wheel, unpacked
from tests.hostile.packages.wheels import INFO, image_of, refused, rewritten

PYTHON = (3, 11)


@pytest.mark.parametrize(
    "path",
    [
        ".wh.other",
        "shop/.wh.other.py",
        "shop/.wh..wh..opq",
        ".wh.other/x.py",
        "shop-1.0.data/data/.wh.lib",
        "shop-1.0.data/scripts/.wh.python",
        "shop-1.0.data/purelib/.wh..wh..opq",
    ],
)
def test_no_wheel_deletes_files_of_another(path: str, tmp_path: Path, workshop: Workshop) -> None:
    other = make_wheel(tmp_path, "other")
    refused(workshop, other, make_wheel(tmp_path, files={path: ""}), match=r"begins with \.wh\.")


def test_no_entry_point_deletes_files_of_another(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, entry_points="[console_scripts]\n.wh.python = shop:main\n")
    refused(workshop, wheel, match=r"begins with \.wh\.")


def test_the_writer_of_layers_itself_refuses_to_hide_files(workshop: Workshop) -> None:
    with workshop.store.writer() as blob:
        writer = LayerWriter(blob)
        for path in ("opt/env/.wh.x", "opt/.wh..wh..opq", "opt/.wh.x/y"):
            with pytest.raises(ImageError, match="deletes files"):
                writer.file(path, b"")
            with pytest.raises(ImageError, match="deletes files"):
                writer.directory(f"{path}/")
            with pytest.raises(ImageError, match="deletes files"):
                writer.symlink(path, "y")
            with pytest.raises(ImageError, match="deletes files"):
                writer.whiteout(path)
        with pytest.raises(ImageError, match="leads to no path"):
            writer.symlink("opt/env/x", "y\0z")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("shop/" + "x" * 300, "255 bytes"),
        ("shop/" + "é" * 130, "255 bytes"),
        ("/".join(["shop", *["x" * 99] * 50]), "4,095 bytes"),
        ("shop/a\nb", "control characters"),
        ("shop/a\x1b[31mb", "control characters"),
        ("shop/a\x9bb", "control characters"),
        ("shop-1.0.data/data/" + "x" * 300, "255 bytes"),
        ("shop/../x", "elsewhere"),
        ("shop-1.0.data/data/../../x", "elsewhere"),
    ],
)
def test_a_name_that_nobody_can_unpack_is_refused(
    path: str, why: str, tmp_path: Path, workshop: Workshop
) -> None:
    refused(workshop, make_wheel(tmp_path, files={path: "x"}), match=why)


def test_a_name_that_ends_at_a_nul_for_some_readers_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"shop/evilX.py": "x", f"{INFO}/entry_points.txtX/": ""})
    wheel.write_bytes(wheel.read_bytes().replace(b"evilX", b"evil\0"))
    refused(workshop, wheel, match="written elsewhere")
    wheel.write_bytes(
        wheel.read_bytes().replace(b"evil\0", b"evil_").replace(b"points.txtX/", b"points.txt\0/")
    )
    refused(workshop, wheel, match="written elsewhere")


def test_a_name_that_is_no_utf_8_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"shop/é.py": "x"})
    wheel.write_bytes(wheel.read_bytes().replace("é".encode(), b"\xff\xfe"))
    refused(workshop, wheel, match="not a zip file")


@pytest.mark.parametrize(
    "line",
    [
        "a\0b = shop:main",
        f"{'x' * 300} = shop:main",
        "a\\b = shop:main",
        "../x = shop:main",
        "x = shop",
        f"x = shop:main{' ' * 900_000}x",
    ],
    ids=["nul", "long", "backslash", "up", "no function", "slow pattern"],
)
def test_an_entry_point_that_is_none_is_refused(line: str, tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, entry_points=f"[console_scripts]\n{line}\n")
    refused(workshop, wheel, match="its entry point")


def test_too_many_entry_points_are_refused(tmp_path: Path, workshop: Workshop) -> None:
    lines = "".join(f"c{number}=s:m\n" for number in range(20_000))
    wheel = make_wheel(tmp_path, entry_points=f"[console_scripts]\n{lines}")
    refused(workshop, wheel, match="more than 10,000 entry points")


@pytest.mark.parametrize(
    ("name", "version"), [("other", "1.0"), ("shop", "2.0"), ("shop", "1.0.post1"), ("shop", "")]
)
def test_metadata_of_another_project_or_version_is_refused(
    name: str, version: str, tmp_path: Path, workshop: Workshop
) -> None:
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
    wheel = rewritten(
        make_wheel(tmp_path), lambda path, data: (path, about if path.endswith("METADATA") else data)
    )
    error = refused(workshop, wheel, match="its METADATA does not name")
    assert (
        f"its file name names shop 1.0, its folder names shop 1.0, its METADATA names {name} {version}"
        in str(error)
    )


@pytest.mark.parametrize("folder", ["other-1.0", "shop-2.0", "shop", "shop-1.0-1"])
def test_a_folder_of_another_project_or_version_is_refused(
    folder: str, tmp_path: Path, workshop: Workshop
) -> None:
    wheel = rewritten(
        make_wheel(tmp_path), lambda path, data: (path.replace(INFO, f"{folder}.dist-info"), data)
    )
    refused(workshop, wheel, match="its folder does not name")


@pytest.mark.parametrize("file", ["other-1.0-py3-none-any.whl", "shop-2.0-py3-none-any.whl", "shop.whl"])
def test_a_file_name_of_another_project_or_version_is_refused(file: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path).rename(tmp_path / file)
    with pytest.raises(ImageError, match="its file name does not name"):
        Wheel(wheel, "shop", PYTHON, "1.0")


def test_a_wheel_locked_as_another_version_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"does not name version 2\.0"):
        Wheel(make_wheel(tmp_path), "shop", PYTHON, "2.0")


@pytest.mark.parametrize(
    ("file", "folder", "about", "name", "version"),
    [
        ("shop_tool-1.0", "Shop.Tool-1.0", "shop-tool 1.0", "shop-tool", "1.0"),
        ("shop-1.0.0-2", "shop-1.0", "Shop 1.0", "shop", "1"),
        ("shop-1.0", "shop-1.0+cpu", "shop 1.0+cpu", "shop", "1.0"),
        ("shop-1.0+cu.118", "shop-1.0+cu.118", "shop 1.0+cu.118", "shop", "1.0+cu.118"),
        ("shop-1.0_1", "shop-1.0_1", "shop 1.0-1", "shop", "1.0.post1"),
        ("shop-1.0rc1", "shop-1.0rc1", "shop 1.0-rc.1", "shop", "1.0rc1"),
        ("shop-tool-1.0", "shop-tool-1.0", "shop_tool 1.0", "shop-tool", "1.0"),
    ],
)
def test_spellings_of_one_name_and_version_are_accepted(
    file: str, folder: str, about: str, name: str, version: str, tmp_path: Path
) -> None:
    described = "Metadata-Version: 2.1\nName: {}\nVersion: {}\n".format(*about.split())

    def change(path: str, data: bytes) -> tuple[str, bytes]:
        data = described.encode() if path.endswith("METADATA") else data
        return path.replace(INFO, f"{folder}.dist-info"), data

    wheel = rewritten(make_wheel(tmp_path), change).rename(tmp_path / f"{file}-py3-none-any.whl")
    assert Wheel(wheel, name, PYTHON, version).metadata()["Metadata-Version"] == "2.1"


@pytest.mark.parametrize(
    "path",
    [
        "other-1.0.dist-info/METADATA",
        "Other-1.0.DIST-INFO/METADATA",
        "shop-2.0.dist-info/METADATA",
        "shop-1.0.data/purelib/other-1.0.dist-info/METADATA",
        "shop-1.0.data/purelib/shop-1.0.dist-info/METADATA",
    ],
)
def test_no_wheel_brings_the_metadata_of_another(path: str, tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={path: "Metadata-Version: 2.1\nName: other\nVersion: 1.0\n"})
    refused(workshop, wheel, match=r"dist-info folders, not one|metadata of another|which differ")


@pytest.mark.parametrize("missing", ["METADATA", "RECORD"])
def test_a_wheel_without_its_own_description_is_refused(
    missing: str, tmp_path: Path, workshop: Workshop
) -> None:
    wheel = rewritten(
        make_wheel(tmp_path), lambda path, data: None if path.endswith(missing) else (path, data)
    )
    refused(workshop, wheel, match=f"it has no {INFO}/{missing}")


def test_metadata_with_two_names_is_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = rewritten(
        make_wheel(tmp_path), lambda path, data: (path, data.replace(b"Name:", b"Name: a\nName:"))
    )
    refused(workshop, wheel, match="2 lines “Name:”")


def test_two_files_for_one_path_are_refused(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"shop.py": "1", "shop-1.0.data/purelib/shop.py": "2"})
    refused(workshop, wheel, match="two files for")


def test_a_record_behind_the_back_of_the_record_is_left_out(tmp_path: Path, workshop: Workshop) -> None:
    wheel = make_wheel(tmp_path, files={"shop.py": "1", f"shop-1.0.data/purelib/{INFO}/RECORD.jws": "2"})
    image = image_of(wheel, workshop=workshop)
    names = [name for la in image.layers for name in unpacked(workshop.store, la.digest, tmp_path / "root")]
    assert not [name for name in names if name.endswith("RECORD.jws")]


@pytest.mark.parametrize(
    "record",
    [b"shop.py,sha256=x," + "²".encode(), b'"' + b"x" * 200_000, b"shop.py,sha256=x," + b"9" * 5000, b"\0,,"],
    ids=["no number", "a long field", "a long number", "nul"],
)
def test_a_record_that_cannot_be_read_is_the_wheels_fault(
    record: bytes, tmp_path: Path, workshop: Workshop
) -> None:
    wheel = rewritten(
        make_wheel(tmp_path), lambda path, data: (path, record if path.endswith("RECORD") else data)
    )
    with suppress(ImageError):  # a line that is no row may be left out instead
        image_of(wheel, workshop=workshop)


@pytest.mark.parametrize("need", ["x; " + "(" * 5000, "x; python_version == 'é'", "x; extra == 1", "x>=1.é"])
def test_a_requirement_that_cannot_be_read_does_not_end_the_check(need: str, tmp_path: Path) -> None:
    check_lock(*locked(make_wheel(tmp_path, needs=[need])), Quiet())


def test_too_many_requirements_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="more than 10,000 packages"):
        check_lock(*locked(make_wheel(tmp_path, needs=["x"] * 10_001)), Quiet())
