"""An index or a channel does not choose where a file is on the studio's disk."""

from __future__ import annotations

import pytest

from builds.imaging.download.fetch import fetch
from builds.imaging.lock import Kind, Lock, LockedPackage
from builds.imaging.reporting import ImageError, Quiet
from builds.imaging.workshop import Workshop


@pytest.mark.parametrize(
    "name", ["..", ".", "", "../../x.whl", "x" * 300, "x\0.whl", "x\n.whl", "\ud800.whl"]
)
@pytest.mark.parametrize("kind", ["wheel", "conda", "sdist"])
def test_a_file_name_that_is_none_is_refused_before_anything_is_requested(
    name: str, kind: Kind, workshop: Workshop
) -> None:
    package = LockedPackage.model_construct(
        ecosystem="pypi",
        name="shop",
        version="1.0",
        url="http://127.0.0.1:9/x",
        sha256="0" * 64,
        size=0,
        filename=name,
        kind=kind,
    )
    with pytest.raises(ImageError, match="which no disk can hold") as refused:
        fetch(Lock(python="3.11.7").model_copy(update={"packages": (package,)}), workshop, Quiet())
    assert (refused.value.code, refused.value.fault) == ("bad-package", "outside")
