"""Coverage-guided fuzzers of the readers of foreign files find nothing within their time."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("reader", ["wheel", "conda", "layer", "documents"])
def test_a_fuzzer_that_knows_the_structure_finds_nothing_within_its_time(reader: str, tmp_path: Path) -> None:
    """Two seconds each; `make fuzz READER=wheel SECONDS=3600` takes an hour."""
    pytest.importorskip("atheris")
    seed = random.randrange(1, 1 << 30)  # noqa: S311
    limits = ["-max_total_time=2", "-timeout=20", "-max_len=2000", f"-seed={seed}"]
    command = [
        sys.executable,
        "-m",
        "tests.hostile.fuzzing",
        reader,
        *limits,
        f"-artifact_prefix={tmp_path}/",
    ]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=140, cwd=ROOT)

    assert done.returncode == 0, f"seed {seed}\n{done.stderr[-4000:]}"
    assert "Done " in done.stderr
