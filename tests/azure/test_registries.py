"""The SDK reads registries, registers in them and shares with them: the catalogue, and a workspace that was opened."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio
from tests.services.processes import wait_until

pytestmark = pytest.mark.slow
SHARE = """
client(person).environments.share(
    name, '1', share_with_name=to, share_with_version=version, registry_name=registry_name).id
"""


def build(studio: AzureStudio, name: str) -> None:
    """Build version 1 of an environment in `lab`."""
    with studio.browser() as browser:
        url = f"/api/v1/workspaces/lab/environments/{name}/versions/1/builds/"
        answer = browser.post(url, json={})
        assert answer.status_code in (200, 202), answer.text

        def built() -> bool:
            again = browser.post(url, json={})
            return again.status_code == 200

        wait_until(built, 60, "The build did not end.")


def test_the_catalogue_is_the_registry_azureml(registry_session: Session) -> None:
    session = registry_session
    listed = session.run("azureml = registry('azureml'); [e.name for e in azureml.environments.list()]")
    assert "AzureML-dataframes" in listed
    read = session.run("shown(azureml.environments.get('AzureML-dataframes', version='1'))")
    assert read["id"] == "azureml://registries/azureml/environments/AzureML-dataframes/versions/1"
    assert read["conda_file"]["dependencies"]
    assert session.run("azureml.environments.get('dataframes', label='latest').name") == "AzureML-dataframes"
    assert session.run("[e.version for e in azureml.environments.list('AzureML-dataframes')]") == ["1"]
    missing = session.fails("azureml.environments.get('nothing', version='1')")
    assert missing.status == 404


def test_nothing_is_registered_in_the_catalogue(registry_session: Session) -> None:
    session = registry_session
    code = "registry('azureml', person).environments.create_or_update(Environment(name='x', version='1', image='a:1'))"
    assert session.fails(code, person="owner").status == 403
    assert "reviewed first" in session.fails(code, person="azure-admin").message


def test_a_workspace_that_is_not_opened_is_no_registry(registry_session: Session) -> None:
    session = registry_session
    assert session.fails("registry('lab')").status == 404
    assert session.fails("registry('nowhere')").status == 404
    assert session.fails("registry('shelf', 'stranger')").status == 404


def test_an_opened_workspace_is_a_registry_to_register_in(registry_session: Session) -> None:
    session = registry_session
    name = session.run("import uuid; name = 'registered-' + uuid.uuid4().hex[:8]; name")
    made = session.run(
        "shown(registry('shelf', 'librarian').environments.create_or_update("
        "Environment(name=name, version='1', image='python:3.12')))"
    )
    assert made["id"] == f"azureml://registries/shelf/environments/{name}/versions/1"
    again = "registry('shelf', 'librarian').environments.create_or_update(Environment(name=name, image='python:3.13')).version"
    assert session.run(again) == "2"
    assert (
        session.run("registry('shelf', 'contributor').environments.get(name, label='latest').version") == "2"
    )
    refused = session.fails(again.replace("librarian", "contributor"))
    assert refused.status == 403


def test_versions_and_environments_of_a_registry_are_archived_and_restored(registry_session: Session) -> None:
    session = registry_session
    name = session.run("import uuid; name = 'archived-' + uuid.uuid4().hex[:8]; name")
    listed = session.run(
        """
        shelf = registry('shelf', 'librarian').environments
        for image in ('python:3.12', 'python:3.13'):
            shelf.create_or_update(Environment(name=name, image=image))
        def versions():
            return [e.version for e in shelf.list(name)]
        def names():
            return [e.name for e in shelf.list()]
        seen = []
        for act, more in ((shelf.archive, {'version': '2'}), (shelf.restore, {'version': '2'}),
                          (shelf.archive, {'label': 'latest'}), (shelf.restore, {'version': '2'})):
            act(name, **more)
            seen.append(versions())
        shelf.archive(name)
        seen += [name in names(), shelf.get(name, version='1').image]
        shelf.restore(name)
        seen += [name in names(), versions()]
        seen
        """
    )
    assert listed == [["1"], ["2", "1"], ["1"], ["2", "1"], False, "python:3.12", True, ["2", "1"]]
    assert (
        session.fails("registry('shelf', 'contributor').environments.archive(name)", name=name).status == 403
    )
    assert session.fails("registry('azureml').environments.archive('AzureML-dataframes')").status == 403


def test_a_local_build_context_is_uploaded_to_a_registry(registry_session: Session, tmp_path: Path) -> None:
    session = registry_session
    context = tmp_path / "my context"
    (context / "app").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM python:3.12-slim\nCOPY . /app\n")
    (context / "app" / "main.py").write_text("pass\n")
    code = """
    import uuid
    made = registry('shelf', 'librarian').environments.create_or_update(
        Environment(name='context-' + uuid.uuid4().hex[:8], version='1', build=BuildContext(path=path)))
    [made.id.partition('/environments/')[0], made.build.dockerfile_path]
    """
    assert session.run(code, path=str(context)) == ["azureml://registries/shelf", "Dockerfile"]


def test_an_owner_of_both_sides_shares_at_once_without_a_build(
    kwargs_session: Session, azure_studio: AzureStudio
) -> None:
    session = kwargs_session
    session.run(
        "ml.environments.create_or_update(Environment(name='to-share', version='1', image='host')).id"
    )
    values = {
        "person": "librarian",
        "name": "to-share",
        "to": "shared",
        "version": "7",
        "registry_name": "shelf",
    }
    refused = session.fails(SHARE, **values)
    assert refused.status == 400
    assert "Build it first" in refused.message
    build(azure_studio, "to-share")
    assert session.run(SHARE, **values) == "azureml://registries/shelf/environments/shared/versions/7"
    assert (
        session.run("registry('shelf', 'librarian').environments.get('shared', version='7').image") == "host"
    )
    assert session.fails(SHARE, **values).kind == "ValidationException"  # the client looks it up first


def test_others_share_and_an_owner_decides(kwargs_session: Session, azure_studio: AzureStudio) -> None:
    session = kwargs_session
    session.run("ml.environments.create_or_update(Environment(name='to-send', version='1', image='host')).id")
    build(azure_studio, "to-send")
    values = {
        "person": "contributor",
        "name": "to-send",
        "to": "sent",
        "version": "1",
        "registry_name": "shelf",
    }
    sent = session.fails(SHARE, **values)
    assert sent.status == 400
    assert "when an owner accepts it" in sent.message
    assert (
        session.fails("registry('shelf', 'contributor').environments.get('sent', version='1')").status == 404
    )
    with azure_studio.browser("librarian") as browser:
        shares = browser.get("/api/v1/workspaces/shelf/shares/received/").json()["results"]
        (waiting,) = [row for row in shares if row["name"] == "sent"]
        assert (
            browser.post(f"/api/v1/workspaces/shelf/shares/{waiting['id']}/accept/", json={}).status_code
            == 200
        )
    assert (
        session.run("registry('shelf', 'contributor').environments.get('sent', version='1').image") == "host"
    )


def test_versions_reach_the_catalogue_by_review_alone(
    kwargs_session: Session, azure_studio: AzureStudio
) -> None:
    session = kwargs_session
    session.run(
        "ml.environments.create_or_update(Environment(name='to-propose', version='1', image='host')).id"
    )
    build(azure_studio, "to-propose")
    values = {"name": "to-propose", "to": "x", "version": "1", "registry_name": "azureml"}
    for person in ("owner", "azure-admin"):
        refused = session.fails(SHARE, person=person, **values)
        assert refused.status == 400
        assert "by review" in refused.message


def test_what_a_caller_may_not_share_is_as_good_as_missing(kwargs_session: Session) -> None:
    session = kwargs_session
    session.run("ml.environments.create_or_update(Environment(name='kept', version='1', image='a:1')).id")
    values = {"name": "kept", "to": "x", "version": "1"}
    assert session.fails(SHARE, person="stranger", registry_name="shelf", **values).status == 404
    assert session.fails(SHARE, person="librarian", registry_name="other", **values).status == 404
    assert (
        session.fails(SHARE, person="librarian", registry_name="shelf", **values | {"name": "nothing"}).status
        == 404
    )
