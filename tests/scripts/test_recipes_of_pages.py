"""The recipes of CONTRIBUTING.md name every file they need: those that change builds, pages and rights are followed here.

The labels of the new parts are texts that pages have already: “Add text to a page” is a recipe of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.scripts.recipes import Project
from tests.services.sharing import MIGRATED

pytestmark = pytest.mark.slow
Follow = Callable[[str], Project]

NEW_WORK = '''\
"""Check the number of an image's layers."""

from builds.imaging.reporting import ImageError, Reporter

MAX_LAYERS = 127


def check_layers(layers: int, reporter: Reporter) -> None:
    """Raise ImageError if no engine could run an image of so many layers."""
    reporter.check()
    if layers > MAX_LAYERS:
        raise ImageError("base-unfit", f"The image has {layers} layers.", "Take a base with fewer.", fault="author")
    reporter.line(f"Layers: {layers}, at most {MAX_LAYERS}.")
'''
STEP_TEST = """\
import pytest
from builds.imaging.oci import layer_count
from builds.logs import read_log
from builds.models import BuildState
from builds.worker import runner
from environments.definition import read
from environments.models import Role
from environments.versions.service import save_reading
from tests.builds.scenarios import browser_of, person, queue_build, workspace_named

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def the_base_is_made_once(settings, folder):
    settings.STORE, settings.CACHE = folder / "store", folder / "cache"


def built():
    version = save_reading(workspace_named("lab"), "plain", read("image: host\\n"), source="").version
    build = queue_build(version)
    runner.run_build(build.pk, "a worker of a test")
    build.refresh_from_db()
    return build


def test_the_step_runs_in_its_order_and_is_on_the_page():
    build = built()
    assert build.state == BuildState.SUCCEEDED, build.error
    assert [step.name for step in build.steps.all()] == ["base", "assemble", "verify", "check", "store"]
    assert "Layers: 1, at most 127." in read_log(build.pk, limit=1000).text
    page = browser_of(person("rita", lab=Role.READER)).get(f"/w/lab/builds/{build.pk}/").content.decode()
    assert page.index("Verify") < page.index(">Check<") < page.index("Store image")


def test_a_build_that_the_step_refuses_fails_in_it(monkeypatch):
    monkeypatch.setattr(layer_count, "MAX_LAYERS", 0)
    build = built()
    assert (build.state, build.error_code, build.error_fault) == (BuildState.FAILED, "base-unfit", "author")
    assert [step.name for step in build.steps.filter(failed=True)] == ["check"]
"""


def test_a_step_of_builds_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a step to builds")
    name = '    CHECK = "check", gettext_lazy("Check")\n'
    project.add("builds/models/steps.py", name, before='    STORE = "store",')
    project.write("builds/imaging/oci/layer_count.py", NEW_WORK)
    steps = "builds/worker/steps.py"
    imported = "from builds.imaging.oci.layer_count import check_layers\n"
    project.add(steps, imported, before="from builds.imaging.oci.manifest import")
    project.add(
        steps,
        "    with reporter.step(StepName.CHECK):\n        check_layers(len(image.layers), reporter)\n",
        before="    # The name moves last",
    )
    row = "| `oci/layer_count.py` | Check the number of an image's layers. |\n"
    project.add("docs/images.md", row, before="| `oci/manifest.py` |")
    project.edit("docs/architecture.md", "*verify*, *store*", "*verify*, *check*, *store*")
    project.write("tests/builds/worker/test_layer_count.py", STEP_TEST)

    documents = ("tests/builds/imaging/test_documentation.py", "tests/builds/worker/test_steps.py")
    project.test("tests/builds/worker/test_layer_count.py", *documents)
    project.run("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()")


NEW_VIEW = '''\
@require_http_methods(["GET", "POST"])
@login_required
def digests(request: StudioRequest, workspace: str) -> HttpResponse:
    """Show the digests of a workspace's images, or keep them all for longer."""
    workspace = get_workspace(request.user, workspace, Right.BUILD)
    if request.method == "POST":
        workspace.images.update(used_at=Now())
        record("images.kept", str(workspace), workspace=workspace, actor=request.user)
        return redirect("builds:digests", workspace.name)
    rows = workspace.images.all()
    return render(request, "builds/digests.html", {"workspace": workspace, "rows": rows})


