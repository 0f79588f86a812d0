"""The API: names in paths, one error shape, the same rules as the pages."""

from __future__ import annotations

import base64
import io
import json
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from builds.models import Build, BuildState
from environments.models import Event, Member, Role, Version, Workspace
from tests.builds.scenarios import person, queue_build, save_text, workspace_named
from tests.studio.api.calling import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("no_requests_counted")]
LAB = "workspaces/lab/"
FORECAST = f"{LAB}environments/forecast/"
NOWHERE = "6f1d3c1e-0b5a-4e0e-9a5c-2f7c4d1e8a90"


# Versions: rule 30


def test_the_same_content_is_saved_once_and_other_content_never_over_it(call: Caller) -> None:
    first = call("POST", f"{FORECAST}versions/", {"text": "numpy==2.1.3"})
    assert (first.status, first.json["version"]) == (201, "1")
    again = call("POST", f"{FORECAST}versions/", {"text": "# the same\nnumpy==2.1.3\n"})
    assert (again.status, again.json["version"]) == (200, "1")
    assert again.json["hash"] == first.json["hash"]

    other = call("POST", f"{FORECAST}versions/", {"text": "numpy==2.2.0", "version": "1"})
    assert (other.status, other.code) == (409, "version-taken")
    (change,) = other.json["difference"]["packages"]
    assert (change["name"], change["change"]) == ("numpy", "upgraded")
    assert Version.objects.count() == 1


def test_a_definition_that_is_refused_says_so_with_its_findings(call: Caller) -> None:
    answer = call(
        "POST", f"{FORECAST}versions/", {"text": "image: ubuntu\nbuild: {path: .}\n", "filename": "e.yaml"}
    )
    assert answer.status == 400
    errors = [finding for finding in answer.json["findings"] if finding["severity"] == "error"]
    assert errors
    assert all(finding["message"] and finding["code"] for finding in errors)
    assert not Version.objects.exists()


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "a", "tags": []}, {"text": 5, "tags": {"a": "b" * 500}}, {"text": "numpy", "tags": {"": "b"}},
     {"text": "nu\0mpy"}, {"text": "numpy", "version": "a/b"}, {"text": "numpy", "description": "x" * 6000}, []],
)  # fmt: skip
def test_a_body_that_is_wrong_names_what_is(call: Caller, body: object) -> None:
    answer = call("POST", f"{FORECAST}versions/", body)
    assert answer.status == 400
    assert answer.code
    assert not Version.objects.exists()


def test_what_is_not_json_is_refused(call: Caller) -> None:
    response = call.client.post(
        f"/api/v1/{FORECAST}versions/", "{", content_type="application/json", headers=call.headers
    )
    assert response.status_code == 400
    assert json.loads(response.content)["code"] == "parse-error"


def test_a_file_is_taken_as_a_form_takes_it(call: Caller) -> None:
    file = SimpleUploadedFile("requirements.txt", b"numpy==2.1.3\n")
    response = call.client.post(
        f"/api/v1/{FORECAST}versions/", {"file": file, "version": "7"}, headers=call.headers
    )
    assert response.status_code == 201, response.content
    assert response.json()["definition"]["python"]["pip"] == ["numpy==2.1.3"]
    assert response.json()["version"] == "7"


def test_names_are_refused_in_the_words_of_the_pages(call: Caller) -> None:
    reserved = call("POST", f"{LAB}environments/AzureML-mine/versions/", {"text": "numpy"})
    assert (reserved.status, reserved.code) == (400, "name-reserved")


