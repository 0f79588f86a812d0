"""Packages that are packed: found again, or taken over from the confined processes that packed them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from builds.imaging.bytecode.interpreters import Minor
from builds.imaging.files import WheelFile
from builds.imaging.oci.handover import handed_over
from builds.imaging.oci.layer import Layer
from builds.imaging.oci.manifest import Descriptor
from builds.imaging.packing.segment import FORMAT, Packed, Segment
from builds.imaging.workshop import Workshop


class Segments:
    """The segments of wheels for one Python: the path of their modules depends on its minor version."""

    def __init__(self, workshop: Workshop, python: Minor) -> None:
        self._workshop = workshop
        self.python = python
        self._codec = workshop.codec

    def known(self, wheel: WheelFile, *, alone: bool) -> Segment | None:
        """Return the wheel's segment if it was packed before and is still here."""
        key = self._key(wheel, alone=alone)
        result: Any = self._workshop.recall("segments", key)
        if result is None:
            return None
        files, commands = result["files"], tuple(result["commands"])
        if result["layer"] is not None:
            layer = Layer.from_json(result["layer"])
            there = self._workshop.store.has(layer.descriptor.digest)
            return Segment(key, wheel.name, wheel.version, files, None, layer, commands) if there else None
        file = self._file(key)
        # A machine that lost its power may have kept the note, and less of the file.
        whole = self._workshop.used(file) and file.stat().st_size == result.get("size")
        return Segment(key, wheel.name, wheel.version, files, file, None, commands) if whole else None

    def keep(self, wheel: WheelFile, packed: Packed, file: Path, *, alone: bool) -> Segment:
        """Take over the file that a process has packed the wheel into, and return its segment.

        Names come from here: the key from the wheel, the digest from the bytes that arrived.
        """
        key = self._key(wheel, alone=alone)
        if alone:
            digest, size = self._workshop.store.adopt(file)
            descriptor = Descriptor(media_type=self._codec.media_type, digest=digest, size=size)
            layer = Layer(descriptor, packed.diff_id, packed.unpacked, f"{wheel.name} {wheel.version}")
            segment = Segment(key, wheel.name, wheel.version, packed.files, None, layer, packed.commands)
        else:
            with handed_over(file, self._workshop.folder("segments")) as (moved, content):
                self._workshop.reserve_disk(os.fstat(content.fileno()).st_size)
                moved.replace(self._file(key))
            segment = Segment(
                key, wheel.name, wheel.version, packed.files, self._file(key), None, packed.commands
            )
        entry = {
            "files": segment.files,
            "layer": segment.layer and segment.layer.to_json(),
            "commands": segment.commands,
        }
        self._workshop.remember("segments", key, {**entry, "size": segment.stored})
        return segment

    def _key(self, wheel: WheelFile, *, alone: bool) -> str:
        kind = "layer" if alone else "part"
        return f"{FORMAT} {self._codec.key} {self.python} {kind} {wheel.path.name} {wheel.sha256}"

    def _file(self, key: str) -> Path:
        return (
            self._workshop.folder("segments")
            / f"{hashlib.sha256(key.encode()).hexdigest()}{self._codec.suffix}"
        )
