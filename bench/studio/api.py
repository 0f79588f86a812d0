"""Measure the API with very many environments: `python -m bench.studio.api [--quick] [--folder DIR]`.

One web process on real sockets, a token, a hundred thousand environments in one workspace. Each route is asked one
request after the other, and then by four at once; the wish is an answer within 100 ms for 95 of 100.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench.load.bench_studio import DATABASES, BenchStudio
from tests.services.studio import ROOT

WISH_MS = 100
AT_ONCE = 4
LAB = "workspaces/lab/"
ENVIRONMENT = f"{LAB}environments/{{name}}/"
VERSION = f"{ENVIRONMENT}versions/latest/"
TEXT = "numpy==2.1.3\nscipy==1.14.1\npandas==2.2.3\n"


@dataclass(frozen=True)
class Route:
    """A question to the API; one with a body is sent by POST."""

    name: str
    path: str
    body: dict[str, Any] | None = None


ROUTES = (
    Route("who I am (little more than the token)", "me/"),
    Route("workspaces", "workspaces/"),
    Route("environments", f"{LAB}environments/"),
    Route("environments, 500 of them", f"{LAB}environments/?size=500"),
    Route("environments, a word of every text", f"{LAB}environments/?q=numpy"),
    Route("environments, a part of few names", f"{LAB}environments/?q=odel-00000"),
    Route("environments, what is nowhere", f"{LAB}environments/?q=zqxj"),
    Route("environments, by package", f"{LAB}environments/?q=numpy%3C3"),
    Route("environment", ENVIRONMENT),
    Route("versions", f"{ENVIRONMENT}versions/"),
    Route("version", VERSION),
    Route("definition", f"{VERSION}definition/?as=v2-yaml"),
    Route("packages of its image", f"{VERSION}packages/"),
    Route("lock of its image", f"{VERSION}lock/"),
    Route("builds", f"{LAB}builds/"),
    Route("builds, failed", f"{LAB}builds/?state=failed"),
    Route("builds, of an environment", f"{LAB}builds/?environment={{name}}"),
    Route("build", f"{LAB}builds/{{build}}/"),
    Route("images", f"{LAB}images/"),
    Route("image", f"{LAB}images/{{digest}}/"),
    Route("activity", f"{LAB}events/"),
    Route("images with a package", "packages/?q=numpy%3C3"),
    Route("difference of two versions", "diff/?a=lab/{name}:1&b=lab/{other}:1"),
    Route("findings of a text", "findings/", {"text": TEXT, "filename": "requirements.txt"}),
    Route("ask for an image that is there", f"{VERSION}builds/", {}),
    Route("save what is there already", f"{LAB}environments/again/versions/", {"text": TEXT}),
)


@dataclass(frozen=True)
class Taken:
    """Response time in milliseconds, and requests per second."""

    p50: float
    p95: float
    per_second: float


def main() -> None:
    """Measure on each database, and print a row for each route."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.api", description=__doc__)
    options.add_argument("--databases", default=",".join(DATABASES))
    options.add_argument(
        "--folder", type=Path, help="keeps the data for the next run; that of bench.load fits"
    )
    options.add_argument(
        "--quick", action="store_true", help="2,000 environments: a minute, to see that it works"
    )
    options.add_argument("--environments", type=int, default=100_000)
    options.add_argument("--versions", type=int, default=10, help="of each environment")
    options.add_argument("--times", type=int, default=100, help="how often a route is asked")
    args = options.parse_args()
    if args.quick:
        args.environments, args.times = 2_000, 20
    os.environ["STUDIO_API_RATE"] = "10000000/min"  # what is measured is not how it holds people back
    with tempfile.TemporaryDirectory(prefix="bench-api-", ignore_cleanup_errors=True) as temporary:
        folder = args.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        for database in args.databases.split(","):
            print(f"\n{database}, {args.environments:,} environments", flush=True)
            with BenchStudio(folder, database).running() as studio:
                studio.tell("data", args.environments, args.versions)
                asyncio.run(measured(studio, args.times))


async def measured(studio: BenchStudio, times: int) -> None:
    """Print a row for each route, and what the check of a token takes by itself."""
    known = studio.tell("known")
    check = studio.tell("token", known["token"])
    print(f"  {'the check of a token, by itself':40} p50 {check['p50']:6.2f} ms, p95 {check['p95']:6.2f} ms")
    headers = {"Authorization": f"Bearer {known['token']}"}
    slow = []
    async with httpx.AsyncClient(
        base_url=f"{studio.url}/api/v1/", headers=headers, trust_env=False, timeout=120
    ) as client:
        for route in ROUTES:
            taken = await request_often(client, route, known, times)
            mark = " (over the wish)" if taken.p95 > WISH_MS else ""
            slow += [route.name] if mark else []
            print(
                f"  {route.name:40} p50 {taken.p50:6.1f} ms, p95 {taken.p95:6.1f} ms,"
                f" {taken.per_second:4.0f} a second{mark}",
                flush=True,
            )
    print(f"  {len(ROUTES) - len(slow)} of {len(ROUTES)} routes answer within {WISH_MS} ms at p95.")


async def request_often(client: httpx.AsyncClient, route: Route, known: dict[str, Any], times: int) -> Taken:
    """Ask one request after the other, then as many by several at once."""
    path = route.path.format(**known)
    await once(client, route, path)
    took = sorted([await once(client, route, path) for _ in range(times)])

    async def share() -> None:
        for _ in range(times // AT_ONCE):
            await once(client, route, path)

    began = time.perf_counter()
    await asyncio.gather(*(share() for _ in range(AT_ONCE)))
    seconds = time.perf_counter() - began
    return Taken(
        p50=1000 * took[len(took) // 2],
        p95=1000 * took[int(len(took) * 0.95)],
        per_second=times // AT_ONCE * AT_ONCE / seconds,
    )


async def once(client: httpx.AsyncClient, route: Route, path: str) -> float:
    """Return how long an answer took; end with an error where it is none."""
    began = time.perf_counter()
    if route.body is None:
        answer = await client.get(path)
    else:
        answer = await client.post(path, json=route.body)
    assert answer.status_code in (200, 201), f"{path} answered {answer.status_code}: {answer.text[:300]}"
    return time.perf_counter() - began


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