def test_a_change_needs_the_latest_entity_tag(call: Caller) -> None:
    save_text("numpy==2.1.3")
    path = f"{FORECAST}versions/1/"
    seen = call("GET", path).headers["ETag"]
    changed = call("PATCH", path, {"tags": {"team": "a"}}, If_Match=seen)
    assert (changed.status, changed.json["tags"], changed.json["description"]) == (200, {"team": "a"}, "")
    late = call("PATCH", path, {"tags": {"team": "b"}}, If_Match=seen)
    assert (late.status, late.code) == (412, "changed")
    assert call("PATCH", path, {"description": "x"}, If_Match=changed.headers["ETag"]).status == 200

    packed = call("GET", path, Accept_Encoding="gzip")
    assert (packed.headers["Content-Encoding"], packed.headers["ETag"][:2]) == ("gzip", "W/")
    assert call("PATCH", path, {"description": "y"}, If_Match=packed.headers["ETag"]).status == 200
    assert call("PATCH", path, {"description": "z"}, If_Match=packed.headers["ETag"]).status == 412
    assert call("GET", path).json["tags"] == {"team": "a"}


def test_latest_is_the_newest_version_that_is_not_archived(call: Caller) -> None:
    for text in ("numpy==2.1.3", "numpy==2.2.0"):
        save_text(text)
    assert call("GET", f"{FORECAST}versions/latest/").json["version"] == "2"
    assert call("POST", f"{FORECAST}versions/2/archive/").json["archived"] is True
    assert call("GET", f"{FORECAST}versions/latest/").json["version"] == "1"


def test_a_version_does_not_leave_an_archived_environment_alone(call: Caller) -> None:
    save_text("numpy==2.1.3")
    assert call("POST", f"{FORECAST}archive/").json["archived"] is True
    refused = call("POST", f"{FORECAST}versions/1/restore/")
    assert (refused.status, refused.code) == (409, "environment-archived")
    assert call.all(f"{LAB}environments/") == []
    assert [row["name"] for row in call.all(f"{LAB}environments/?archived=1")] == ["forecast"]


def test_a_definition_is_given_in_other_formats_or_the_format_says_why_not(call: Caller) -> None:
    save_text("numpy==2.1.3")
    conda = call("GET", f"{FORECAST}versions/1/definition/?as=v2-yaml")
    assert b"numpy==2.1.3" in conda.response.content
    assert call("GET", f"{FORECAST}versions/1/definition/").response.content == b"numpy==2.1.3"
    assert call("GET", f"{FORECAST}versions/1/definition/?as=nonsense").status == 409


# Lists


def test_lists_come_in_pages_that_hold_while_rows_come(call: Caller) -> None:
    for number in range(7):
        save_text(f"numpy==2.1.{number}", name=f"e{number}")
    first = call("GET", f"{LAB}environments/?size=3").json
    save_text("numpy==2.0.0", name="a-new-first-one")
    rest = call.all(first["next"].partition("/api/v1/")[2])
    assert [row["name"] for row in [*first["results"], *rest]] == [f"e{number}" for number in range(7)]


@pytest.mark.parametrize("path", ["environments/", "builds/", "events/", "images/"])
def test_a_list_takes_as_many_queries_for_thirty_rows_as_for_three(
    call: Caller, path: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts = []
    for rows in (3, 30):
        for number in range(rows):
            version = save_text(f"numpy==2.{rows}.{number}", name=f"e{rows}-{number}")
            queue_build(version)
        call("GET", LAB + path)
        with CaptureQueriesContext(connection) as queries:
            call("GET", LAB + path)
        counts.append(len(queries))
    assert counts[0] == counts[1]


@pytest.mark.parametrize("position", ["\0", "[]", "9" * 30, "2026-13-45"])
def test_a_cursor_with_a_place_that_no_row_can_have_is_refused_or_finds_nothing(
    call: Caller, position: str
) -> None:
    queue_build(save_text("numpy==2.1.3"))
    cursor = base64.b64encode(urlencode({"p": position}).encode()).decode()
    for rows in ("environments", "builds", "images", "events", "proposals"):
        answer = call("GET", f"{LAB}{rows}/?{urlencode({'cursor': cursor})}")
        assert answer.status in (200, 400), rows
        assert answer.status == 200 or list(answer.json["errors"]) == ["cursor"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"{FORECAST}versions/", {"text": "six==1.16.0", "tags": {"\ud800": "x"}}),
        (f"{LAB}webhooks/", {"address": "https://hooks.example/x", "events": ["\udfff"]}),
        ("findings/", {"text": "six", "\ud800": "a field that there is not"}),
    ],
)
def test_half_a_character_is_refused_everywhere(call: Caller, path: str, body: dict[str, object]) -> None:
    answer = call("POST", path, body)
    assert (answer.status, answer.code) == (400, "parse-error")


