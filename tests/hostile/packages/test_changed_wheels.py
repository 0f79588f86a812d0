"""A wheel that is changed in any way is packed or refused as a wheel: never reported as the studio's error."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import given, settings

from builds.imaging.oci.store import BlobStore
from builds.imaging.pip.check import check_lock
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop
from tests.builds.imaging.making import locked, make_wheel, unpacked
from tests.hostile.changing import Change, changed, changes
from tests.hostile.packages.wheels import image_of

pytestmark = pytest.mark.slow
SWAPS = (
    (b"__init__", b"METADATA"),
    (b"RECORD", b"../x/y"),
    (b"dist-info", b"dist-data"),
    (b"METADATA", b"RECORDXX"),
)


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("valid")
    files: dict[str, str | bytes] = {
        "shop/__init__.py": "x = 1\n",
        "shop/y.bin": b"y" * 9000,
        "shop-1.0.data/scripts/s": "#!python\n",
    }
    points = "[console_scripts]\nshop = shop:main\n"
    return make_wheel(
        folder, files=files, entry_points=points, needs=["numpy<2"], stored=["shop/y.bin"]
    ).read_bytes()


@settings(max_examples=150)
@given(drawn=changes())
def test_any_wheel_is_packed_or_refused_as_a_wheel(
    drawn: list[Change], valid: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("wheels")
    wheel = folder / "shop-1.0-py3-none-any.whl"
    wheel.write_bytes(changed(valid, drawn, (b"PK\1\2", b"PK\3\4", b"PK\5\6"), 46, SWAPS))
    workshop = Workshop(store=BlobStore(folder / "store"), cache=folder / "cache", bytecode="none", jobs=1)
    refusal = None
    try:
        check_lock(*locked(wheel), Quiet())
        image = image_of(wheel, workshop=workshop)
        for layer in image.layers:
            unpacked(workshop.store, layer.digest, folder / "root")
    except ImageError as error:
        refusal = error
    finally:
        shutil.rmtree(folder)
    assert refusal is None or refusal.fault == "outside", refusal
