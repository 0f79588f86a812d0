"""Coverage-guided fuzzers for foreign files: `python -m tests.hostile.fuzzing wheel|conda|layer|documents -max_total_time=60`.

The fuzzer's bytes choose names, headers, sizes and documents of a package or an image, so that most of them get past
the first check. Each of them is read, or refused as its maker's fault.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import resource
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import atheris  # type: ignore[import-untyped]
import zstandard

with atheris.instrument_imports(include=["builds.imaging"]):
    from builds.imaging.bases.documents import blobs_of, config_of, offered
    from builds.imaging.bases.tree import Tree, described, opened
    from builds.imaging.conda.archive import contents
    from builds.imaging.conda.package.copying import copied
    from builds.imaging.files import WheelFile
    from builds.imaging.packing.wheel import Wheel
    from builds.imaging.reporting import ImageError, Quiet

T = TypeVar("T")
PYTHON = (3, 11)
MEMORY_BYTES = 2 << 30
DIGEST = "sha256:" + "ab" * 32
SIZES = (0, 1, 511, 512, 513, 2**16, 2**31, 2**32 - 1, 2**33, 2**63, 2**64 - 1, -1)
PATHS = (
    "usr/bin/python3.12", "usr/bin/python3", "lib/libc.so.6", "etc/os-release", ".wh.usr", ".wh..wh..opq", "../x",
    "/x", "a/../b", "./a", "a", "A", "a/", "", "x" * 300, "\N{LATIN SMALL LETTER E WITH ACUTE}", "e\N{COMBINING ACUTE ACCENT}",
)  # fmt: skip
WHEEL_PATHS = (
    "shop/__init__.py", "shop-1.0.dist-info/METADATA", "shop-1.0.dist-info/RECORD", "shop-1.0.dist-info/WHEEL",
    "shop-1.0.dist-info/entry_points.txt", "shop-1.0.data/scripts/s", "shop-1.0.data/data/x", "shop-2.0.dist-info/METADATA",
)  # fmt: skip
WHEEL_LINES = (
    "Metadata-Version: 2.1", "Name: shop", "Name: Shop", "Version: 1.0", "Version: 1.0.0", "Requires-Dist: a<2; x",
    "[console_scripts]", "s = shop:main", "s = shop:a.b [x]", "s=../x:y", "shop/__init__.py,sha256=AA,1", "a,,", "\0",
)  # fmt: skip
CONDA_PATHS = (
    "info/index.json", "info/paths.json", "info/files", "info/has_prefix", "info/link.json", "info/no_link",
    "bin/x", "bin", "site-packages/a.py", "lib/a", "lib/b", "conda-meta/history", "info",
)  # fmt: skip
NAMES = (
    "mediaType", "digest", "size", "manifests", "layers", "config", "platform", "annotations", "os", "architecture",
    "variant", "rootfs", "diff_ids", "history", "Env", "Labels", "schemaVersion", "urls", "linux", "amd64", DIGEST,
    "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json", "PATH=/usr/bin",
    "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip",
    "name", "version", "build", "build_number", "depends", "subdir", "noarch", "python", "entry_points", "paths",
    "_path", "path_type", "hardlink", "softlink", "directory", "sha256", "size_in_bytes", "prefix_placeholder",
    "file_mode", "text", "binary", "paths_version", "shop", "1.0", "py_0", "a=x:y", "no_link", "\0", "\ud800",
)  # fmt: skip
INDEX = {
    "name": "shop",
    "version": "1.0",
    "build": "py_0",
    "build_number": 0,
    "depends": [],
    "subdir": "noarch",
}


class Draw:
    """Values that the fuzzer's bytes choose."""

    def __init__(self, data: bytes) -> None:
        self._provider = atheris.FuzzedDataProvider(data)

    def yes(self) -> bool:
        return bool(self._provider.ConsumeBool())

    def number(self, most: int) -> int:
        return int(self._provider.ConsumeIntInRange(0, most))

    def of(self, values: Sequence[T]) -> T:
        return values[self.number(len(values) - 1)]

    def content(self, most: int = 64) -> bytes:
        return bytes(self._provider.ConsumeBytes(self.number(most)))

    def text(self, known: Sequence[str]) -> str:
        return (
            str(self._provider.ConsumeUnicodeNoSurrogates(self.number(12)))
            if self.number(7) == 0
            else self.of(known)
        )

    def lines(self, known: Sequence[str]) -> bytes:
        return "\n".join(self.text(known) for _ in range(self.number(8))).encode(errors="surrogatepass")

    def document(self, known: Sequence[str], depth: int = 4) -> Any:
        """Draw a value of JSON, mostly an object with known keys."""
        match self.number(9 if depth else 4):
            case 0:
                return self.of((None, True, 0.5, -1, 2**53, 2**400))
            case 1:
                return self.of(SIZES)
            case 2 | 3 | 4:
                return self.text(known)
            case 5 | 6:
                return [self.document(known, depth - 1) for _ in range(self.number(3))]
            case _:
                return {self.text(known): self.document(known, depth - 1) for _ in range(self.number(6))}

    def damaged(self, content: bytes) -> bytes:
        """Draw a file with a few bytes changed, mostly none."""
        result = bytearray(content)
        for _ in range(self.number(3) if self.number(3) == 0 else 0):
            at = self.number(max(len(result) - 1, 0))
            result[at : at + self.number(2)] = self.content(4)
        return bytes(result)


