"""Folders of definitions."""

from __future__ import annotations

from environments.definition.files.folder import MemoryFolder, RecordedFolder


def test_a_file_that_was_not_read_to_its_end_is_not_kept_as_its_text() -> None:
    folder = RecordedFolder(
        MemoryFolder({"a.lock": (0o644, b"whole"), "b.toml": (0o644, b"text"), "c": (0o644, b"")})
    )
    for path, limit in (("a.lock", 0), ("b.toml", 0), ("b.toml", 4), ("b.toml", 1), ("c", 0), ("missing", 9)):
        folder.read(path, limit)
    assert folder.texts(100) == {"b.toml": b"text", "c": b""}
