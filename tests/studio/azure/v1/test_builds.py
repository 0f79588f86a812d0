"""The routes of the first SDK: images, builds, their status and log, recipes."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.utils import timezone
from pytest_django.fixtures import Settings

from builds.models import Build, BuildRequest, Image
from builds.queue.requests import cancel_requests_of, request_build
from environments.models import AccessToken, Environment, Member, Role, Version, Workspace
from environments.versions.labels import set_label
from environments.workspaces.tokens import revoke_token
from tests.builds.scenarios import claim_build, fail_build, image_for, person, save_text, succeed_build
from tests.studio.azure.v1.bodies import body
from tests.studio.azure.v1.calling import LAB, V2, SdkCaller

BUILD = f"{V2}/lab/environments/forecast/versions/1/image"


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def sdk(olga: User) -> SdkCaller:
    caller = SdkCaller(olga)
    assert caller("PUT", "forecast", body())[0] == 200
    return caller


def requested(sdk: SdkCaller) -> tuple[Build, str]:
    """Request a build; return it, and the location of its status."""
    status, answer = sdk("POST", BUILD, {})
    assert status == 202
    return Build.objects.latest("queued_at"), answer["location"]


def whole_log_of(sdk: SdkCaller, url: str) -> tuple[int, str]:
    return SdkCaller(None)("GET", url)


def test_a_build_goes_from_queued_to_succeeded_with_one_log_url(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    assert location.startswith(f"http://testserver{V2}/lab/environments/forecast/versions/1/")
    first = sdk("GET", location)[1]
    assert first["status"] == "Queued"
    assert whole_log_of(sdk, first["logUrl"]) == (200, "")
    with claim_build(build) as (claim, reporter):
        reporter.line("Base: host")
        reporter.log.flush()
        running = sdk("GET", location)[1]
        assert running == {"status": "Running", "logUrl": first["logUrl"]}
        begun = whole_log_of(sdk, first["logUrl"])[1]
        assert begun == "Base: host\n"
        reporter.line("\x1b[32mDone\x1b[0m in 3 s")
        reporter.log.flush()
        claim.succeed(image_for(build.version), reused=False)
    # The client has seen it running: it can print the end of the log before it is reported.
    assert sdk("GET", location)[1]["status"] == "Running"
    ended = whole_log_of(sdk, first["logUrl"])[1]
    assert ended.startswith(begun)
    assert "Done in 3 s" in ended
    assert sdk("GET", location)[1] == {"status": "Succeeded", "logUrl": first["logUrl"]}


def test_an_end_that_nobody_waited_for_is_reported_at_once(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    succeed_build(build)
    assert sdk("GET", location)[1]["status"] == "Succeeded"


def test_an_end_is_held_back_for_seconds_only(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    assert sdk("GET", location)[1]["status"] == "Queued"
    fail_build(build)
    assert sdk("GET", location)[1]["status"] == "Running"
    Build.objects.update(ended_at=timezone.now() - timedelta(seconds=13))
    assert sdk("GET", location)[1]["status"] == "Failed"


def test_the_end_of_a_log_that_another_person_has_read_is_still_held_for_the_first(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    carl = SdkCaller(person("carl", lab=Role.CONTRIBUTOR))
    _, his = requested(carl)
    for caller, url in ((sdk, location), (carl, his)):
        assert caller("GET", url)[1]["status"] == "Queued"
    succeed_build(build)
    cache.clear()  # as in another web process: nothing of it is remembered by one
    assert whole_log_of(sdk, carl("GET", his)[1]["logUrl"])[0] == 200
    assert carl("GET", his)[1]["status"] == "Succeeded"
    assert sdk("GET", location)[1]["status"] == "Running"


def test_a_cancelled_request_is_canceled(olga: User, sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    cancel_requests_of(build, olga)
    assert sdk("GET", location)[1]["status"] == "Canceled"


def test_what_is_built_already_succeeds_at_once_with_the_log_of_its_build(sdk: SdkCaller) -> None:
    build, _ = requested(sdk)
    succeed_build(build, "Made once")
    status, answer = sdk("POST", BUILD, {})
    assert status == 202
    again = sdk("GET", answer["location"])[1]
    assert again["status"] == "Succeeded"
    assert "Made once" in whole_log_of(sdk, again["logUrl"])[1]
    assert Build.objects.count() == 1
    Build.objects.all().delete()
    assert sdk("GET", answer["location"])[0] in (200, 404)


def test_a_log_link_opens_one_log_and_nothing_else(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    other = request_build(save_text("numpy==1", name="other", workspace="lab")).build
    assert other is not None
    link = sdk("GET", location)[1]["logUrl"]
    anybody = SdkCaller(None)
    assert anybody("GET", link)[0] == 200
    assert anybody("GET", link.replace(str(build.pk), str(other.pk)))[0] == 404
    assert anybody("GET", link.partition("?")[0])[0] == 404
    assert anybody("GET", location)[0] == 401
    for wrong in ("", "x", "x:y", "%00", "%F0%9F%98%80", link.rpartition("sig=")[2][:-1], "a" * 5_000):
        assert anybody("GET", f"{link.rpartition('sig=')[0]}sig={wrong}")[0] in (400, 404)
    for method in ("POST", "PUT", "DELETE"):
        assert anybody(method, link, {})[0] == 405


def test_a_log_link_ends_with_time_with_its_token_and_with_the_right(olga: User, sdk: SdkCaller) -> None:
    _, location = requested(sdk)
    link = sdk("GET", location)[1]["logUrl"]
    anybody = SdkCaller(None)
    with pytest.MonkeyPatch.context() as patch:
        now = timezone.now()
        patch.setattr("django.utils.timezone.now", lambda: now + timedelta(hours=23))
        assert anybody("GET", link)[0] == 200
        patch.setattr("django.utils.timezone.now", lambda: now + timedelta(hours=49))
        status, text = anybody("GET", link)
        assert (status, "expired" in text) == (403, True)
    membership = Member.objects.filter(user=olga)
    role = membership.get().role
    membership.delete()
    assert anybody("GET", link)[0] == 404
    Member.objects.create(user=olga, workspace=Workspace.objects.get(name="lab"), role=role)
    assert anybody("GET", link)[0] == 200
    revoke_token(AccessToken.objects.get(owner=olga), olga)
    assert anybody("GET", link)[0] == 403


def test_a_log_is_text_that_is_never_rendered_and_never_stored(sdk: SdkCaller) -> None:
    build, location = requested(sdk)
    succeed_build(build, "<script>alert(1)</script>")
    response = SdkCaller(None).raw("GET", sdk("GET", location)[1]["logUrl"])
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("number", ["0", "999999999999999999", "9999999999999999999", "-1", "x"])
def test_numbers_that_are_nobodys_request_have_no_status(sdk: SdkCaller, number: str) -> None:
    assert sdk("GET", f"{BUILD}/requests/{number}")[0] == 404


def test_the_status_of_another_version_or_workspace_is_hidden(olga: User, sdk: SdkCaller) -> None:
    secret = request_build(save_text("numpy", name="secret", workspace="other"))
    assert sdk("GET", f"{BUILD}/requests/{secret.pk}")[0] == 404
    url = f"{V2}/other/environments/secret/versions/1/image/requests/{secret.pk}"
    assert sdk("GET", url)[0] == 404


def test_a_full_queue_is_refused_with_the_reason(sdk: SdkCaller, settings: Settings) -> None:
    settings.LIMIT_QUEUED = 1
    requested(sdk)
    sdk("PUT", "more", body(docker={"baseImage": "python:3.13-slim"}))
    status, answer = sdk("POST", f"{V2}/lab/environments/more/versions/1/image", {})
    assert status == 400
    assert "queue" in answer["error"]["message"]


def test_compute_is_refused_with_what_to_do(sdk: SdkCaller) -> None:
    for url in ("forecast", "forecast/versions/1"):
        status, answer = sdk("POST", f"{V2}/lab/environments/{url}/imageoncompute/cpu-cluster", {})
        assert status == 400
        assert "image_build_compute" in answer["error"]["message"]
    assert not Build.objects.exists()


def test_what_is_not_registered_is_not_built(sdk: SdkCaller) -> None:
    for url in ("nothing/versions/1/image", "forecast/versions/9/image", "nothing/image"):
        assert sdk("POST", f"{V2}/lab/environments/{url}", {})[0] == 404


def test_image_details_before_and_after_a_build(sdk: SdkCaller) -> None:
    before = sdk("GET", "forecast/versions/1/image")[1]
    build, _ = requested(sdk)
    image = succeed_build(build)
    after = sdk("GET", "forecast/image")[1]
    assert (before["imageExistsInRegistry"], after["imageExistsInRegistry"]) == (False, True)
    name = f"azureml/azureml_{build.hash}"
    registry = {"address": "testserver/lab", "username": None, "password": None}
    assert before["dockerImage"] == after["dockerImage"] == {"name": name, "registry": registry}
    assert after["pythonEnvironment"]["condaEnvironmentPath"] == "/opt/env"
    assert after["ingredients"]["dockerfile"].startswith("FROM python:3.12-slim@sha256:")
    assert "scikit-learn==1.5.2" in after["ingredients"]["condaEnvironment"]
    sdk("PUT", "same", body())
    assert sdk("GET", "same/image")[1]["dockerImage"]["name"] == name
    Image.objects.filter(pk=image.pk).update(pushed_to=f"registry.example:5000/team/{name}")
    pushed = sdk("GET", "forecast/image")[1]["dockerImage"]
    assert (pushed["registry"]["address"], pushed["name"]) == ("registry.example:5000/team", name)


def test_image_details_of_a_dockerfile_and_of_a_user_managed_image(sdk: SdkCaller) -> None:
    dockerfile = "FROM python:3.12\nRUN true\n"
    managed = {"userManagedDependencies": True, "interpreterPath": "/usr/bin/python3"}
    sdk("PUT", "filed", body(docker={"baseImage": None, "baseDockerfile": dockerfile}, python=managed))
    details = sdk("GET", "filed/image")[1]
    assert details["ingredients"] == {"dockerfile": dockerfile, "condaEnvironment": None}
    assert details["pythonEnvironment"]["interpreterPath"] == "/usr/bin/python3"
    assert details["pythonEnvironment"]["condaEnvironmentPath"] is None


def scripts_of(answer: dict[str, Any]) -> dict[str, str]:
    packed = base64.b64decode(answer["setupContentZip"])
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_a_recipe_pulls_what_the_studio_builds(sdk: SdkCaller) -> None:
    status, answer = sdk(
        "POST", "forecast/versions/1/recipe", {"platform": "Linux", "useDocker": True, "x": [1]}
    )
    assert (status, answer["environmentVariables"]) == (200, {})
    scripts = scripts_of(answer)
    assert set(scripts) == {answer["checkEnvironmentScriptName"], answer["buildEnvironmentScriptName"]}
    build = scripts[answer["buildEnvironmentScriptName"]]
    version = Version.objects.get()
    assert "docker pull testserver/lab/forecast:1 " in build
    assert f"docker tag testserver/lab/forecast:1 azureml/azureml_{version.hash}:latest" in build
    image = image_for(version)
    exact = f"testserver/lab/azureml/azureml_{version.hash}@{image.digest}"
    assert (
        f"docker pull {exact} "
        in scripts_of(sdk("POST", "forecast/recipe", {})[1])["environment-studio/build.sh"]
    )


def test_a_recipe_for_windows_is_refused(sdk: SdkCaller) -> None:
    status, answer = sdk("POST", "forecast/recipe", {"platform": "Windows"})
    assert status == 400
    assert "docker pull" in answer["error"]["message"]


HOSTILE = "$(touch hacked) `touch hacked` ; touch hacked\ntouch hacked\n' \" ${IFS} -v /:/host"


def test_nothing_of_a_hostile_definition_is_in_a_recipe(sdk: SdkCaller, tmp_path: Path) -> None:
    sent = body(
        docker={
            "baseImage": None,
            "baseDockerfile": "FROM x\nRUN " + HOSTILE.replace("\n", " ") + "\n",
            "arguments": [HOSTILE],
        },
        python={
            "condaDependencies": {
                "name": HOSTILE,
                "channels": ["conda-forge"],
                "dependencies": ["python=3.12"],
            },
            "interpreterPath": HOSTILE,
            "baseCondaEnvironment": HOSTILE,
        },
        EnvironmentVariables={"PATH": HOSTILE, "LD_PRELOAD": "evil.so", "BASH_ENV": "evil.sh"},
    )
    assert sdk("PUT", "hostile/versions/1;touch%20hacked", sent)[0] == 400
    status, answer = sdk("PUT", "hostile/versions/1.0+cu126", sent)
    assert status == 200, answer
    answer = sdk("POST", "hostile/recipe", {"platform": HOSTILE})[1]
    for script in scripts_of(answer).values():
        assert "hacked" not in script
        assert "evil" not in script
    assert answer["environmentVariables"] == {}
    assert "hostile:_1.0_.cu126" in scripts_of(answer)["environment-studio/build.sh"]


def test_scripts_run_only_docker_even_with_a_hostile_host_and_name(sdk: SdkCaller, tmp_path: Path) -> None:
    """The names of images are made of checked parts; here they are not, and the scripts still hold."""
    from studio.azure.v1.recipes import recipe

    answer = recipe(Version.objects.get(), HOSTILE, f"host/{HOSTILE}", platform="Linux")
    for path, text in scripts_of(answer).items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
        (tmp_path / path).chmod(0o755)
    tools, calls = tmp_path / "bin", tmp_path / "calls"
    tools.mkdir()
    (tools / "docker").write_text(f'#!/bin/sh\nprintf "%s\\0" "$@" >> {calls}\nprintf "\\n" >> {calls}\n')
    (tools / "docker").chmod(0o755)
    sh = shutil.which("bash")
    assert sh
    for name in ("checkEnvironmentScriptName", "buildEnvironmentScriptName"):
        # As the client starts them.
        done = subprocess.run(
            [sh, "-c", str(tmp_path / answer[name])],
            cwd=tmp_path,
            env={"PATH": f"{tools}:/usr/bin:/bin"},
            check=False,
        )
        assert done.returncode == 0
    assert not list(tmp_path.rglob("hacked"))
    arguments = calls.read_text().replace("\0\n", "\0\0").split("\0\0")
    assert [re.split("\0", call)[:2] for call in arguments if call] == [
        ["image", "inspect"],
        ["pull", f"host/{HOSTILE}"],
        ["tag", f"host/{HOSTILE}"],
    ]


def test_an_anonymous_environment_is_pulled_by_its_digest_once_it_is_built(sdk: SdkCaller) -> None:
    Environment.objects.update(anonymous=True)
    assert sdk("POST", "forecast/versions/1/recipe", {})[0] == 400
    image_for(Version.objects.get())
    assert sdk("POST", "forecast/versions/1/recipe", {})[0] == 200


def test_a_member_builds_a_curated_environment_without_saving_it(sdk: SdkCaller) -> None:
    save_text("numpy==2.1.3", name="AzureML-tabular", workspace="curated")
    status, answer = sdk("POST", f"{V2}/lab/environments/AzureML-tabular/versions/1/image", {})
    assert status == 202
    assert sdk("GET", answer["location"])[1]["status"] == "Queued"
    assert BuildRequest.objects.get().workspace.curated
    assert sdk("GET", "AzureML-tabular/image")[0] == 200


def test_a_status_follows_the_version_when_its_label_has_moved(olga: User, sdk: SdkCaller) -> None:
    set_label(Version.objects.get(), "prod", user=olga)
    status, answer = sdk("POST", f"{V2}/lab/environments/forecast/versions/prod/image", {})
    assert (status, "/versions/1/" in answer["location"]) == (202, True)
    assert sdk("GET", f"{LAB}/forecast/versions/prod")[1]["version"] == "1"
