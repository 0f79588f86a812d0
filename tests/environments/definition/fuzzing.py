"""A coverage-guided fuzzer for the readers: `python -m tests.environments.definition.fuzzing -max_total_time=60 [CORPUS]`.

Any bytes read as a definition or as reasons why not, and what was
accepted survives being written and read again.
"""

from __future__ import annotations

import resource
import sys

import atheris  # type: ignore[import-untyped]

with atheris.instrument_imports(include=["environments.definition", "packaging"]):
    from environments.definition import CannotWrite, Definition, diff, read, write
    from environments.definition.cli import reading_json
    from environments.definition.difference import diff_readings
    from environments.definition.writing.write import FILE_NAMES

NAMES = (
    "", "environment.yml", "requirements.txt", "Dockerfile", "conda-lock.yml", "pylock.toml", "spec.json",
    "conda-linux-64.lock", "packages.txt", "context.zip", "pixi.toml", "pyproject.toml", "pixi.lock", "uv.lock",
    "poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock", "tool.py", "setup.cfg",
)  # fmt: skip
ROUND_TRIPS = ("v1-json", "v2-yaml", "conda-env", "requirements", "dockerfile", "pixi-toml", "pyproject")


def try_one(data: bytes) -> None:
    """Read these bytes (the first byte chooses the file name) and check the invariants of any reading."""
    name = NAMES[data[0] % len(NAMES)] if data else ""
    reading = read(data[1:], name)
    assert reading.accepted != any(finding.severity == "error" for finding in reading.findings)
    reading_json(reading)
    diff_readings(reading, reading)
    definition = reading.definition
    if definition is None:
        return
    assert Definition.model_validate(definition.model_dump(mode="json")) == definition
    assert diff(definition, definition).same_hash
    for format in ROUND_TRIPS:
        try:
            text = write(definition, format)
        except CannotWrite:
            continue
        # Lists of packages name no base: they are read on the definition's base.
        again = read(text, FILE_NAMES[format], default_image=definition.image or "host")
        assert again.definition is not None, (format, text, again.errors)
        assert again.definition.hash == definition.hash, (format, text)


MEMORY_BYTES = 2 << 30

if __name__ == "__main__":
    # libFuzzer's own limit looks at the peak, which Linux hands on from the process that started this program.
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    atheris.Setup([sys.argv[0], "-rss_limit_mb=0", *sys.argv[1:]], try_one)
    atheris.Fuzz()
