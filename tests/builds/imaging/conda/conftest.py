"""A channel of the test's own, and a base without Python."""

from __future__ import annotations

from pathlib import Path

import pytest

from builds.imaging.bases.model import Base
from builds.imaging.workshop import Workshop
from tests.builds.imaging.conda.making import (
    PLACEHOLDER,
    bare_base,
    index,
    make_module,
    make_package,
    make_python,
)


@pytest.fixture(scope="session")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A channel with a real Python and packages of every kind."""
    folder = tmp_path_factory.mktemp("channel")
    make_python(folder)
    make_package(
        folder,
        "native",
        "1.2",
        {
            "bin/native": f"#!/bin/sh\ncat {PLACEHOLDER}/share/native.txt\n",
            "share/native.txt": "from the native package\n",
            "lib/libnative.so.1": b"\x7fELF" + PLACEHOLDER.encode() + b"/share\0after\0",
            "lib/libnative.so": ("libnative.so.1",),
        },
        placeholders={"bin/native": "text", "lib/libnative.so.1": "binary"},
        executable=["bin/native"],
        needs=["__glibc >=2.17"],
        old_format=True,
    )
    make_package(folder, "native", "1.1", {"share/native.txt": "old\n"})
    make_module(folder, "greeter", "2.0", needs=["native >=1.0"], entry_points=["greet = greeter:main"])
    make_module(folder, "greeter", "1.0")
    make_module(folder, "oldish", needs=["native <1.2"])
    make_module(folder, "tomli", "2.0.1")
    make_package(
        folder,
        "scripted",
        files={"bin/.scripted-post-link.sh": "#!/bin/sh\ntouch /tmp/scripted-ran\n"},
        executable=["bin/.scripted-post-link.sh"],
    )
    make_package(folder, "modern", needs=["__glibc >=9"])
    index(folder)
    return folder


@pytest.fixture(scope="session")
def bare(shared_workshop: Workshop) -> Base:
    """A base with a shell and no Python."""
    return bare_base(shared_workshop)
