"""Measure the gallery of curated environments: `python -m bench.studio.gallery [--cards 1000]`.

The server's CPU time for its first and later answers, and for a search with facets, in one process on SQLite; the time in
Chromium is in `bench.studio.pages`.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time

TIMES = 10
SEARCHES = {
    "all": "",
    "a word": "&q=model",
    "facets": "&q=framework:pytorch+device:gpu",
    "the list": "&view=list",
}


def main() -> None:
    """Fill a database of its own, and print a line for each address."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.gallery", description=__doc__)
    options.add_argument("--cards", type=int, default=1_000)
    cards = options.parse_args().cards
    with tempfile.TemporaryDirectory(prefix="bench-gallery-") as folder:
        os.environ |= {"STUDIO_VAR": folder, "DJANGO_SETTINGS_MODULE": "studio.settings"}
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        settings.ALLOWED_HOSTS = ["testserver"]
        call_command("migrate", verbosity=0)
        _measure(cards)


def _measure(cards: int) -> None:
    from environments.models import Role
    from tests.builds.scenarios import browser_of, person, save_text

    frameworks = ("pytorch", "tensorflow", "scikit-learn", "")
    for number in range(cards):
        framework = frameworks[number % 4]
        text = f"numpy==1.{number}.0\npandas==2.{number % 7}.1\ntorch==2.{number % 9}.0{'+cu118' * (number % 2)}\n"
        tags = {"framework": framework} if framework else {}
        save_text(text, name=f"AzureML-model-{number:05}", workspace="curated", tags=tags)
    reader = browser_of(person("rita", lab=Role.READER))
    print(f"{cards:,} curated environments; CPU time of one answer, {TIMES} times after the first")
    for name, query in SEARCHES.items():
        seconds = [_seconds(reader, f"/w/lab/environments/?tab=curated{query}") for _ in range(TIMES + 1)]
        first, later = seconds[0] * 1000, statistics.median(seconds[1:]) * 1000
        print(f"{name:12} first {first:8,.0f} ms, then {later:6,.0f} ms", flush=True)


def _seconds(reader: object, path: str) -> float:
    began = time.process_time()
    response = reader.get(path)  # type: ignore[attr-defined]
    assert response.status_code == 200, response.status_code
    return time.process_time() - began


if __name__ == "__main__":
    main()
    sys.exit()
