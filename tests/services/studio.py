"""A whole studio as a user starts it: `manage.py run` with data of its own, on a free port."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.services.processes import Process, free_port
from tests.services.servers.preloaded import PreloadedProcess
from tests.services.servers.service import Service

ROOT = Path(__file__).resolve().parents[2]
# Settings of the test run's own database and data are not for a studio beside it.
PRIVATE = ("DATABASE_URL", "CELERY_BROKER_URL", "STUDIO_VAR", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "PORT")


class Studio(Service):
    """`url` is its address, `login_url` the one-time link of its last start, `var` its data folder.

    With the setting STUDIO_HTTPS_PORT it serves HTTPS too: at `https_url`, with a certificate by `authority`.
    """

    start_seconds = 60.0

    def __init__(self, folder: Path, settings: Mapping[str, str], stock: Path | None = None) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.login_url = ""
        self.var = Path(settings.get("STUDIO_VAR", folder / "var"))
        if stock is not None:
            copy_stock(stock, self.var)
        self.settings = dict(settings)
        self.https_url = f"https://localhost:{settings.get('STUDIO_HTTPS_PORT', '')}"
        self.authority = self.var / "https" / "authority.pem"

    def environment(self) -> dict[str, str]:
        """Return the environment of the studio: also for other commands of `manage.py` on its data."""
        inherited = {name: value for name, value in os.environ.items() if name not in PRIVATE}
        return {**inherited, "STUDIO_VAR": str(self.var), "PORT": str(self.port), **self.settings}

    def launch(self) -> Process:
        secure = ["--https"] if "STUDIO_HTTPS_PORT" in self.settings else []
        argv = [sys.executable, "manage.py", "run", *secure]
        return PreloadedProcess(argv, output=self.log, env=self.environment(), cwd=ROOT)

    def start(self) -> None:
        super().start()
        assert self.process
        self.login_url = self.process.wait_for_line(r"Sign in once as \S+: (\S+)").group(1)

    def text(self) -> str:
        """Return its output, for messages of failed tests."""
        return self.process.last_words() if self.process else self.log.read_text()

    def answers(self) -> bool:
        assert self.process
        return "Sign in once as" in self.process.text()


def copy_stock(stock: Path, var: Path) -> None:
    """Give a studio the data of another: what never changes is linked, not copied."""

    def link_or_copy(source: str, target: str) -> None:
        if "/blobs/sha256/" in source and os.stat(source).st_dev == here:
            os.link(source, target)
        else:
            shutil.copy2(source, target)

    var.mkdir(exist_ok=True)
    here = var.stat().st_dev
    shutil.copytree(stock, var, copy_function=link_or_copy, dirs_exist_ok=True)
