"""A wheel in an image is the tree that a standard installer gives."""

from __future__ import annotations

import ast
import csv
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile as WheelSource

from builds.imaging.assemble import ImageSettings, assemble
from builds.imaging.oci.store import BlobStore
from builds.imaging.packing import segment
from builds.imaging.packing.wheel import Wheel
from builds.imaging.reporting import ImageError
from builds.imaging.workshop import Bytecode, Workshop
from tests.builds.imaging.conftest import Recorder
from tests.builds.imaging.making import empty_base, locked, make_wheel, recorded, unpacked

SITE = "opt/env/lib/python3.11/site-packages"


def ours(wheel: Path, folder: Path, bytecode: Bytecode = "imported") -> Path:
    """Return the folder of an image's package layers, unpacked."""
    workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", bytecode=bytecode)
    lock, fetched = locked(wheel)
    image = assemble(empty_base(), lock, fetched, ImageSettings(), workshop, Recorder())
    root = folder / "ours"
    for layer in image.layers:
        unpacked(workshop.store, layer.digest, root)
    return root


def theirs(wheel: Path, folder: Path, name: str) -> Path:
    """Return the folder that `installer` fills."""
    root = folder / "theirs"
    env = root / "opt/env"
    schemes = {
        "purelib": str(root / SITE),
        "platlib": str(root / SITE),
        "scripts": str(env / "bin"),
        "data": str(env),
        "headers": str(env / f"include/site/python3.11/{name}"),
    }
    destination = SchemeDictionaryDestination(schemes, "/opt/env/bin/python", "posix")
    with WheelSource.open(wheel) as source:
        install(source, destination, additional_metadata={})
    return root


def tree(root: Path, *, generated: set[str]) -> dict[str, tuple[int, str]]:
    """Return mode and content of every file, besides RECORD, bytecode, and the skeleton's own."""
    result = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        own = name.endswith((".pyc", "/RECORD", "pyvenv.cfg")) or path.name.startswith("python")
        if path.is_symlink() or not path.is_file() or own:
            continue
        text = "generated" if name in generated else hashlib.sha256(path.read_bytes()).hexdigest()
        result[name] = (path.stat().st_mode & 0o111, text)
    return result


def of_pip(wheel: Path, folder: Path) -> Path:
    """Return the folder of a virtual environment that pip has installed the wheel in."""
    root = folder / "pip"
    env = root / "opt/env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    options = ["--no-index", "--no-deps", "--no-compile", "--quiet", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "pip", "--python", env, "install", *options, wheel], check=True)
    for script in (env / "bin").iterdir():
        if not script.is_symlink():
            script.write_bytes(script.read_bytes().replace(f"#!{root}/".encode(), b"#!/"))
    for name in ("Activate.ps1", "activate", "activate.csh", "activate.fish"):
        (env / "bin" / name).unlink()
    for name in ("INSTALLER", "REQUESTED", "direct_url.json"):
        (root / SITE / "shop-1.0.dist-info" / name).unlink()
    return root


def record(root: Path) -> set[tuple[str, str, str]]:
    (path,) = (root / SITE).glob("*.dist-info/RECORD")
    with path.open(newline="") as file:
        rows = {(row[0].removeprefix("./"), row[1], row[2]) for row in csv.reader(file)}
    return {row for row in rows if not row[0].endswith(".pyc")}


FILES: dict[str, str | bytes] = {
    "shop/__init__.py": "price = 1\n",
    "shop/empty.py": "",
    "shop/über/größe.txt": "naïve\n",
    "shop/" + "long/" * 45 + "file.txt": "deep\n",
    "shop/" + "n" * 180 + ".txt": "a long name\n",
    "shop/with space, and comma.txt": "odd\n",
    'shop/quote".txt': "odd\n",
    "shop/stored.bin": bytes(range(256)) * 100,
    "shop/tool.sh": "#!/bin/sh\n",
    "shop/broken.py": "this is no python\n",
    "shop-1.0.data/scripts/shop-run": "#!python\nprint('run')\n",
    "shop-1.0.data/scripts/shop-gui": "#!pythonw\nprint('gui')\n",
    "shop-1.0.data/scripts/plain.sh": "#!/bin/sh\necho run\n",
    "shop-1.0.data/data/share/shop/data.csv": "a,b\n",
    "shop-1.0.data/headers/shop.h": "#define SHOP\n",
    "shop-1.0.data/purelib/shop_pure.py": "pure = True\n",
    "shop-1.0.data/platlib/shop_plat.py": "plat = True\n",
}
ENTRY_POINTS = (
    "[console_scripts]\nshop = shop:main\nshop-deep = shop.cli:Group.run\n[gui_scripts]\nshopw = shop:gui\n"
)
GENERATED = {"opt/env/bin/shop", "opt/env/bin/shop-deep", "opt/env/bin/shopw"}


