"""Builds go on while workers, broker and database fail at random: none is lost, none is made twice.

`STORM_BUILDS=600 make test ARGS="-n0 -s tests/builds/faults/test_fault_storm.py"` takes about ten minutes.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.builds.faults.client import ENDED, query, request_builds
from tests.builds.faults.invariants import assert_invariants
from tests.builds.faults.test_faults import QUICK
from tests.builds.imaging.making import make_wheel
from tests.builds.imaging.serving import Index
from tests.services.deployment import Deployment
from tests.services.fixtures import StartDeployment
from tests.services.processes import NotReadyError, kill, wait_until
from tests.services.servers.postgres import Postgres
from tests.services.servers.redis import Redis

BUILDS = int(os.environ.get("STORM_BUILDS", "12"))
PACKAGES = 40
BETWEEN_SECONDS = 3.0


@pytest.fixture
def many_packages(tmp_path: Path) -> Iterator[Index]:
    """An index with so many packages that no two builds are equal."""
    for number in range(PACKAGES):
        make_wheel(tmp_path / "packages", f"goods{number}", "1.0", {f"goods{number}.py": "OPEN = True\n"})
    served = Index(tmp_path / "packages")
    with served.server.running():
        yield served


@pytest.mark.timeout(max(300, 6 * BUILDS))
def test_no_build_is_lost_or_doubled_while_anything_fails(
    start_deployment: StartDeployment,
    stock: Path,
    stoppable_postgres: Postgres,
    stoppable_redis: Redis,
    many_packages: Index,
    tmp_path: Path,
) -> None:
    seed = int(os.environ.get("STORM_SEED", random.randrange(1 << 30)))  # noqa: S311
    chance = random.Random(seed)  # noqa: S311
    print(f"STORM_SEED={seed}")
    settings = {
        "CELERY_BROKER_URL": stoppable_redis.url,
        "STUDIO_INDEX_URL": many_packages.url,
        **QUICK,
        "STUDIO_BUILDS_AT_ONCE": "2",
        "STUDIO_LIMIT_AT_ONCE": "8",
        "STUDIO_LIMIT_QUEUED": "1000",
        "DJANGO_SETTINGS_MODULE": "tests.builds.faults.many_attempts_settings",
    }
    studio = start_deployment(stock, settings, webs=0, workers=2, database=stoppable_postgres)
    pairs = itertools.combinations(range(PACKAGES), 2)
    wanted = {f"pair_{a}_{b}": f"goods{a}==1.0\ngoods{b}==1.0\n" for a, b in itertools.islice(pairs, BUILDS)}
    requested = request_builds(studio, tmp_path, **wanted)
    faults: dict[str, Callable[[], None]] = {
        "a worker is killed": lambda: kill_one(studio, chance),
        "a worker is stopped": lambda: stop_one(studio, chance),
        "the broker forgets": lambda: stoppable_redis.empty(stoppable_redis.url),
        "the broker crashes": lambda: crash(stoppable_redis),
        "the database crashes": lambda: crash(stoppable_postgres),
    }
    happened: Counter[str] = Counter()
    while left(studio):
        name = chance.choice([*faults])
        happened[name] += 1
        faults[name]()
        with suppress(NotReadyError):
            wait_until(lambda: not left(studio), BETWEEN_SECONDS, "more to do")
    ends = assert_invariants(studio, requested, seconds=10)
    assert {end["state"] for end in ends.values()} == {"succeeded"}, Counter(map(str, ends.values()))
    attempts = Counter(end["attempt"] for end in ends.values())
    print(f"{BUILDS} builds; attempts {dict(attempts)}; {dict(happened)}")


def left(studio: Deployment) -> int:
    """Return how many builds have not ended."""
    states = ", ".join(f"'{state}'" for state in sorted(ENDED))
    ((count,),) = query(studio, f"SELECT count(*) FROM builds_build WHERE state NOT IN ({states})")  # noqa: S608
    return int(count)


def kill_one(studio: Deployment, chance: random.Random) -> None:
    """Kill a worker with -9, and start another."""
    worker = studio.workers.pop(chance.randrange(len(studio.workers)))
    worker.kill()
    studio.start(webs=0, workers=1)


def stop_one(studio: Deployment, chance: random.Random) -> None:
    """Stop a worker for longer than its builds wait for it."""
    worker = chance.choice(studio.workers)
    stopped = worker.family()
    kill(stopped, signal.SIGSTOP)
    with suppress(NotReadyError):
        wait_until(lambda: not left(studio), float(QUICK["STUDIO_LOST_AFTER_SECONDS"]) + 2, "it is stopped")
    kill(stopped, signal.SIGCONT)


def crash(service: Postgres | Redis) -> None:
    """Kill a service with -9, and start it again."""
    with service.outage(crash=True):
        pass
