"""A container registry: Debian's docker-registry, over plain HTTP on 127.0.0.1."""

from __future__ import annotations

from pathlib import Path

import httpx
import yaml

from tests.services.parts import program
from tests.services.processes import Process, free_port
from tests.services.servers.service import TRUSTS_NOBODY, Service

USER = "studio"
PASSWORD = "correct horse"
# bcrypt of PASSWORD: the only kind that docker-registry accepts.
HTPASSWD = "studio:$2y$05$Cgm5gQXjcOQFfPE.HPzpmu9g1IBlBc2almwOkLIJDl/tOry80nM2G\n"


class Registry(Service):
    """Pushes, pulls and deletes are allowed: to everybody, or with a login to USER with PASSWORD."""

    def __init__(self, folder: Path, *, login: bool = False) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.address}"
        self.user = USER if login else ""
        self.password = PASSWORD if login else ""
        self.auth = (self.user, self.password) if login else None
        self.storage = folder / "storage"

    def launch(self) -> Process:
        config = self.folder / "config.yml"
        config.write_text(yaml.safe_dump(self.config()))
        # Its settings can be overridden by REGISTRY_… variables: it gets none of ours.
        return Process([program("docker-registry"), "serve", config], output=self.log, env={})

    def config(self) -> dict[str, object]:
        config: dict[str, object] = {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(self.storage)}, "delete": {"enabled": True}},
            "http": {"addr": self.address},
        }
        if self.auth:
            htpasswd = self.folder / "htpasswd"
            htpasswd.write_text(HTPASSWD)
            config["auth"] = {"htpasswd": {"realm": "studio tests", "path": str(htpasswd)}}
        return config

    def answers(self) -> bool:
        try:
            return (
                httpx.get(
                    f"{self.url}/v2/", auth=self.auth, trust_env=False, verify=TRUSTS_NOBODY
                ).status_code
                == 200
            )
        except httpx.TransportError:
            return False

    def tags(self, repository: str) -> list[str]:
        """Return the tags that the registry lists for a repository, without lists of attachments (`sha256-…`)."""
        answer = httpx.get(
            f"{self.url}/v2/{repository}/tags/list", auth=self.auth, trust_env=False, verify=TRUSTS_NOBODY
        )
        if answer.status_code == 404:
            return []
        tags = answer.raise_for_status().json()["tags"] or []
        return sorted(tag for tag in tags if not tag.startswith("sha256-"))