@pytest.fixture
def odd_wheel(tmp_path: Path) -> Path:
    return make_wheel(
        tmp_path,
        files=FILES,
        entry_points=ENTRY_POINTS,
        executable=["shop/tool.sh", *(path for path in FILES if "/scripts/" in path)],
        stored=["shop/stored.bin"],
    )


def test_a_wheel_with_everything_odd_becomes_the_tree_that_installer_makes(
    odd_wheel: Path, tmp_path: Path
) -> None:
    mine, standard = ours(odd_wheel, tmp_path), theirs(odd_wheel, tmp_path, "shop")

    assert tree(mine, generated=GENERATED) == tree(standard, generated=GENERATED)


def test_record_names_the_same_files_with_the_same_hashes(odd_wheel: Path, tmp_path: Path) -> None:
    mine, standard = record(ours(odd_wheel, tmp_path)), record(theirs(odd_wheel, tmp_path, "shop"))
    generated = {"../../../bin/shop", "../../../bin/shop-deep", "../../../bin/shopw"}

    assert {row for row in mine if row[0] not in generated} == {
        row for row in standard if row[0] not in generated
    }
    assert {row[0] for row in mine} == {row[0] for row in standard}


def test_every_hash_in_record_is_that_of_the_file(odd_wheel: Path, tmp_path: Path) -> None:
    root = ours(odd_wheel, tmp_path)
    site = root / SITE

    for name, digest, size in record(root):
        if digest:
            content = (site / name).read_bytes()
            assert (recorded(content), str(len(content))) == (digest, size), name


def test_modules_have_bytecode_and_broken_python_has_none(odd_wheel: Path, tmp_path: Path) -> None:
    root = ours(odd_wheel, tmp_path)

    assert (root / SITE / "shop/__pycache__/__init__.cpython-311.pyc").is_file()
    assert not (root / SITE / "shop/__pycache__/broken.cpython-311.pyc").exists()


def test_scripts_start_the_images_own_python(odd_wheel: Path, tmp_path: Path) -> None:
    scripts = ours(odd_wheel, tmp_path) / "opt/env/bin"

    first = {
        path.name: path.read_text().splitlines()[0] for path in scripts.iterdir() if not path.is_symlink()
    }

    assert first == {
        "plain.sh": "#!/bin/sh",
        "shop": "#!/opt/env/bin/python",
        "shop-deep": "#!/opt/env/bin/python",
        "shop-gui": "#!/opt/env/bin/python",
        "shop-run": "#!/opt/env/bin/python",
        "shopw": "#!/opt/env/bin/python",
    }
    assert "from shop.cli import Group\n" in (scripts / "shop-deep").read_text()
    assert "sys.exit(Group.run())" in (scripts / "shop-deep").read_text()


def test_scripts_start_on_the_python_of_an_old_base(odd_wheel: Path, tmp_path: Path) -> None:
    """`str.removesuffix`, for one, came with Python 3.9."""
    text = (ours(odd_wheel, tmp_path) / "opt/env/bin/shop-deep").read_text()

    attributes = {n.attr for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Attribute)}

    assert attributes == {"argv", "endswith", "exit", "run"}
    ast.parse(text, feature_version=(3, 6))


def test_odd_names_and_scripts_become_the_tree_that_pip_makes(tmp_path: Path) -> None:
    """Also a command that an old script and an entry point both bring: the entry point's wrapper is there."""
    old = "#!python\nimport pkg_resources\n"
    files = {
        "./shop/dotted.py": "dotted = 1\n",
        "shop//./doubled.py": "doubled = 1\n",
        "Shop.data/scripts/other-spelling": "#!python\n",
        "shop-1.0.data/data/lib64/shop/native.txt": "in lib\n",
        "shop-1.0.data/scripts/shop": old,
        "shop-1.0.data/scripts/shop-script.py": old,
        "shop-1.0.data/scripts/shopw.exe": old,
        "shop-1.0.data/scripts/shop.pya": old,
        "shop-1.0.data/scripts/other-script.py": old,
        "shop-1.0.data/data/bin/shop-deep": old,
    }
    wheel = make_wheel(tmp_path, files=files, entry_points=ENTRY_POINTS)

    mine, expected = ours(wheel, tmp_path), of_pip(wheel, tmp_path)

    assert tree(mine, generated=GENERATED) == tree(expected, generated=GENERATED)
    # Unpacking follows the link of a lower layer, which an engine replaces by a folder.
    with Wheel(wheel, "shop", (3, 11)) as opened:
        assert not [member.path for member in opened.members if member.path.startswith("opt/env/lib64")]
    assert "sys.exit(main())" in (mine / "opt/env/bin/shop").read_text()


