"""SDK v1 builds environments with the studio's worker, prints their logs, and pulls their images."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio
from tests.services.servers.docker_engine import DockerEngine

pytestmark = pytest.mark.slow


def lines_of(printed: str) -> list[str]:
    """Return the lines of a log among those that the client printed, without its own."""
    return [line for line in printed.splitlines() if line and not line.startswith("Image Build Status:")]


def test_the_client_prints_the_whole_log_of_a_build(sdk: Session) -> None:
    status = sdk.run(
        """
        e = named('built', pip=['six==1.16.0']).register(ws)
        before = e.get_image_details(ws)
        details = e.build(ws)
        details.wait_for_completion(show_output=True)
        details.status
        """
    )
    printed = sdk.printed
    assert status == "Succeeded", printed
    log = sdk.run("details.get_log()")
    assert len(log.splitlines()) > 5
    assert "six" in log
    assert [line.rstrip() for line in lines_of(printed)] == [
        line.rstrip() for line in log.splitlines() if line
    ]
    assert re.search(r"Image Build Status: Succeeded\s*\Z", printed)
    after = sdk.run(
        """
        d = e.get_image_details(ws)
        [before.image_exist, d.image_exist, d.repository, d.registry, d.image, d.interpreter_path, d.environment_path,
         d.dockerfile, repr(d)]
        """
    )
    assert after[:2] == [False, True]
    assert re.fullmatch(r"azureml/azureml_[0-9a-f]{32}", after[2])
    assert after[3].endswith(f"/{sdk.way}")
    assert after[4] == f"{after[3]}/{after[2]}"
    assert after[5:7] == ["/opt/env/bin/python", "/opt/env"]
    assert after[7].startswith("FROM ")


def test_a_second_build_reuses_the_image_and_has_its_log(sdk: Session) -> None:
    first, second, log = sdk.run(
        """
        e = named('twice', A='1').register(ws)
        with hurried():
            first = e.build(ws).wait_for_completion(show_output=True).status
            again = named('another-name', A='2').build(ws).wait_for_completion(show_output=True)
        [first, again.status, again.get_log()]
        """
    )
    assert (first, second) == ("Succeeded", "Succeeded")
    assert log.strip()
    images = sdk.run(
        "[Environment.get(ws, n).get_image_details(ws).repository for n in ('twice', 'another-name')]"
    )
    assert images[0] == images[1]


def test_a_failed_build_fails_with_the_reason_in_its_log(sdk: Session) -> None:
    status, log = sdk.run(
        """
        e = named('broken', pip=['no-such-package-of-anybody==1.2.3'])
        with hurried():
            details = e.build(ws).wait_for_completion(show_output=True)
        [details.status, details.get_log()]
        """
    )
    assert status == "Failed"
    assert "no-such-package-of-anybody" in log
    assert "no-such-package-of-anybody" in sdk.printed


def test_two_people_share_a_build_and_each_has_its_log(sdk: Session) -> None:
    read = sdk.run(
        """
        e = named('shared', pip=['six==1.15.0'])
        both = [e.build(ws), e.build(workspace('contributor'))]
        with hurried():
            statuses = [d.wait_for_completion(show_output=True).status for d in both]
        [[status, d.get_log()] for status, d in zip(statuses, both)]
        """
    )
    assert [status for status, _ in read] == ["Succeeded", "Succeeded"]
    assert read[0][1] == read[1][1] != ""


def test_builds_that_cannot_be_are_refused_with_the_reason(sdk: Session) -> None:
    compute = sdk.fails("named('on-compute').build(ws, image_build_compute='cpu-cluster')")
    assert "its own workers build images" in compute.message
    reader = sdk.fails("Environment.get(workspace('reader'), 'on-compute').build(workspace('reader'))")
    assert "Code: 403" in reader.message
    unregistered = sdk.fails("named('never-registered').get_image_details(ws)")
    assert "Code: 404" in unregistered.message
    windows = sdk.fails("Environment.get(ws, 'on-compute').build_local(ws, platform='Windows')")
    assert "docker pull" in windows.message
    local = sdk.fails("named('never-registered').build_local(ws)")
    assert "is not registered" in local.message


LOCAL = """
import subprocess, sys
os.environ["DOCKER_HOST"] = engine
def local(environment, space):
    # The client hands its output to the scripts, so it must be a file.
    kept, sys.stdout = sys.stdout, open("local.txt", "w+")
    try:
        environment.build_local(space, useDocker=True, pushImageToWorkspaceAcr=True)
    finally:
        text = (sys.stdout.seek(0), sys.stdout.read())[1]
        sys.stdout.close()
        sys.stdout = kept
    return text
"""


def test_build_local_pulls_the_image_that_the_studio_builds(
    sdk: Session,
    azure_studio: AzureStudio,
    docker_engine: DockerEngine,
    tmp_path: Path,
) -> None:
    sdk.run(LOCAL, engine=docker_engine.host)
    sdk.run(f"e = named('local', pip=['six==1.14.0'], A='{uuid4().hex}').register(ws)")
    assert "exit code" in sdk.fails("local(e, ws)").message  # not signed in
    host = azure_studio.http.removeprefix("http://")
    sdk.run(
        "subprocess.run(['docker', 'login', host, '-u', 'owner', '--password-stdin'], input=tokens['owner'], text=True,"
        " check=True, capture_output=True)",
        host=host,
    )
    printed = sdk.run("local(e, ws)")
    assert "Downloaded newer image" in printed or "Status:" in printed
    name = sdk.run("e.get_image_details(ws).repository")
    image = docker_engine.client.images.get(f"{name}:latest")
    command = ["/opt/env/bin/python", "-c", "import six; print(six.__version__)"]
    assert docker_engine.client.containers.run(image, command, remove=True) == b"1.14.0\n"
    # It is there now: the check is enough.
    assert "Pull" not in sdk.run("local(e, ws)")
    docker_engine.client.images.remove(f"{name}:latest", force=True)
