"""Many who ask for the same builds at once."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass

import httpx

from bench.load.bench_studio import BenchStudio

DEFINITIONS = 100
EACH = 10
AT_ONCE = 20
TOKEN = "a" * 32


@dataclass(frozen=True)
class Burst:
    """The outcome of a burst."""

    definitions: int
    requests: int
    builds: int
    seconds: float
    p50: float
    p95: float


async def measure_burst(studio: BenchStudio) -> Burst:
    """Press Build a thousand times for a hundred definitions; fail when that makes more or fewer builds."""
    addresses = studio.tell("definitions", DEFINITIONS)
    sessions = studio.tell("people")
    prefix = addresses[0].split("/")[4].rpartition("-")[0]
    presses = [(address, sessions[number]) for address in addresses for number in range(EACH)]
    random.Random(1).shuffle(presses)  # noqa: S311 (not for secrets)
    took: list[float] = []
    gate = asyncio.Semaphore(AT_ONCE)
    limits = httpx.Limits(max_connections=AT_ONCE)

    async with httpx.AsyncClient(base_url=studio.url, trust_env=False, timeout=120, limits=limits) as client:

        async def press(address: str, session: str) -> None:
            cookies = f"studio_session={session}; studio_csrf={TOKEN}"
            async with gate:
                began = time.perf_counter()
                answer = await client.post(
                    address, headers={"Cookie": cookies}, data={"csrfmiddlewaretoken": TOKEN}
                )
                took.append(time.perf_counter() - began)
            assert answer.status_code == 302, f"{address} answered {answer.status_code}"
            assert "/builds/" in answer.headers["location"], (
                f"{address} leads to {answer.headers['location']}"
            )

        began = time.perf_counter()
        await asyncio.gather(*(press(*item) for item in presses))
        seconds = time.perf_counter() - began
    counted = studio.tell("burst", prefix)
    assert counted == {"builds": DEFINITIONS, "requests": len(presses)}, f"the burst came to {counted}"
    took.sort()
    return Burst(
        definitions=DEFINITIONS,
        requests=len(presses),
        builds=counted["builds"],
        seconds=seconds,
        p50=took[len(took) // 2],
        p95=took[int(len(took) * 0.95)],
    )