def test_pip_itself_has_the_commands_that_pip_gives_it(tmp_path: Path) -> None:
    commands = "[console_scripts]\npip = shop:main\npip3 = shop:main\npip2.7 = shop:main\neasy_install-2.7 = shop:a\neasy_install = shop:b\n"
    wheel = make_wheel(tmp_path, entry_points=commands)
    generated = {
        f"opt/env/bin/{name}" for name in ("pip", "pip3", "pip3.11", "easy_install", "easy_install-3.11")
    }

    mine, expected = ours(wheel, tmp_path), of_pip(wheel, tmp_path)

    assert tree(mine, generated=generated) == tree(expected, generated=generated)
    assert generated <= tree(mine, generated=generated).keys()


def test_two_folders_of_metadata_are_refused_with_their_names(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"other-2.0.dist-info/METADATA": "Name: other\nVersion: 2.0\n"})

    with pytest.raises(ImageError, match=r"2 \.dist-info folders, not one: other-2\.0.*, shop-1\.0"):
        ours(wheel, tmp_path)


@pytest.mark.parametrize(
    "path",
    [
        "../evil.py",
        "/etc/passwd",
        "shop/../../evil.py",
        "shop\\evil.py",
        "./../evil.py",
        ".//etc/x/../../../y",
    ],
)
def test_a_wheel_that_writes_elsewhere_is_refused(path: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={path: "evil"})

    with pytest.raises(ImageError, match="would be written elsewhere") as refused:
        ours(wheel, tmp_path)
    assert refused.value.code == "bad-wheel"


def test_an_escape_through_the_data_folder_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"shop-1.0.data/nonsense/x": "evil"})

    with pytest.raises(ImageError, match="which no installer knows"):
        ours(wheel, tmp_path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, files={"shop/__init__.py": "x = 1\n" * 5000})
    content = bytearray(wheel.read_bytes())
    at = content.index(b"shop/__init__.py") + len(b"shop/__init__.py") + 10
    content[at] ^= 0xFF
    wheel.write_bytes(content)

    with pytest.raises(ImageError, match="damaged"):
        ours(wheel, tmp_path)


def test_what_is_no_zip_file_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "shop-1.0-py3-none-any.whl"
    wheel.write_bytes(b"<html>not found</html>")

    with pytest.raises(ImageError, match="not a zip file"):
        ours(wheel, tmp_path)


def test_a_name_that_kept_its_hyphens_inside_the_wheel_is_found(tmp_path: Path) -> None:
    """As old build tools wrote it, and pip takes it."""
    path = make_wheel(tmp_path, "shop-tool", files={"shop_tool.py": "", "shop-tool-1.0.data/data/etc/x": ""})

    with Wheel(path, "shop-tool", (3, 11)) as wheel:
        assert wheel.metadata()["Name"] == "shop-tool"
        assert "opt/env/etc/x" in [member.path for member in wheel.members]
    with pytest.raises(ImageError, match=r"does not name other"):
        Wheel(path, "other", (3, 11))


def test_a_file_named_twice_in_a_wheel_is_in_the_layer_once_if_both_are_the_same(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("shop/__init__.py", "x = 1\n")

    assert (ours(wheel, tmp_path) / SITE / "shop/__init__.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_members_packed_in_other_ways_are_unpacked_too(method: int, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("shop/extra.txt", "extra\n" * 1000, compress_type=method)

    assert (ours(wheel, tmp_path) / SITE / "shop/extra.txt").read_text() == "extra\n" * 1000


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path)
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    wheel.write_bytes(content)

    with pytest.raises(ImageError, match="is encrypted"):
        ours(wheel, tmp_path)


def test_a_large_member_is_streamed_and_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment, "LARGE", 1000)
    files = {"shop/big.bin": b"abc" * 5_000_000, "shop/stored.bin": b"xyz" * 500_000}
    wheel = make_wheel(tmp_path, files=files, stored=["shop/stored.bin"])

    site = ours(wheel, tmp_path, bytecode="none") / SITE
    assert (site / "shop/big.bin").read_bytes() == files["shop/big.bin"]
    assert (site / "shop/stored.bin").read_bytes() == files["shop/stored.bin"]
