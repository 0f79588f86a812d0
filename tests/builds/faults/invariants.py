"""Invariants after every fault: nothing is lost, nothing is doubled, nothing is left behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from tests.builds.faults.client import RequestedBuilds, SetUp, Watcher, log_of, query, wait_for
from tests.services.processes import ProcessInfo, process_table, wait_until


def assert_invariants(
    studio: SetUp,
    requested: RequestedBuilds,
    *,
    url: str = "",
    watchers: Iterable[Watcher] = (),
    gone: Iterable[ProcessInfo] = (),
    seconds: float = 60,
) -> dict[str, dict[str, Any]]:
    """Check the invariants after a fault; return how each build ended.

    Every build has ended; no shown line is lost or doubled; every image has all its blobs; each definition has
    one success and one current image; no process in `gone` is alive.
    """
    ends = {name: wait_for(studio, build, seconds=seconds) for name, build in requested.builds.items()}
    for watcher in watchers:
        assert watcher.ended.wait(30), "the viewer did not receive the end"
        numbers = [number for number, _ in watcher.shown]
        assert numbers == list(range(1, len(numbers) + 1)), f"lines lost or doubled: {numbers}"
        assert [text for _, text in watcher.shown] == log_of(url, watcher.build, requested.cookies)
    for build in requested.builds.values():
        assert_log_is_whole(studio, build)
    assert_images_are_whole(studio)
    assert_nothing_is_double(studio)
    assert_gone(gone)
    return ends


def assert_log_is_whole(studio: SetUp, build: str) -> None:
    """Fail if a chunk of the log is missing, packed or not."""
    ((parts, loose, packed),) = query(
        studio,
        "SELECT log_seq, (SELECT count(*) FROM builds_logchunk WHERE build_id = b.id), "
        "(SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM builds_logblock WHERE build_id = b.id) "
        "FROM builds_build AS b WHERE id = ?",
        build,
    )
    assert loose + packed == parts, f"build {build}: {loose} parts and {packed} packed ones of {parts}"


def assert_images_are_whole(studio: SetUp) -> None:
    """Fail if a blob of an image is missing from the store or incomplete."""
    blobs = studio.var / "store" / "blobs" / "sha256"
    for (digest,) in query(studio, "SELECT digest FROM builds_image"):
        manifest = json.loads((blobs / digest.partition(":")[2]).read_bytes())
        for part in (manifest["config"], *manifest["layers"]):
            blob = blobs / part["digest"].partition(":")[2]
            assert blob.stat().st_size == part["size"], f"{digest}: {part}"


def assert_nothing_is_double(studio: SetUp) -> None:
    """Fail if a definition was built twice successfully, or has two current images."""
    twice = (
        "SELECT workspace_id, hash, count(*) FROM builds_{} GROUP BY workspace_id, hash HAVING count(*) > 1"
    )
    success = twice.replace(" GROUP", " WHERE state = 'succeeded' AND NOT reused GROUP")
    current = twice.replace(" GROUP", " WHERE current GROUP")
    assert query(studio, success.format("build")) == []
    assert query(studio, current.format("image")) == []


def assert_gone(processes: Iterable[ProcessInfo], seconds: float = 10) -> None:
    """Fail if one of these processes is still alive."""
    wanted = {process.pid: process.command for process in processes}

    def alive() -> list[str]:
        table = process_table()
        return [
            command
            for pid, command in wanted.items()
            if pid in table and not table[pid].zombie and table[pid].command == command
        ]

    wait_until(lambda: not alive(), seconds, lambda: f"left behind: {alive()}")