def test_a_cursor_that_is_made_up_is_refused(call: Caller) -> None:
    answer = call("GET", f"{LAB}environments/?cursor=nonsense")
    assert (answer.status, list(answer.json["errors"])) == (400, ["cursor"])


# Builds


def test_asking_for_an_image_joins_the_build_that_is_under_way(call: Caller) -> None:
    save_text("numpy==2.1.3")
    first = call("POST", f"{FORECAST}versions/1/builds/", {})
    second = call("POST", f"{FORECAST}versions/latest/builds/")
    assert (first.status, second.status) == (202, 202)
    assert second.json["joined"] is True
    assert first.json["build"]["id"] == second.json["build"]["id"]

    shown = call("GET", f"{LAB}builds/{first.json['build']['id']}/").json
    assert (shown["state"], shown["steps"], shown["queue_position"]) == ("queued", [], 1)
    assert [row["id"] for row in call.all(f"{LAB}builds/?state=queued")] == [shown["id"]]
    assert call.all(f"{LAB}builds/?state=failed") == []


def test_names_that_differ_in_case_alone_are_all_listed_page_by_page(call: Caller) -> None:
    names = ["Delta", "alpha", "ALPHA", "Alpha", "beta"]
    for name in names:
        save_text("numpy==2.1.3\n", name=name)

    listed = [row["name"] for row in call.all(f"{LAB}environments/?size=2")]

    assert sorted(listed) == sorted(names)
    assert [name.lower() for name in listed] == sorted(name.lower() for name in names)


def test_cancelling_what_has_ended_is_a_conflict(call: Caller) -> None:
    save_text("numpy==2.1.3")
    build = call("POST", f"{FORECAST}versions/1/builds/", {}).json["build"]["id"]
    while Build.objects.get(pk=build).state != BuildState.CANCELLED:
        assert call("POST", f"{LAB}builds/{build}/cancel/").status == 200
    assert call("POST", f"{LAB}builds/{build}/cancel/").status == 409
    assert call("POST", f"{LAB}builds/{build}/retry/").status == 202


def test_packages_of_what_was_not_built_are_not_known_yet(call: Caller) -> None:
    save_text("numpy==2.1.3")
    assert call("GET", f"{FORECAST}versions/1/packages/").status == 409
    assert call("GET", f"{FORECAST}versions/1/lock/").status == 409


def test_a_log_is_text(call: Caller, olga: User) -> None:
    build = queue_build(save_text("numpy==2.1.3"), olga)
    answer = call("GET", f"{LAB}builds/{build.pk}/log/")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


# Sent again


