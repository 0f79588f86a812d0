"""Install the real parts that are missing: `python -m tests.services.install`.

On Debian, as root, exactly the missing packages are installed with apt-get, and no server is started by it.
Elsewhere it says what is missing, and which tests are therefore skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.parts import PARTS

# Debian's package scripts run this before they start a server; 101 forbids it.
POLICY = Path("/usr/sbin/policy-rc.d")
REFUSAL = "#!/bin/sh\nexit 101\n"


def main() -> int:
    missing = [part for part in PARTS if part.missing()]
    if missing and can_install():
        install(sorted({package for part in missing for package in part.packages if not installed(package)}))
        missing = [part for part in PARTS if part.missing()]
    for part in missing:
        print(part.missing(), "Tests that need it are skipped.", file=sys.stderr)
    if missing and os.environ.get("CI") == "true":
        print("With CI=true nothing may be skipped.", file=sys.stderr)
        return 1
    return 0


def can_install() -> bool:
    return os.geteuid() == 0 and Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None


def installed(package: str) -> bool:
    query = subprocess.run(
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return query.stdout == "installed"


def install(packages: list[str]) -> None:
    """Install the Debian packages, without starting the servers that they bring."""
    if not packages:
        return
    print("Installing from Debian:", *packages, file=sys.stderr)
    with no_server_started():
        apt_get("update")
        apt_get("install", "--yes", "--no-install-recommends", *packages)


def apt_get(*argv: str) -> None:
    """Run apt-get without questions; show what it wrote if it fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        ["apt-get", "--quiet", "-o", "Dpkg::Use-Pty=0", *argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\napt-get {' '.join(argv)} failed with {done.returncode}.")


@contextmanager
def no_server_started() -> Iterator[None]:
    """Keep package scripts from starting servers; a policy that is there already is left as it is."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text(REFUSAL)
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()


if __name__ == "__main__":
    sys.exit(main())
