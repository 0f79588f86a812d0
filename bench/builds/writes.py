"""Count what a build writes into the database: `python -m bench.builds.writes [PACKAGE …]`.

Counts the statements that write of one build and of one cache hit, the bytes of its log, and the seconds, on a
studio of its own (SQLite, the `host` base, the real package index). `bench.builds.queue` reckons with them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

PACKAGES = ["six==1.16.0"]
WRITING = ("INSERT", "UPDATE", "DELETE")
QUOTE = '"'


class Count:
    """Counts what all threads of this process write."""

    def __init__(self) -> None:
        self.tables: Counter[str] = Counter()
        self._guard = threading.Lock()

    def __call__(
        self, execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any
    ) -> Any:
        arguments = sql.split(maxsplit=3)
        if arguments and arguments[0] in WRITING:
            table = arguments[1] if arguments[0] == "UPDATE" else arguments[2]
            with self._guard:
                self.tables[f"{arguments[0]} {table.strip(QUOTE)}"] += 1
        return execute(sql, parameters, many, context)


def main() -> None:
    """Build, ask again, and print what both wrote."""
    packages = sys.argv[1:] or PACKAGES
    with tempfile.TemporaryDirectory(prefix="bench-writes-") as folder:
        os.environ |= {"STUDIO_VAR": folder, "DJANGO_SETTINGS_MODULE": "studio.settings"}
        os.environ.pop("DATABASE_URL", None)
        import django

        django.setup()
        count_in(Path(folder), packages)


def count_in(folder: Path, packages: list[str]) -> None:
    """Count on a studio in this folder."""
    from django.db import connection
    from django.db.backends.signals import connection_created

    from builds.models import Build, LogBlock, LogChunk
    from builds.queue.claims import Claim
    from builds.queue.requests import request_build
    from builds.worker import runner
    from environments.definition import read_path
    from environments.versions.service import save_reading
    from studio.preparation import prepare

    count = Count()

    def watch(connection: Any, **_: Any) -> None:
        connection.execute_wrappers.append(count)

    prepared = prepare()
    file = folder / "requirements.txt"
    text = "\n".join(packages) + "\n"
    file.write_text(text)
    reading = read_path(file, default_image="host")
    version = save_reading(prepared.workspace, "counted", reading, source=text).version
    connection_created.connect(watch)
    connection.close()  # the next build is counted

    request = request_build(version, prepared.admin, inline=True)
    assert request.build_id is not None
    claim = Claim.take(request.build_id, runner.worker_name())
    assert claim is not None
    runner.run_claimed(claim)
    build = Build.objects.get(pk=request.build_id)
    tell(f"build: {build.state} in {build.seconds:.1f} s", count)
    packed = sum(len(block.packed) for block in LogBlock.objects.filter(build=build))
    loose = sum(len(chunk.text.encode()) for chunk in LogChunk.objects.filter(build=build))
    print(f"  log: {build.log_lines} lines, {(packed + loose) / 1000:.1f} kB kept")
    count.tables.clear()
    assert request_build(version, prepared.admin).reused
    tell("hit", count)


def tell(what: str, count: Count) -> None:
    """Print the sum, and what it is made of."""
    print(f"{what}: {count.tables.total()} statements that write")
    for table, times in count.tables.most_common():
        print(f"  {times:5} {table}")


if __name__ == "__main__":
    main()
