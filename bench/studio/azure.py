"""Measure what the Azure SDKs send: `python -m bench.studio.azure [--times 100] [--megabytes 100]`.

One web process on SQLite, and the SDKs' requests without the SDKs: their own work is not the studio's. Ends with an
error where an upload takes more memory than LIMIT.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median, quantiles

import httpx

from bench.load.bench_studio import BenchStudio
from tests.services.studio import ROOT

SCOPE = "/subscriptions/any/resourceGroups/any/providers/Microsoft.MachineLearningServices/workspaces/lab"
VERSION = {"api-version": "2023-04-01-preview"}
CHUNK = b"x" * (1 << 20)
LIMIT = 64 << 20  # bytes of memory


def main() -> None:
    """Print the times and the memory."""
    options = argparse.ArgumentParser(prog="python -m bench.studio.azure", description=__doc__)
    options.add_argument("--times", type=int, default=100)
    options.add_argument("--megabytes", type=int, default=100)
    args = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-azure-") as folder:
        studio = BenchStudio(Path(folder), "sqlite")
        with studio.running():
            secret = studio.tell("new_token")
            with httpx.Client(
                base_url=studio.url,
                headers={"Authorization": f"Bearer {secret}"},
                params=VERSION,
                trust_env=False,
                timeout=120,
            ) as client:
                for name, send in requests(client).items():
                    print(row(name, [timed(send, number) for number in range(args.times)]))
                upload(studio, client, args.megabytes)


def requests(client: httpx.Client) -> dict[str, Callable[[int], httpx.Response]]:
    """Return what is sent, by what it does."""

    def create(number: int) -> httpx.Response:
        body = {"properties": {"image": f"python:3.{number}-slim", "isAnonymous": False, "isArchived": False}}
        return client.put(f"{SCOPE}/environments/env-{number}/versions/1", json=body)

    return {
        "create a version": create,
        "get a version": lambda number: client.get(f"{SCOPE}/environments/env-{number}/versions/1"),
        "list environments": lambda _: client.get(f"{SCOPE}/environments"),
    }


def timed(send: Callable[[int], httpx.Response], number: int) -> float:
    """Return the milliseconds until the answer."""
    began = time.perf_counter()
    answer = send(number)
    took = 1000 * (time.perf_counter() - began)
    if answer.is_error:
        raise SystemExit(f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}")
    return took


def row(name: str, took: list[float]) -> str:
    """Return the line of a request: the median and the slowest of twenty."""
    return f"{name:18} p50 {median(took):5.1f} ms, p95 {quantiles(took, n=20)[-1]:5.1f} ms"


def upload(studio: BenchStudio, client: httpx.Client, megabytes: int) -> None:
    """Upload one file in one request; print its time and the memory that it added at its peak."""
    store = client.get(f"{SCOPE}/datastores/workspaceblobstore").json()["properties"]
    secrets = client.post(f"{SCOPE}/datastores/workspaceblobstore/listSecrets", json={}).json()
    blob = f"/blobstore/lab.blob.core.windows.net/{store['containerName']}/LocalUpload/bench/context/large"
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(megabytes << 20)}

    def body() -> Iterator[bytes]:
        for _ in range(megabytes):
            yield CHUNK

    assert studio.web
    process = Path("/proc", str(studio.web.pid))
    process.joinpath("clear_refs").write_text("5")  # the peak is counted from now on
    before = studio.web_status()[1]
    began = time.perf_counter()
    answer = httpx.put(
        f"{studio.url}{blob}?{secrets['sasToken']}",
        content=body(),
        headers=headers,
        timeout=120,
        trust_env=False,
    )
    took = time.perf_counter() - began
    if answer.is_error:
        raise SystemExit(f"The upload was refused: {answer.status_code} {answer.text}")
    peak = int(process.joinpath("status").read_text().partition("VmHWM:")[2].split()[0]) << 10
    added = max(0, peak - before)
    print(f"upload of {megabytes} MB  {took:.1f} s, {added / (1 << 20):.0f} MB of memory at its peak")
    if added > LIMIT:
        raise SystemExit(f"The upload took {added >> 20} MB of memory: the limit is {LIMIT >> 20} MB.")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
