"""The clients: docker, podman, ctr (containerd), skopeo and oras."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from tests.builds.distribution.clients import Account, Client, Lister
from tests.services.servers.preloaded import run_preloaded

MOST_SECONDS = 120
# It needs neither systemd nor locks in the machine's shared memory.
PODMAN_CONFIG = """\
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
"""
ORAS = Path(__file__).with_name("oras_command.py")


def run(argv: Sequence[str | Path], *, input: str = "", **variables: str) -> CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [str(word) for word in argv],
        input=input,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **variables},
        timeout=MOST_SECONDS,
        check=False,
    )


def output_of(done: CompletedProcess[str]) -> str:
    """Return what a command that must not fail has printed."""
    assert done.returncode == 0, done.stdout
    return done.stdout


class Docker(Client):
    """Docker Engine, with a `docker login` before."""

    command = "docker pull IMAGE"
    needs = ("docker_command", "docker_engine")

    def run(self, *argv: str, **options: str) -> CompletedProcess[str]:
        variables = {"DOCKER_HOST": self.parts["docker_engine"].host, "DOCKER_CONFIG": str(self.folder)}
        return run([self.parts["docker_command"], *argv], **options, **variables)

    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        host = reference.partition("/")[0]
        if account is not None:
            login = ["login", "--username", account.user, "--password-stdin", host]
            done = self.run(*login, input=account.token)
            if done.returncode:
                return done
        try:
            return self.run(*self.arguments(reference))
        finally:
            self.run("logout", host)

    def layers(self, reference: str) -> tuple[str, ...]:
        inspect = ["image", "inspect", "--format", "{{json .RootFS.Layers}}", reference]
        return tuple(json.loads(output_of(self.run(*inspect))))

    def forget(self, reference: str) -> None:
        output_of(self.run("image", "rm", reference))


class Podman(Client):
    """podman. Newer versions than Debian's resume downloads."""

    command = "podman pull --tls-verify=false IMAGE"
    needs = ("podman",)
    resumes = False

    def run(self, *argv: str) -> CompletedProcess[str]:
        config = self.folder / "containers.conf"
        config.write_text(PODMAN_CONFIG)
        options = [f"--{option}={self.folder}/{option}" for option in ("root", "runroot", "tmpdir")]
        variables = {"HOME": str(self.folder), "CONTAINERS_CONF": str(config)}
        return run([self.parts["podman"], "--storage-driver=overlay", *options, *argv], **variables)

    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        login = ["--creds", f"{account.user}:{account.token}"] if account else []
        return self.run(*self.arguments(reference, *login))

    def layers(self, reference: str) -> tuple[str, ...]:
        inspect = ["image", "inspect", "--format", "{{json .RootFS.Layers}}", reference]
        return tuple(json.loads(output_of(self.run(*inspect))))

    def forget(self, reference: str) -> None:
        output_of(self.run("image", "rm", reference))


class Ctr(Client):
    """containerd's own client. It requests the head of a manifest first, and a head has no message.

    From 1.7 on, containerd prints the address that a head was redirected to; Debian 12's prints the status alone.
    """

    command = "ctr images pull --plain-http IMAGE"
    needs = ("containerd",)

    def run(self, *argv: str) -> CompletedProcess[str]:
        return run([*self.parts["containerd"].ctr, *argv])

    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        login = ["--user", f"{account.user}:{account.token}"] if account else []
        return self.run(*self.arguments(reference, *login))

    def layers(self, reference: str) -> tuple[str, ...]:
        (line,) = output_of(self.run("images", "check", f"name=={reference}")).splitlines()[1:]
        name, _type, digest, status = line.split()[:4]
        assert (name, status) == (reference, "complete")
        document = self.content(digest)
        if "manifests" in document:
            platform = {"os": "linux", "architecture": "amd64"}
            # It takes the first that fits, as every client does.
            manifest = next(entry for entry in document["manifests"] if entry["platform"] == platform)
            document = self.content(manifest["digest"])
        return tuple(self.content(document["config"]["digest"])["rootfs"]["diff_ids"])

    def shows(self, code: str, message: str, account: Account | None) -> str:
        if code == "UNAUTHORIZED":
            return "401 Unauthorized"
        there_is_a_version = "has no image yet" in message or " failed: " in message
        return "409 Conflict" if there_is_a_version else "not found"

    def content(self, digest: str) -> Any:
        return json.loads(output_of(self.run("content", "get", digest)))

    def forget(self, reference: str) -> None:
        output_of(self.run("images", "rm", "--sync", reference))


class Skopeo(Lister):
    """skopeo. Newer versions than Debian's resume downloads."""

    pins_versions = False
    command = "skopeo copy --src-tls-verify=false docker://IMAGE oci:FOLDER"
    needs = ("skopeo",)
    resumes = False

    def run(self, *argv: str) -> CompletedProcess[str]:
        return run([self.parts["skopeo"], *argv], HOME=str(self.folder))

    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        login = ["--src-creds", f"{account.user}:{account.token}"] if account else []
        arguments = self.arguments(reference, *login)
        return self.run(*(word.replace("FOLDER", f"{self.folder}/image") for word in arguments))

    def layers(self, reference: str) -> tuple[str, ...]:
        config = json.loads(output_of(self.run("inspect", "--config", f"oci:{self.folder}/image")))
        return tuple(config["rootfs"]["diff_ids"])

    def forget(self, reference: str) -> None:
        shutil.rmtree(self.folder / "image")

    def tags(self, repository: str, account: Account | None = None) -> list[str]:
        login = ["--creds", f"{account.user}:{account.token}"] if account else []
        done = self.run("list-tags", "--tls-verify=false", *login, f"docker://{repository}")
        tags: list[str] = json.loads(output_of(done))["Tags"]
        return tags


class Oras(Lister):
    """oras as a library (PyPI)."""

    command = "OrasClient(insecure=True)"
    needs = ()
    resumes = False

    def run(self, *argv: str, account: Account | None) -> CompletedProcess[str]:
        login = {"ORAS_ACCOUNT": f"{account.user}:{account.token}"} if account else {}
        done = run_preloaded([ORAS, *argv], env={**os.environ, "HOME": str(self.folder), **login})
        return CompletedProcess(argv, done.returncode, done.stdout + done.stderr)

    def shows(self, code: str, message: str, account: Account | None) -> str:
        return "requires a token" if code == "UNAUTHORIZED" and account else message

    def pull(self, reference: str, account: Account | None = None) -> CompletedProcess[str]:
        (self.folder / "image").mkdir(exist_ok=True)
        arguments = ["pull", reference, str(self.folder / "image")]
        return self.run(*arguments, account=account)

    def layers(self, reference: str) -> tuple[str, ...]:
        files = sorted((self.folder / "image").iterdir(), key=lambda path: int(path.name.partition(".")[0]))
        return tuple(
            "sha256:" + hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest() for file in files
        )

    def forget(self, reference: str) -> None:
        shutil.rmtree(self.folder / "image")

    def tags(self, repository: str, account: Account | None = None) -> list[str]:
        done = self.run("tags", repository, account=account)
        tags: list[str] = json.loads(output_of(done))
        return tags


CLIENTS: tuple[type[Client], ...] = (Docker, Podman, Ctr, Skopeo, Oras)