'''
NEW_TEMPLATE = """\
{% extends "base.html" %}
{% load i18n %}
{% block title %}{% translate "Digest" %}{% endblock %}
{% block content %}
  <h1>{% translate "Digest" %}</h1>
  {% for image in rows %}{% include "builds/_digest.html" %}{% endfor %}
{% endblock content %}
"""
# Requests one route with every method as every caller, as `tests/access` does with all routes
ACCESS_TEST = """\
import pytest
from django.contrib.auth.models import User
from tests.access.asking import Cell, Studio, cells, expected
from tests.access.changes import CHANGES
from tests.access.expected import W
from tests.access.test_events_of_changes import send
from tests.access.test_everybody_everywhere import one_connection
from tests.builds.scenarios import browser_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("one_connection")]
ROUTE = f"{W}ROUTE_BELOW"


def test_every_caller_is_answered_as_the_table_says():
    studio = Studio.filled()
    table = [cell for cell in cells() if cell.route == ROUTE]
    assert {cell: studio.answer(cell) for cell in table} == {cell: expected(cell) for cell in table}
    assert {expected(cell) for cell in table} == {"in", "sign in", "refused", "hidden", "no such method"}
"""
PAGE_TEST = """\

def test_the_page_shows_the_images_in_its_section(settings, django_assert_max_num_queries):
    studio = Studio.filled()
    studio.client.cookies[settings.SESSION_COOKIE_NAME] = studio.sessions["owner"]
    studio.client.get("/w/lab/builds/digests/")
    with django_assert_max_num_queries(20):
        page = " ".join(studio.client.get("/w/lab/builds/digests/").content.decode().split())
    assert f"<code>{studio.there['lab']['digest']}</code>" in page
    assert 'href="/w/lab/builds/" aria-current="page"' in page


def test_the_change_records_an_event_with_a_phrase():
    path = Studio.filled().path(Cell(ROUTE, "POST", "owner", "lab"))
    browser = browser_of(User.objects.get(username="owner"))
    status, (event,) = send(browser, path, "POST", CHANGES[ROUTE, "POST"])
    assert (status, event.verb, event.actor.username) == (302, CHANGES[ROUTE, "POST"].verb, "owner")
    assert "restored" in browser.get("/w/lab/activity/").content.decode()
"""
KNOWN_EVENTS = (
    "tests/access/test_events_of_changes.py::test_every_route_that_changes_something_has_a_known_event",
    "tests/environments/audit/test_events.py::test_every_verb_has_a_text",
)
TABLE = "tests/access/test_everybody_everywhere.py::test_the_table_has_every_route_and_no_other"


def test_a_page_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a page")
    views = "builds/pages/views.py"
    project.add(views, NEW_VIEW, before="def period_of(request: StudioRequest)")
    project.add(
        views, "from django.db.models.functions import Now\n", before="from django.http import HttpResponse,"
    )
    imported = "from environments.audit.record import record\n"
    project.add(views, imported, before="from environments.models import Workspace\n")
    project.add(
        "builds/urls.py",
        '    path("builds/digests/", in_section("builds", views.digests), name="digests"),\n',
        before="    # /w/<workspace>/builds/<uuid>/?all\n",
    )
    project.write("templates/builds/digests.html", NEW_TEMPLATE)
    project.write("templates/builds/_digest.html", "<p><code>{{ image.digest }}</code></p>\n")
    line = '    f"{W}builds/digests/": READ_DEFINE,\n'
    project.add("tests/access/expected.py", line, before="    BUILD: READ,\n")
    change = '    (f"{W}builds/digests/", "POST"): Change("images.kept"),\n'
    project.add("tests/access/changes.py", change, before='    (f"{W}images/clean-up/", "POST")')
    phrase = '    "images.kept": ("archive-off", pgettext_lazy("did", "restored")),\n'
    project.add("studio/labels.py", phrase, before='    "images.cleaned":')
    test = ACCESS_TEST.replace("ROUTE_BELOW", "builds/digests/") + PAGE_TEST
    project.write("tests/builds/pages/test_digests.py", test)

    languages = "tests/studio/middleware/test_languages.py"
    marked = f"{languages}::test_templates_say_nothing_that_is_not_marked_for_translation"
    project.test("tests/builds/pages/test_digests.py", TABLE, *KNOWN_EVENTS, marked)


def test_a_right_needs_only_the_files_of_its_recipe(follow: Follow) -> None:
    project = follow("Add a right")
    access = "environments/access.py"
    project.add(
        access,
        '    SEE_FIGURES = "see how its builds went"\n',
        before='    CLEAN_UP = "clean up its images"\n',
    )
    project.add(access, "    Right.SEE_FIGURES: Role.OWNER,\n", before="    Right.CLEAN_UP: Role.OWNER,\n")
    project.edit(
        "builds/pages/views.py",
        '"""Show how the builds of a period went."""\n    workspace = get_workspace(request.user, workspace)\n',
        '"""Show how the builds of a period went."""\n'
        "    workspace = get_workspace(request.user, workspace, Right.SEE_FIGURES)\n",
    )
    line = 'f"{W}builds/figures/": '
    project.edit("tests/access/expected.py", f"{line}READ,", f'{line}{{"GET": OWNER}},')
    owner = "| an owner | manage its members, connections, registry, webhooks;"
    project.edit("docs/security.md", owner, owner + " see how its builds went;")
    # In place of the test of the whole table, which takes a minute and a half
    (project.root / "var").mkdir(exist_ok=True)
    (project.root / "var/test_figures.py").write_text(ACCESS_TEST.replace("ROUTE_BELOW", "builds/figures/"))

    project.test("var/test_figures.py", TABLE)


LATEST = sorted(Path("environments/migrations").glob("0*.py"))[-1].stem
MIGRATION = f"""\
from django.db import migrations, models


def fill(apps, schema_editor):
    versions = apps.get_model("environments", "Version").objects.filter(pk=models.OuterRef("version"))
    entries = apps.get_model("environments", "ListEntry").objects
    entries.update(hash=models.Subquery(versions.values("hash")))


class Migration(migrations.Migration):
    dependencies = [("environments", "{LATEST}")]
    operations = [
        migrations.AddField("listentry", "hash", models.CharField(default="", max_length=32)),
        migrations.RunPython(fill),
        migrations.AddIndex(
            "listentry", models.Index(fields=["workspace", "hash", "name"], name="listentry_hash_idx")
        ),
    ]
"""
NEXT = int(LATEST[:4]) + 1
COLUMN_TEST = """\
from importlib import import_module
import pytest
from django.apps import apps
from django.core.management import call_command
from environments.models import ListEntry, Role
from tests.builds.scenarios import browser_of, person, save_text
from tests.studio.environments.test_columns import headings, text_of


@pytest.mark.django_db
def test_the_column_is_chosen_shown_and_sorted_by():
    browser = browser_of(person("rita", lab=Role.READER))
    hashes = [save_text(f"numpy==2.1.{number}", name=f"env-{number}").hash for number in range(5)]
    for sort, order in (("hash", sorted(hashes)), ("-hash", sorted(hashes, reverse=True))):
        page = text_of(browser, f"?column=hash&sort={sort}")
        assert headings(page) == ["Name", "Hash"]
        assert sorted(hashes, key=page.index) == order
    assert hashes[0] not in text_of(browser)


@pytest.mark.django_db
def test_the_migration_is_complete_and_fills_existing_rows():
    call_command("makemigrations", "--check", "--dry-run")
    version = save_text("numpy==2.1.3")
    ListEntry.objects.update(hash="")
    import_module("environments.migrations.NEXT_listentry_hash").fill(apps, None)
    assert ListEntry.objects.get().hash == version.hash
""".replace("NEXT", f"{NEXT:04}")


@pytest.mark.django_db  # so that there is a file with the tables
def test_a_column_of_the_list_needs_only_the_files_of_its_recipe(follow: Follow, shared_folder: Path) -> None:
    project = follow("Add a column to the list of environments")
    columns = "studio/environments/columns.py"
    project.add(columns, '    "hash": _("Hash"),\n', before='    "image": _("Image"),\n')
    project.edit(
        columns,
        'name not in ("kind", "vulnerabilities", "uses")',
        'name not in ("hash", "kind", "vulnerabilities", "uses")',
    )
    template = "templates/studio/_environments.html"
    heading = (
        '{% if "hash" in columns %}{% include "_sort.html" with column="hash" words=_("Hash") %}{% endif %}\n'
    )
    project.add(template, heading, before='            {% if "image" in columns %}<th')
    cell = '{% if "hash" in columns %}<td data-label="{% translate "Hash" %}">{{ version.hash }}</td>{% endif %}\n'
    project.add(template, cell, before='              {% if "image" in columns %}\n                <td')
    models = "environments/models/list_entries.py"
    project.add(
        models,
        '    hash = models.CharField(max_length=32, default="")\n',
        before="    base = models.CharField(max_length=400, blank=True)\n    packages =",
    )
    index = '            models.Index(fields=["workspace", "hash", "name"], name="listentry_hash_idx"),\n'
    project.add(models, index, before='            models.Index(fields=["workspace", "name"]')
    project.write(f"environments/migrations/{NEXT:04}_listentry_hash.py", MIGRATION)
    listing = "environments/versions/listing.py"
    project.add(
        listing,
        '    "hash": ("hash", "name"),\n    "-hash": ("-hash", "-name"),\n',
        before='    "base": ("base"',
    )
    project.add(listing, '            "hash": version.hash,\n', before='            "base": version.base,\n')
    project.write("tests/studio/environments/test_hash_column.py", COLUMN_TEST)

    names = ("studio/environments/test_hash_column", "studio/environments/test_columns")
    files = [f"tests/{name}.py" for name in (*names, "environments/versions/test_listing")]
    project.test(*files, tables=shared_folder / MIGRATED)