def as_json(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")


def documents(draw: Draw, _folder: Path) -> None:
    """Read a manifest, an index or the config of an image."""
    body = draw.damaged(as_json(draw.document(NAMES, depth=5)))
    draw.of((offered, blobs_of, config_of))("example", body)


def tar(draw: Draw, paths: Sequence[str], content: Callable[[str], bytes]) -> bytes:
    """Draw a tar: links, devices, long names, extended headers, sizes that are not true."""
    out = io.BytesIO()
    for _ in range(draw.number(8)):
        entry = tarfile.TarInfo(draw.text(paths))
        entry.type = draw.of(
            (b"0", b"0", b"0", b"2", b"1", b"5", b"3", b"6", b"L", b"K", b"x", b"g", b"S", b"7", b"\0")
        )
        entry.linkname = draw.text(paths) if entry.type in b"12" else ""
        data = content(entry.name)
        if entry.type in b"xg":
            record = f" {draw.of(('path', 'size', 'linkpath', 'GNU.sparse.map', 'hdrcharset'))}={draw.text(paths)}\n"
            data = f"{draw.of((len(record) + 2, draw.number(99)))}{record}".encode(errors="surrogatepass")
        entry.size = len(data) if draw.number(7) else draw.of(SIZES[:9])
        out.write(entry.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogatepass"))
        out.write(data + bytes(-len(data) % 512))
    return out.getvalue() + bytes(draw.of((1024, 0, 512)))


def layer(draw: Draw, folder: Path) -> None:
    """Read two layers of a base image."""
    tree = Tree(names_only=draw.yes())
    for number in range(2):
        path = folder / str(number)
        path.write_bytes(draw.damaged(packed(draw, tar(draw, PATHS, lambda _: draw.content()))))
        with opened(path, DIGEST, Quiet()) as archive:
            tree.add(archive, Quiet())
    described(tree, {"config": {"Env": ["PATH=/usr/bin"]}})


def packed(draw: Draw, content: bytes) -> bytes:
    """Draw a compression."""
    compressions: tuple[Callable[[bytes], bytes], ...] = (bytes, gzip.compress, zstandard.compress)
    return draw.of(compressions)(content)


def wheel(draw: Draw, folder: Path) -> None:
    """Read all of a wheel: its metadata, its scripts, the content of each member."""
    out = io.BytesIO()
    metadata = "Metadata-Version: 2.1\nName: shop\nVersion: 1.0\n"
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(draw.number(6)):
            name = draw.text(WHEEL_PATHS)
            text = metadata.encode() if number == 0 else b""
            info = zipfile.ZipInfo("shop-1.0.dist-info/METADATA" if number == 0 else name)
            info.compress_type = draw.of(
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            )
            info.external_attr = draw.of((0o644, 0o755, 0o120777, 0o40755)) << 16
            archive.writestr(info, text + draw.lines(WHEEL_LINES))
    path = folder / "shop-1.0-py3-none-any.whl"
    path.write_bytes(draw.damaged(out.getvalue()))
    with Wheel(path, "shop", PYTHON, "1.0") as file:
        file.requirements()
        file.entry_points()
        file.recorded()
        for member in file.members:
            file.stream(member.info)
            for piece in file.pieces(member.info):
                file.with_shebang(piece)


def conda(draw: Draw, folder: Path) -> None:
    """Read and copy a conda package."""

    def content(path: str) -> bytes:
        if path == "info/index.json":
            other = draw.document(NAMES, 2) if draw.number(3) == 0 else {}
            return as_json(INDEX | other if isinstance(other, dict) else other)
        if path.endswith(".json"):
            return as_json(
                {"paths": [draw.document((*CONDA_PATHS, *NAMES), 2) for _ in range(draw.number(3))]}
            )
        return draw.lines(CONDA_PATHS) if path.startswith("info/") else draw.content()

    if draw.yes():
        path = folder / "shop-1.0-py_0.tar.bz2"
        path.write_bytes(draw.damaged(bz2.compress(tar(draw, CONDA_PATHS, content), 1)))
    else:
        path = folder / "shop-1.0-py_0.conda"
        with zipfile.ZipFile(path, "w") as outer:
            outer.writestr("metadata.json", draw.of(('{"conda_pkg_format_version": 2}', "{}", "[")))
            for part in draw.of((("pkg", "info"), ("info", "pkg"), ("info",), ("info", "info"))):
                outer.writestr(
                    f"{part}-shop-1.0-py_0.tar.zst", zstandard.compress(tar(draw, CONDA_PATHS, content))
                )
        path.write_bytes(draw.damaged(path.read_bytes()))
    file = WheelFile("shop", "1.0", path, "ab" * 32, path.stat().st_size)
    contents(file)
    target = folder / "copy"
    target.mkdir()
    copied(file, target, draw.of((PYTHON, (0, 0))))


READERS = {"wheel": wheel, "conda": conda, "layer": layer, "documents": documents}


def main(name: str, arguments: Sequence[str]) -> None:
    """Fuzz one reader until the time is over or it raises what no caller expects."""
    read = READERS[name]
    root = Path(tempfile.mkdtemp(prefix="fuzzing-"))

    def try_one(data: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=root) as folder:
            try:
                read(Draw(data), Path(folder))
            except ImageError as error:
                if error.fault != "outside" and error.code != "too-many-layers":
                    raise

    # libFuzzer's own limit looks at the peak, which Linux hands on from the process that started this program.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    atheris.Setup([sys.argv[0], "-rss_limit_mb=0", *arguments], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