def test_an_idempotency_key_is_answered_once_despite_changes_in_between(call: Caller) -> None:
    save_text("numpy==2.1.3")
    path = f"{FORECAST}versions/1/builds/"
    first = call("POST", path, {"rebuild": False}, Idempotency_Key="k1")
    Build.objects.update(state=BuildState.FAILED)
    again = call("POST", path, {"rebuild": False}, Idempotency_Key="k1")
    assert (again.status, again.json) == (first.status, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Build.objects.count() == 1
    assert call("POST", path, {"rebuild": False}, Idempotency_Key="k2").status == 202
    assert Build.objects.count() == 2


def test_a_key_is_not_for_another_request_nor_for_another_person(call: Caller) -> None:
    for number in ("3", "4"):
        save_text(f"numpy==2.1.{number}")
    assert call("POST", f"{FORECAST}versions/1/builds/", {}, Idempotency_Key="k").status == 202
    assert call("POST", f"{FORECAST}versions/2/builds/", {}, Idempotency_Key="k").status == 409
    other = Caller(person("paul", lab=Role.CONTRIBUTOR))
    assert other("POST", f"{FORECAST}versions/2/builds/", {}, Idempotency_Key="k").status == 202


def test_a_key_tells_nobody_again_what_they_may_not_see_or_no_longer(call: Caller, olga: User) -> None:
    save_text("numpy==2.1.3")
    Member.objects.create(workspace=workspace_named("shop"), user=olga, role=Role.OWNER)
    path = f"{FORECAST}versions/1/builds/"
    assert call("POST", path, {}, Idempotency_Key="k").status == 202
    narrow = Caller(olga, workspace=workspace_named("shop"))
    assert narrow("POST", path, {}, Idempotency_Key="k").status == 404
    Member.objects.filter(user=olga, workspace__name="lab").delete()
    assert call("POST", path, {}, Idempotency_Key="k").status == 404


def test_a_request_that_failed_may_be_sent_again_with_its_key(call: Caller) -> None:
    assert call("POST", f"{FORECAST}versions/1/builds/", {}, Idempotency_Key="k").status == 404
    save_text("numpy==2.1.3")
    assert call("POST", f"{FORECAST}versions/1/builds/", {}, Idempotency_Key="k").status == 202


# The rest


def test_findings_and_differences_are_returned_without_saving(call: Caller) -> None:
    read = call("POST", "findings/", {"text": "numpy\nnumpy==1\n", "filename": "requirements.txt"}).json
    assert (read["accepted"], read["format"]) == (True, "requirements")
    assert {finding["code"] for finding in read["findings"]} >= {"duplicate-package"}
    save_text("numpy==2.1.3", name="a")
    save_text("numpy==2.2.0", name="b")
    difference = call("GET", "diff/?a=lab/a:1&b=lab/b:latest").json
    assert [change["change"] for change in difference["packages"]] == ["upgraded"]
    assert call("GET", "diff/?a=lab/a:1").status == 400
    assert call("GET", "diff/?a=lab/a:1&b=lab/nothing").status == 404


def test_what_happened_says_who(call: Caller) -> None:
    call("POST", f"{FORECAST}versions/", {"text": "numpy==2.1.3"})
    newest = call.all(f"{LAB}events/")[0]
    assert (newest["actor"], newest["verb"], newest["environment"]) == ("olga", "version.created", "forecast")
    assert Event.objects.filter(actor__username="olga").exists()


def test_an_address_that_is_none_is_answered_as_all_errors_are(call: Caller) -> None:
    assert (call("GET", "nothing/").status, call("GET", "nothing/").code) == (404, "not-found")
    assert call("POST", "nothing/", {}).status == 404
    assert call("DELETE", FORECAST).status == 405


def test_too_many_requests_get_a_time_to_wait(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.throttling import UserRateThrottle

    monkeypatch.setattr(UserRateThrottle, "THROTTLE_RATES", {"user": "3/min"})
    answers = [call("GET", "me/") for _ in range(4)]
    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_workspaces_without_members_show_none(olga: User) -> None:
    Workspace.objects.create(name="empty", title="Empty")
    olga.is_superuser = True
    olga.save()
    assert Caller(olga).all("workspaces/empty/members/") == []


def test_docs_hold_the_policy_and_load_nothing_from_elsewhere() -> None:
    response = Client().get("/api/v1/docs/")
    page = response.content.decode()
    assert "default-src 'self'" in response.headers["Content-Security-Policy"]
    assert "http://" not in page
    assert "https://" not in page
    assert "<script>" not in page
    assert "<style" not in page


def test_the_schema_is_whole_and_has_no_warning() -> None:
    from django.core.management import call_command

    call_command("spectacular", "--validate", "--fail-on-warn", stdout=io.StringIO())
