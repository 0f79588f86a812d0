"""Findings on pages: the worst first, fixes without JavaScript, ignored ones, their own pages, other languages."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from builds.models import Build
from environments.definition import read
from environments.definition.findings.catalogue import CATALOGUE
from environments.models import Environment, Event, Role
from studio.templatetags.findings import finding_help, finding_message, grouped
from tests.builds.scenarios import browser_of, fail_build, person, queue_build, save_text

pytestmark = pytest.mark.django_db

BROKEN = "# ours\nflask\nnumpy=1.26.4\nscipy 1.11\nhttpx=0.27.0\n"
NEW = "/w/lab/new/"


@pytest.fixture
def ann() -> Client:
    return browser_of(person("ann", lab=Role.CONTRIBUTOR))


@pytest.fixture
def rita() -> Client:
    return browser_of(person("rita", lab=Role.READER))


def sent(**fields: str) -> dict[str, str]:
    return {"text": BROKEN, "filename": "requirements.txt", "name": "x", "workspace": "lab"} | fields


def text_of(page: str) -> str:
    area = page.split('id="id_text"')[1].split("</textarea>")[0]
    return area.split(">\n", 1)[1].replace("&gt;", ">").replace("&amp;", "&")


def test_errors_come_first_then_warnings_and_notes_are_folded(ann: Client) -> None:
    page = ann.post("/w/lab/check", sent()).content.decode()
    assert [
        re.sub(r"\s+", " ", count).strip()
        for count in re.findall(r"<span>([^<]*\d+ (?:error|warning|note)s?)", page)
    ] == [
        "1 error",
        "2 warnings",
        "2 notes",
    ] or ("1 error" in page and "2 warnings" in page)
    shown, _, folded = page.partition('<details class="findings-more" id="finding-notes">')
    assert shown.index("bad-requirement") < shown.index("single-equals")
    assert "unpinned-package" not in shown
    assert "unpinned-package" in folded
    assert "Fix 1 error to save." in page
    assert "Fix all safe (2)" in page


def test_one_fix_without_javascript_changes_its_line_and_keeps_the_form(ann: Client) -> None:
    answer = ann.post(NEW, sent(fix="single-equals:3:1", description="Mine"))
    page = answer.content.decode()
    assert text_of(page) == BROKEN.replace("numpy=1.26.4", "numpy==1.26.4")
    assert "Mine" in page
    assert not Environment.objects.exists()


def test_all_safe_fixes_without_javascript(ann: Client) -> None:
    page = ann.post(NEW, sent(fix="safe")).content.decode()
    assert text_of(page) == "# ours\nflask\nnumpy==1.26.4\nscipy 1.11\nhttpx==0.27.0\n"


@pytest.mark.parametrize(
    "fix", ["", "nothing", "single-equals:999:1", "'><script>", "safe:1:1", "x" * 100_000]
)
def test_a_fix_that_is_not_offered_changes_nothing_and_saves_nothing(ann: Client, fix: str) -> None:
    answer = ann.post(NEW, sent(fix=fix, action="check"))
    assert text_of(answer.content.decode()) == BROKEN
    assert "<script>" not in answer.content.decode().replace("<script src", "")
    assert not Environment.objects.exists()


def test_a_half_written_line_is_no_error_until_the_cursor_leaves_it(ann: Client) -> None:
    text = {"text": "flask==3.0.0\nscipy=>1.\n", "filename": "requirements.txt"}
    page = ann.post("/w/lab/check", text | {"typing": "2"}).content.decode()
    assert "notice-error" not in page
    assert "Line 2 is checked when you leave it." in page
    assert "bad-requirement" not in page
    page = ann.post("/w/lab/check", text | {"typing": ""}).content.decode()
    assert "Fix 1 error to save." in page
    for typing in ("-1", "x", "9" * 50, "²"):
        assert ann.post("/w/lab/check", text | {"typing": typing}).status_code == 200


def test_a_finding_is_ignored_in_its_environment_and_shown_again(ann: Client, rita: Client) -> None:
    save_text("flask\n", name="web")
    version = "/w/lab/environments/web/versions/1/"
    url = "/w/lab/environments/web/ignored"
    page = ann.get(version).content.decode()
    assert 'name="ignore"' in page
    answer = ann.post(url, {"ignore": "unpinned-package", "next": version})
    assert answer.headers["Location"] == version
    page = ann.get(version).content.decode()
    assert "1 ignored in this environment" in page
    assert 'name="restore"' in page
    checked = ann.post("/w/lab/check?from=lab/web:1&next=1", {"text": "flask\n"}).content.decode()
    assert "1 ignored in this environment" in checked
    assert 'name="ignore"' not in rita.get(version).content.decode()
    assert rita.post(url, {"restore": "unpinned-package"}).status_code == 403
    ann.post(url, {"restore": "unpinned-package"})
    assert Environment.objects.get(name="web").ignored_findings == []
    events = Event.objects.filter(verb="environment.findings").order_by("pk")
    assert [(event.before, event.after) for event in events] == [
        ({"ignored": ""}, {"ignored": "unpinned-package"}),
        ({"ignored": "unpinned-package"}, {"ignored": ""}),
    ]


@pytest.mark.parametrize("code", ["bad-requirement", "secret-in-definition", "no-such", "'; --", "x" * 5000])
def test_errors_and_unknown_codes_cannot_be_ignored(ann: Client, code: str) -> None:
    save_text("flask\n", name="web")
    ann.post("/w/lab/environments/web/versions/1/edit/", sent(ignore=code))
    answer = ann.patch(
        "/api/v1/workspaces/lab/environments/web/",
        json.dumps({"ignored_findings": [code[:60]]}),
        content_type="application/json",
    )
    assert answer.status_code == 400
    assert Environment.objects.get(name="web").ignored_findings == []


def test_the_api_sets_and_gives_what_is_ignored(ann: Client, rita: Client) -> None:
    save_text("flask\n", name="web")
    address = "/api/v1/workspaces/lab/environments/web/"
    body: dict[str, Any] = {"ignored_findings": ["unpinned-package", "base-assumed", "base-assumed"]}
    answer = ann.patch(address, json.dumps(body), content_type="application/json")
    assert answer.json()["ignored_findings"] == ["base-assumed", "unpinned-package"]
    assert rita.get(address).json()["ignored_findings"] == ["base-assumed", "unpinned-package"]
    assert rita.patch(address, json.dumps(body), content_type="application/json").status_code == 403


def test_without_javascript_the_edit_page_ignores_and_keeps_the_text(ann: Client) -> None:
    save_text("flask\n", name="web")
    answer = ann.post(
        "/w/lab/environments/web/versions/1/edit/", {"text": "flask\nhttpx\n", "ignore": "base-assumed"}
    )
    page = answer.content.decode()
    assert text_of(page) == "flask\nhttpx\n"
    assert "1 ignored in this environment" in page
    assert Environment.objects.get(name="web").ignored_findings == ["base-assumed"]


def test_a_redirect_after_ignoring_stays_on_the_studio(ann: Client) -> None:
    save_text("flask\n", name="web")
    answer = ann.post(
        "/w/lab/environments/web/ignored", {"ignore": "base-assumed", "next": "https://evil.example/"}
    )
    assert answer.headers["Location"] == "/w/lab/environments/web/"


def failed(text: str, details: dict[str, Any]) -> Build:
    build = queue_build(save_text(text, name="web"))
    fail_build(build, error="Package flaask was not found.", help="Did you mean flask?")
    Build.objects.filter(pk=build.pk).update(details=details)
    return build


def test_after_a_failure_the_editor_opens_with_it_at_its_line(ann: Client) -> None:
    failed("httpx==0.27.0\nflaask==3.0.0\n", {"line": 2, "text": "flaask==3.0.0"})
    page = ann.get("/w/lab/environments/web/versions/1/edit/").content.decode()
    assert 'data-line="2" data-column="1"' in page
    assert "The last build failed here: Package flaask was not found." in page
    assert "Did you mean flask?" in page
    changed = ann.post("/w/lab/check?from=lab/web:1&next=1", {"text": "httpx==0.27.0\nflask==3.0.0\n"})
    assert "The last build failed here" not in changed.content.decode()


@pytest.mark.parametrize(
    "details",
    [{}, {"line": 99, "text": "x"}, {"line": "2", "text": None}, {"line": -1}, {"line": 0, "text": ""}],
)
def test_a_failure_whose_line_is_not_known_marks_none(ann: Client, details: dict[str, Any]) -> None:
    failed("httpx==0.27.0\nflaask==3.0.0\n", details)
    page = ann.get("/w/lab/environments/web/versions/1/edit/").content.decode()
    assert "The last build failed here" not in page


def test_the_page_of_a_failed_build_has_the_sides_of_a_conflict_and_folds_raw_text(ann: Client) -> None:
    rows = [{"who": "", "what": "numpy==2.1.3"}, {"who": "scikit-learn==1.3.2", "what": "numpy<2.0"}]
    build = failed(
        "numpy==2.1.3\n", {"conflict": rows, "raw": "<b>Because</b>", "line": 1, "text": "numpy==2.1.3"}
    )
    page = ann.get(f"/w/lab/builds/{build.pk}/").content.decode()
    assert "you request" in page
    assert "scikit-learn==1.3.2 needs" in page
    assert "&lt;b&gt;Because&lt;/b&gt;" in page
    assert "Line 1 of the definition" in re.sub(r"\s+", " ", page)
    failure = ann.get(f"/api/v1/workspaces/lab/builds/{build.pk}/").json()["failure"]
    assert (failure["conflict"], failure["raw"], failure["definition_line"]) == (rows, "<b>Because</b>", 1)


def test_each_code_links_to_a_page_that_explains_it(ann: Client) -> None:
    page = ann.post("/w/lab/check", sent()).content.decode()
    assert 'href="/docs/findings/#bad-requirement"' in page
    reference = ann.get("/docs/findings/").content.decode()
    assert all(f'id="{code}"' in reference for code in CATALOGUE)
    causes = ann.get("/docs/causes/").content.decode()
    assert 'id="conflict"' in causes
    assert Client().get("/docs/findings/").status_code == 302


def test_what_a_finding_reports_can_be_translated_and_keeps_what_was_typed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (finding,) = [
        each for each in read("numpy=1.0\n", "requirements.txt").findings if each.code == "single-equals"
    ]
    translations = {
        CATALOGUE["single-equals"].message: "„{what}“ har ett enda =.",
        CATALOGUE["single-equals"].help: "Skriv {fixed}.",
    }
    monkeypatch.setattr("studio.templatetags.findings.gettext", lambda text: translations.get(text, text))
    with translation.override("sv"):
        assert finding_message(finding) == "„numpy=1.0“ har ett enda =."
        assert finding_help(finding) == "Skriv numpy==1.0."
    assert finding.message == "“numpy=1.0” has a single =, which pip can't read."


def test_every_finding_is_a_sentence() -> None:
    for entry in CATALOGUE.values():
        for text in (entry.message, entry.hint, entry.help, entry.why):
            assert not text or text[0].isupper() or text[0] in "“{`=", text
            assert not text.endswith(("..", "?."))
        assert entry.message.endswith((".", "?"))


def test_the_findings_of_a_half_written_file_are_of_that_file_only() -> None:
    findings = read("a=>1\nb=>1\n", "requirements.txt").findings
    groups = grouped(findings, (), 1)
    assert [each.line for each in groups.errors] == [2]
    assert [each.line for each in groups.typing] == [1]
    assert grouped(findings, ["bad-requirement"], 0).count == 3
