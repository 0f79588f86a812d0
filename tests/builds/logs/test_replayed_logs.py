"""Real logs of builders, replayed: their steps, what was cached, and progress that is collapsed."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builds.engine.output import Output, output_of
from builds.logs import lines_between, read_log
from builds.logs.ansi import chunks_html
from builds.logs.dockerfile_steps import DockerfileStep, DockerfileSteps
from builds.models.steps import StepName
from environments.models import Role
from tests.builds.scenarios import browser_of, claim_build, person, queue_build, save_text

LOGS = Path(__file__).parent


def classic() -> Iterator[dict[str, Any]]:
    """Yield the classic builder's output as its engine sends it: a line at a time."""
    for line in LOGS.joinpath("classic.log").read_bytes().decode(errors="replace").split("\n"):
        yield {"stream": f"{line}\n"}


def buildkit() -> Iterator[dict[str, Any]]:
    for line in gzip.decompress(LOGS.joinpath("buildkit.jsonl.gz").read_bytes()).splitlines():
        yield json.loads(line)


def shown(events: Iterable[dict[str, Any]]) -> list[str]:
    output = Output()
    lines = [line for event in events for line in output_of(event, output)]
    return [*lines, *output.end()]


def parts_of(lines: Iterable[str]) -> list[DockerfileStep]:
    parts = DockerfileSteps()
    for number, line in enumerate(lines, 1):
        parts.feed(number, line, float(number))
    parts.end(0.0, failed=False)
    return parts.rows


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["classic", "buildkit"])
def test_a_long_real_log_shows_its_steps_and_only_the_last_of_its_progress(kind: str) -> None:
    events = list(classic() if kind == "classic" else buildkit())
    build = queue_build(save_text("a==1\n"))
    output = Output()
    with claim_build(build) as (_, reporter), reporter.step(StepName.BASE):
        for event in events:
            for line in output_of(event, output):
                reporter.line(line)
        for line in output.end():
            reporter.line(line)

    text = read_log(build.pk, limit=10_000).text
    lines = text.splitlines()
    (step,) = build.steps.all()
    names = [part["name"].split(" ")[0] for part in step.parts]
    assert len(text) > 50_000
    assert [name for name in names if name != "ENV"] == "FROM RUN COPY WORKDIR COPY RUN RUN RUN".split()
    for part in step.parts:
        assert part["name"][:100] in lines[part["line"] - 1]
        assert part["seconds"] is not None
    # tqdm drew its bar 150 times over.
    assert len([line for line in lines if "/150 [" in line]) == 1
    assert "100%|" in text
    assert "\r" not in text
    assert 'class="c' in chunks_html(lines_between(build.pk, 1, len(lines)))  # rich's colours
    if kind == "classic":
        assert [part["cached"] for part in step.parts] == [
            False,
            True,
            True,
            True,
            True,
            False,
            False,
            False,
            False,
        ]

    page = browser_of(person("carla", lab=Role.READER)).get(f"/w/lab/builds/{build.pk}/").content.decode()
    assert f"{len(step.parts)} instructions" in page
    assert f'<a href="#L{step.parts[-1]["line"]}"' in page


PLAIN = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s
#4 [1/3] FROM docker.io/library/python:3.11
#4 sha256:aaaaaaaaaaaa 0B / 29.12MB 0.1s
#4 sha256:aaaaaaaaaaaa 8.39MB / 29.12MB 0.3s
#4 sha256:bbbbbbbbbbbb 1.05MB / 3.51MB 0.3s
#4 sha256:aaaaaaaaaaaa 29.12MB / 29.12MB 0.6s
#4 sha256:aaaaaaaaaaaa 29.12MB / 29.12MB 0.6s done
#4 DONE 2.5s
#5 [2/3] RUN apt-get update
#5 CACHED
#6 [stage-1 3/3] RUN pip install numpy
#6 0.512 Collecting numpy
#6 ERROR: process "/bin/sh -c pip install numpy" did not complete successfully: exit code: 1
"""


def test_what_docker_prints_as_plain_progress_is_known_too() -> None:
    lines = shown({"stream": f"{line}\n"} for line in PLAIN.splitlines())

    assert len([line for line in lines if "sha256:aaaaaaaaaaaa" in line]) == 2
    assert [(p["name"], p["position"], p["seconds"], p["cached"], p["failed"]) for p in parts_of(lines)] == [
        ("FROM docker.io/library/python:3.11", "1/3", 2.5, False, False),
        ("RUN apt-get update", "2/3", 0.0, True, False),
        ("RUN pip install numpy", "3/3", pytest.approx(2.0), False, True),
    ]


def frame(*rows: str, height: int = 0) -> str:
    """Return what BuildKit draws on a terminal: over what it drew before, once there is something."""
    up = f"\x1b[{height}A" if height else ""
    return (
        f"{up}\x1b[0G\x1b[?25l[+] Building 1.0s (2/3)\n"
        + "".join(f"\x1b[34m{row}\x1b[0m\n" for row in rows)
        + "\x1b[?25h"
    )


def test_what_is_drawn_over_and_over_on_a_terminal_is_collapsed() -> None:
    drawn = [
        frame(" => [1/2] FROM docker.io/library/python:3.11      0.1s"),
        frame(" => [1/2] FROM docker.io/library/python:3.11      0.9s", " => [2/2] RUN make   0.1s", height=2),
        *(frame(" => CACHED [1/2] FROM docker.io/library/python:3.11    0.0s", f" => [2/2] RUN make   {n}.0s", height=3) for n in range(50)),
    ]  # fmt: skip
    lines = shown({"stream": part} for part in drawn)

    assert len(lines) < 8, lines
    assert not [line for line in lines if "\x1b" in line]
    assert [(p["name"], p["seconds"], p["cached"]) for p in parts_of(lines)] == [
        ("FROM docker.io/library/python:3.11", 0.0, True),
        ("RUN make", 49.0, False),
    ]


def test_layers_that_are_pulled_side_by_side_take_a_line_for_each_thing_that_happens() -> None:
    events = [
        {"status": status, "id": layer, "progress": f"[=> ] {done}MB/9MB"}
        for status in ("Pulling fs layer", "Downloading", "Extracting", "Pull complete")
        for done in (range(50) if status in ("Downloading", "Extracting") else [0])
        for layer in ("0123456789ab", "ba9876543210")
    ]
    assert len(shown(events)) == 8
