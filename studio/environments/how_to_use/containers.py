"""Snippets that start containers: on a terminal, in an editor, in a cluster, as the start of another image."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator

import yaml
from django.utils.translation import gettext as _

from studio.environments.how_to_use.consumer import (
    FOLDER,
    MOUNT,
    Consumer,
    Snippet,
    access_notes,
    login_command,
    missing_notes,
)

JUPYTER = {"jupyterlab": "jupyterlab", "notebook": "notebook", "jupyter-server": "jupyter_server"}
PORT = 8888


def container_snippets(consumer: Consumer) -> Iterator[Snippet]:
    """Return the snippets of an image for container engines, editors and clusters."""
    notes = (*access_notes(consumer), *missing_notes(consumer))
    terminal = _("In a terminal")
    mounted = _("Your current folder is %s in the container.") % FOLDER
    run = run_command(consumer, [], [consumer.python])
    yield Snippet("docker-run", "Docker", terminal, f"{login_command(consumer)}{run}\n", (mounted, *notes))
    yield _jupyter(consumer, notes)
    yield Snippet(
        "dev-container",
        "VS Code",
        ".devcontainer/devcontainer.json",
        _dev_container(consumer),
        (_("Save the file, then run “Dev Containers: Reopen in Container”."), *missing_notes(consumer)),
    )
    yield Snippet(
        "pull",
        _("Pull"),
        terminal,
        f"{login_command(consumer)}docker pull {shlex.quote(consumer.image_reference)}\n",
        tuple(access_notes(consumer)),
    )
    digest = _("The digest pins this image; a rebuild doesn't change it.")
    yield Snippet("dockerfile", "Dockerfile", "Dockerfile", _dockerfile(consumer), (digest, *notes))
    yield Snippet("kubernetes", "Kubernetes", "job.yaml", _kubernetes(consumer), _cluster_notes(consumer))


def run_command(consumer: Consumer, options: list[str], command: list[str]) -> str:
    """Return a `docker run` with the reader's folder mounted, GPUs where it has CUDA, and its variables."""
    variables = [option for pair in consumer.variables.items() for option in ("--env", "=".join(pair))]
    variables += [option for name in consumer.secret_names for option in ("--env", name)]
    stated = [*consumer.gpu_options, *options, *consumer.run_options, *variables]
    before = shlex.join(["docker", "run", "--rm", "-it"])
    after = shlex.join([*stated, consumer.image_reference, *command])
    # Shells put the folder in its place: that is not quoted away.
    return f"{before} -v {MOUNT} -w {FOLDER} {after}"


def _jupyter(consumer: Consumer, notes: tuple[str, ...]) -> Snippet:
    names = {package.name for package in consumer.lock.packages}
    module = next((module for name, module in JUPYTER.items() if name in names), "")
    if not module:
        return Snippet(
            "jupyter",
            "Jupyter",
            _("In the definition"),
            "jupyterlab\n",
            (
                _(
                    "JupyterLab isn't in this image. Add it to the definition and build; the command will be here."
                ),
            ),
        )
    options = ["--publish", f"127.0.0.1:{PORT}:{PORT}"]
    command = [
        consumer.python,
        "-m",
        module,
        "--ip=0.0.0.0",
        f"--port={PORT}",
        "--no-browser",
        "--allow-root",
    ]
    text = f"{login_command(consumer)}{run_command(consumer, options, command)}\n"
    opened = _("Open the address that it prints. Your current folder is %s.") % FOLDER
    return Snippet("jupyter", "Jupyter", _("In a terminal"), text, (opened, *notes))


def _dockerfile(consumer: Consumer) -> str:
    lines = [f"FROM {consumer.pinned}"]
    # JSON quoting fits, except that a Dockerfile would substitute $NAME.
    lines += [
        f"ENV {name}={json.dumps(value, ensure_ascii=False).replace('$', chr(92) + '$')}"
        for name, value in consumer.variables.items()
    ]
    lines += ["WORKDIR /app", "COPY . .", f"CMD {json.dumps([consumer.python, 'main.py'])}"]
    return "\n".join(lines) + "\n"


def _dev_container(consumer: Consumer) -> str:
    assert consumer.image is not None  # noqa: S101
    config: dict[str, object] = {"name": str(consumer.version), "image": consumer.image_reference}
    options = [*consumer.gpu_options, *consumer.run_options]
    if options:
        config["runArgs"] = options
    if consumer.variables:
        config["containerEnv"] = consumer.variables
    editor: dict[str, object] = {"extensions": ["ms-python.python"]}
    if consumer.image.interpreter:
        editor["settings"] = {"python.defaultInterpreterPath": consumer.image.interpreter}
    config["customizations"] = {"vscode": editor}
    return json.dumps(config, indent=2, ensure_ascii=False) + "\n"


def _kubernetes(consumer: Consumer) -> str:
    container: dict[str, object] = {
        "name": "main",
        "image": consumer.pinned,
        "command": [consumer.python, "main.py"],
    }
    variables: list[dict[str, object]] = [
        # The cluster would substitute $(NAME).
        {"name": name, "value": value.replace("$(", "$$(")}
        for name, value in consumer.variables.items()
    ]
    if variables:
        container["env"] = variables
    if consumer.gpu:
        container["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    pod: dict[str, object] = {"restartPolicy": "Never", "containers": [container]}
    if login_command(consumer):
        pod["imagePullSecrets"] = [{"name": "studio"}]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"generateName": f"{_cluster_name(consumer.name)}-"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }
    return yaml.safe_dump(job, sort_keys=False, allow_unicode=True, width=1000)


def _cluster_name(name: str) -> str:
    """Return a name that Kubernetes accepts: small letters, digits and hyphens, at most 50."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-")
    return plain or "environment"


def _cluster_notes(consumer: Consumer) -> tuple[str, ...]:
    notes = [_("Create it with kubectl create -f job.yaml.")]
    if login_command(consumer):
        command = shlex.join(
            [
                *("kubectl", "create", "secret", "docker-registry", "studio"),
                *("--docker-server", consumer.host, "--docker-username", consumer.user, "--docker-password"),
            ]
        )
        notes.append(_("Store an access token first: %s") % f'{command} "$STUDIO_TOKEN"')
    return (*notes, *missing_notes(consumer))
