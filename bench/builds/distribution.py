"""Measure pulls of layers from /v2/: `python -m bench.builds.distribution [--megabytes 200]`.

One pull and eight at once, from the studio and, where it is installed, from Debian's docker-registry.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from tests.services import parts
from tests.services.processes import Process, free_port
from tests.services.servers.registry import Registry
from tests.services.test_services import push_blob

MEGABYTE = 1024 * 1024


def main() -> None:
    """Print one line for each server and number of pulls."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=200, help="size of the layer (default 200)")
    layer = os.urandom(options.parse_args().megabytes * MEGABYTE)
    with tempfile.TemporaryDirectory(prefix="bench-distribution-") as temporary:
        measure_studio(Path(temporary), layer)
        if reason := parts.REGISTRY.missing():
            print(reason)
        else:
            measure_registry(Path(temporary), layer)


def measure_studio(folder: Path, layer: bytes) -> None:
    """Measure a studio of one web process."""
    env = {**os.environ, "STUDIO_VAR": str(folder / "var"), "DJANGO_SETTINGS_MODULE": "studio.settings"}
    content = folder / "layer.tar"
    content.write_bytes(layer)
    argv = [sys.executable, "-m", "tests.builds.fill_registry", str(content)]
    stocked = subprocess.run(argv, env=env, stdout=subprocess.PIPE, check=True)
    result = json.loads(stocked.stdout)
    port = free_port()
    argv = [
        sys.executable,
        "-m",
        "uvicorn",
        "studio.asgi:application",
        "--port",
        str(port),
        "--no-access-log",
    ]
    server = Process(argv, output=folder / "uvicorn.txt", env=env)
    try:
        server.wait_until(lambda: listens(port))
        measure("studio", server.pid, port, f"/v2/square/{result['repository']}/blobs/{result['layer']}")
    finally:
        server.kill_family()


def measure_registry(folder: Path, layer: bytes) -> None:
    """Measure docker-registry with the same layer."""
    registry = Registry(folder / "registry")
    registry.start()
    try:
        digest = push_blob(registry, "square/layer", layer)
        assert registry.process
        measure("docker-registry", registry.process.pid, registry.port, f"/v2/square/layer/blobs/{digest}")
    finally:
        registry.stop()


def measure(name: str, pid: int, port: int, path: str) -> None:
    """Print rate, processor time and memory of one pull, and of eight at once."""
    for pulls in (1, 8):
        cpu = processor_seconds(pid)
        size, seconds = timed(lambda pulls=pulls: at_once(pulls, port, path))  # type: ignore[misc]
        rate = size / MEGABYTE / seconds
        cpu = (processor_seconds(pid) - cpu) / (size / MEGABYTE / 1024)
        print(
            f"{name:16} {pulls} at once: {rate:7.0f} MB/s, {cpu:5.2f} s of processor a GB, "
            f"at most {most_memory(pid) / MEGABYTE:.0f} MB held"
        )


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Return what the work returns, and how long it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def at_once(pulls: int, port: int, path: str) -> int:
    """Pull the blob so many times at once; return the bytes that came."""
    sizes: list[int] = []
    threads = [
        threading.Thread(target=lambda: sizes.append(pull(port, path)), daemon=True) for _ in range(pulls)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(sizes)


def pull(port: int, path: str) -> int:
    """Pull the blob over a bare socket, so that the client costs little; return the bytes that came."""
    buffer = memoryview(bytearray(MEGABYTE))
    size = 0
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        while received := client.recv_into(buffer):
            if not size and not bytes(buffer[:12]).endswith(b"200"):
                raise RuntimeError(f"the server answered {bytes(buffer[:received])!r}")
            size += received
    return size


def listens(port: int) -> bool:
    """Return whether a server takes connections."""
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def most_memory(pid: int) -> int:
    """Return the most bytes that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


if __name__ == "__main__":
    main()
