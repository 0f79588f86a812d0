"""SDK v2 creates, reads, lists, archives and restores environments, however it reaches the studio."""

from __future__ import annotations

import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow
WS = "/subscriptions/any-subscription/resourceGroups/any group/providers/Microsoft.MachineLearningServices/workspaces/lab"
CONDA = """
    import pathlib
    pathlib.Path('conda.yaml').write_text('''
    # comments are lost on the way
    name: demo
    channels: [conda-forge]
    dependencies:
      - python=3.10
      - pip
      - pip: [numpy==1.26.4]
    ''')
"""


def test_versions_are_numbered_read_and_listed(each_session: Session) -> None:
    session, name = each_session, f"numbered-{each_session.way}"

    def create(image: str) -> str:
        code = "e = ml.environments.create_or_update(Environment(name=name, image=image)); [e.id, e.name, e.version]"
        id, shown, version = session.run(code, name=name, image=image)
        assert (id, shown) == (f"{WS}/environments/{name}/versions/{version}", name)
        return str(version)

    assert create("python:3.11") == "1"
    assert create("python:3.11") == "1"  # the same content makes no new version
    assert create("python:3.12") == "2"
    first = session.run("shown(ml.environments.get(name, version='1'))")
    assert (first["image"], first["version"], first["os_type"]) == ("python:3.11", "1", "Linux")
    assert session.run("ml.environments.get(name, label='latest').version") == "2"
    assert (
        session.run(
            "ml.environments.get(f'azureml:{name}@latest'.split(':')[1].split('@')[0], label='latest').image"
        )
        == "python:3.12"
    )
    assert session.run("[e.version for e in ml.environments.list(name)]") == ["2", "1"]
    listed = session.run("{e.name: e.latest_version for e in ml.environments.list()}")
    assert listed[name] == "2"
    assert session.fails("ml.environments.get(name, version='9')").kind == "ResourceNotFoundError"


def test_versions_and_environments_are_archived_and_restored(each_session: Session) -> None:
    session = each_session
    name = f"archived-{session.way}"
    names = {
        kind: f"[e.name for e in ml.environments.list(list_view_type=ListViewType.{kind})]"
        for kind in ("ACTIVE_ONLY", "ARCHIVED_ONLY", "ALL")
    }
    versions = {
        kind: f"[e.version for e in ml.environments.list(name, list_view_type=ListViewType.{kind})]"
        for kind in names
    }
    session.run(
        """
        for image in ("python:3.11", "python:3.12"):
            ml.environments.create_or_update(
                Environment(name=name, image=image, description="For reports.", tags={"team": "nlp"})
            )
        ml.environments.archive(name, version="2")
        """,
        name=name,
    )
    assert session.run(versions["ACTIVE_ONLY"]) == ["1"]
    assert session.run(versions["ARCHIVED_ONLY"]) == ["2"]
    assert session.run(versions["ALL"]) == ["2", "1"]
    assert session.run("ml.environments.get(name, label='latest').version") == "1"
    kept = session.run("shown(ml.environments.get(name, version='2'))")
    assert (kept["description"], kept["tags"]) == ("For reports.", {"team": "nlp"})
    session.run("ml.environments.restore(name, version='2')")
    assert session.run(versions["ACTIVE_ONLY"]) == ["2", "1"]
    session.run("ml.environments.archive(name, label='latest')")
    assert session.run(versions["ACTIVE_ONLY"]) == ["1"]

    session.run("ml.environments.archive(name)")
    assert name not in session.run(names["ACTIVE_ONLY"])
    assert name in session.run(names["ARCHIVED_ONLY"])
    assert name in session.run(names["ALL"])
    assert session.run("ml.environments.get(name, version='1').image") == "python:3.11"
    session.run("ml.environments.restore(name)")
    assert name in session.run(names["ACTIVE_ONLY"])
    assert session.run(versions["ACTIVE_ONLY"]) == ["2", "1"]


def test_a_yaml_file_with_everything_reads_back_as_it_was(each_session: Session) -> None:
    session = each_session
    session.run(CONDA)
    read = session.run(
        """
        pathlib.Path('environment.yaml').write_text('''
        $schema: https://azuremlschemas.azureedge.net/latest/environment.schema.json
        name: whole
        image: docker.io/library/python:3.11-slim
        conda_file: conda.yaml
        description: from yaml
        tags: {t: "1"}
        inference_config:
          liveness_route: {port: 5001, path: /live}
          readiness_route: {port: 5001, path: /ready}
          scoring_route: {port: 5001, path: /score}
        ''')
        sent = load_environment('environment.yaml')
        sent.name, sent.version, sent.properties = name, "7", {"k": "v"}
        ml.environments.create_or_update(sent)
        got = ml.environments.get(name, version="7")
        again = ml.environments.create_or_update(got)
        [shown(sent), shown(got), shown(again)]
        """,
        name=f"whole-{session.way}",
    )
    sent, got, again = read
    assert got == again
    assert got["conda_file"] == sent["conda_file"]
    assert got["conda_file"]["dependencies"][2] == {"pip": ["numpy==1.26.4"]}
    for field in ("name", "version", "image", "description", "tags", "properties", "inference_config"):
        assert got[field] == sent[field], field
    session.run("ml.environments.archive(name, version='7'); ml.environments.restore(name, version='7')")
    assert session.run("[e.version for e in ml.environments.list(name)]") == ["7"]


def test_a_version_is_never_given_other_content(session: Session) -> None:
    session.run(
        "ml.environments.create_or_update(Environment(name='fixed', version='a', image='python:3.11'))"
    )
    refused = session.fails(
        "ml.environments.create_or_update(Environment(name='fixed', version='a', image='python:3.12'))"
    )
    assert (refused.kind, refused.status, refused.code) == ("ResourceExistsError", 409, "Conflict")
    assert "fixed:a exists with other content" in refused.message
    assert "version-taken" in refused.details
    session.run(CONDA)
    refused = session.fails(
        "ml.environments.create_or_update(Environment(name='fixed', version='a', image='python:3.11', conda_file='conda.yaml'))"
    )
    assert refused.status == 409


def test_description_and_tags_change_in_a_version_that_exists(session: Session) -> None:
    code = """
    ml.environments.create_or_update(Environment(name='described', version='1', image='python:3.11', **more))
    e = ml.environments.get('described', version='1'); [e.description, e.tags]
    """
    assert session.run(code, more={}) == [None, {}]
    assert session.run(code, more={"description": "New.", "tags": {"a": "b"}}) == ["New.", {"a": "b"}]
    assert session.run(code, more={}) == ["New.", {"a": "b"}]  # left out: not changed
    assert session.run("[e.version for e in ml.environments.list('described')]") == ["1"]


def test_registering_an_archived_version_again_restores_it(session: Session) -> None:
    listed = session.run(
        """
        e = Environment(name='again', version='1', image='python:3.11')
        ml.environments.create_or_update(e)
        ml.environments.archive('again', version='1')
        before = [v.version for v in ml.environments.list('again')]
        ml.environments.create_or_update(e)
        [before, [v.version for v in ml.environments.list('again')]]
        """
    )
    assert listed == [[], ["1"]]


def test_nothing_below_an_archived_environment_is_restored_alone(session: Session) -> None:
    refused = session.fails(
        """
        for image in ('python:3.11', 'python:3.12'):
            ml.environments.create_or_update(Environment(name='asleep', image=image))
        ml.environments.archive('asleep')
        ml.environments.restore('asleep', version='1')
        """
    )
    assert (refused.kind, refused.status) == ("HttpResponseError", 400)
    assert "environment-archived" in refused.details
    # New versions come archived (rule 33), and take the next number.
    session.run("new = ml.environments.create_or_update(Environment(name='asleep', image='python:3.13'))")
    assert session.run("new.version") == "3"
    assert session.run("[e.version for e in ml.environments.list('asleep')]") == []


def test_numbers_follow_the_highest_whole_number(session: Session) -> None:
    numbers = session.run(
        """
        for version, image in (("7", "a:1"), ("beta", "a:2"), (None, "a:3"), (None, "a:4")):
            ml.environments.create_or_update(Environment(name='gaps', version=version, image=image))
        [e.version for e in ml.environments.list('gaps')]
        """
    )
    assert numbers == ["9", "8", "beta", "7"]


@pytest.mark.parametrize(
    ("definition", "code"),
    [
        ("name='AzureML-mine', image='python:3.11'", "name-reserved"),
        ("name='microsoft.mine', image='python:3.11'", "name-reserved"),
        ("name='with blank', image='python:3.11'", "name-invalid"),
        ("name='ok', version='latest', image='python:3.11'", "version-invalid"),
        ("name='ok', build=BuildContext(path='https://github.com/x/y.git#main:docker')", "context-remote"),
        ("name='ok', build=BuildContext(path='https://example.com/context.tar.gz')", "context-remote"),
        ("name='CliV2AnonymousEnvironment', version='1', image='python:3.11'", "name-reserved"),
    ],
)
def test_a_refusal_says_why(session: Session, definition: str, code: str) -> None:
    refused = session.fails(f"ml.environments.create_or_update(Environment({definition}))")
    assert (refused.kind, refused.status, refused.code) == ("HttpResponseError", 400, "UserError"), refused
    assert code in refused.details, refused


def test_anonymous_environments_are_saved_read_and_never_listed(each_session: Session) -> None:
    session = each_session
    names = session.run(
        """
        made = [
            ml.environments.create_or_update(Environment(image=image, is_anonymous=True, **more))
            for image, more in (
                ("python:3.11", {}),
                ("python:3.11", {}),
                ("python:3.11", {"conda_file": {"dependencies": ["python=3.11"]}}),
            )
        ]
        [e.id.split("/")[-3::2] for e in made]  # the SDK computes `version` again, without the conda file
        """
    )
    assert {name for name, _ in names} == {"CliV2AnonymousEnvironment"}
    versions = [version for _, version in names]
    assert versions[0] == versions[1] != versions[2]
    read = "ml.environments.get('CliV2AnonymousEnvironment', version=version).image"
    assert session.run(read, version=versions[0]) == "python:3.11"
    assert (
        session.fails(
            "client('stranger').environments.get('CliV2AnonymousEnvironment', version=version)"
        ).status
        == 404
    )
    listed = "[e.name for e in ml.environments.list(list_view_type=ListViewType.ALL)]"
    assert "CliV2AnonymousEnvironment" not in session.run(listed)
    assert session.fails("list(ml.environments.list('CliV2AnonymousEnvironment'))").status == 404
    assert session.fails("ml.environments.get('CliV2AnonymousEnvironment', label='latest')").status == 404
    assert (
        session.fails("ml.environments.archive('CliV2AnonymousEnvironment', version=version)").status == 400
    )
    reader = "client('reader').environments.create_or_update(Environment(image='b:1', is_anonymous=True))"
    assert session.fails(reader).status == 403
    curated = "client('owner', 'curated').environments.create_or_update(Environment(image='b:1', is_anonymous=True))"
    assert session.fails(curated).status == 403


def test_what_is_wrong_with_a_conda_file_is_listed(session: Session) -> None:
    refused = session.fails(
        """
        conda = {"dependencies": ["python=3.10", "numpy=>>1", "https://robot:s3cr3t-w0rd@example.com/x.conda"]}
        ml.environments.create_or_update(Environment(name='wrong', image='python:3.11', conda_file=conda))
        """
    )
    assert (refused.status, refused.code) == (400, "UserError")
    assert refused.details.keys() == {"bad-conda-spec", "secret-in-definition"}
    assert "s3cr3t-w0rd" not in str(refused)
    assert session.fails("ml.environments.get('wrong', version='1')").status == 404


def test_rights_are_those_of_every_other_entrance(session: Session) -> None:
    session.run("ml.environments.create_or_update(Environment(name='rights', image='python:3.11'))")
    read = "client(who).environments.get('rights', version='1').image"
    write = "client(who).environments.create_or_update(Environment(name='rights', image='python:3.12'))"
    archive = "client(who).environments.archive('rights')"
    for who in ("contributor", "reader", "reads", "azure-admin"):
        assert session.run(read, who=who) == "python:3.11"
    for who in ("reader", "reads"):
        for code in (write, archive):
            refused = session.fails(code, who=who)
            assert (refused.status, refused.code) == (403, "AuthorizationFailed")
    for code in (read, write, archive):
        assert session.fails(code, who="stranger").kind == "ResourceNotFoundError"
        assert session.fails(code, who="pulls").status == 403
        refused = session.fails(code, who="studio_" + "x" * 43)
        assert (refused.kind, refused.status) == ("ClientAuthenticationError", 401)
    assert session.run(f"{write}.version", who="contributor") == "2"


def test_the_catalogue_is_read_and_never_written(session: Session) -> None:
    listed = session.run(
        "curated = client('stranger', 'curated'); [e.name for e in curated.environments.list()]"
    )
    assert listed
    assert all(name.startswith("AzureML-") for name in listed)
    read = session.run("shown(curated.environments.get(name, label='latest'))", name=listed[0])
    assert read["image"]
    assert read["id"].endswith(f"/workspaces/curated/environments/{listed[0]}/versions/{read['version']}")
    refused = session.fails(
        "client('azure-admin', 'curated').environments.create_or_update(Environment(name=name, image='a:1'))"
    )
    assert (refused.status, "only-by-review" in refused.details) == (400, True)


def test_versions_of_every_format_are_read_and_archived(session: Session, azure_studio: AzureStudio) -> None:
    texts = {
        "from-dockerfile": ("Dockerfile", "FROM python:3.11\nRUN pip install numpy\n"),
        "from-pip": ("requirements.txt", "numpy==2.1.3\n"),
        "from-conda": (
            "environment.yml",
            "channels: [conda-forge]\ndependencies: [python=3.11, numpy=2.1]\n",
        ),
        "from-v1": (
            "azureml_environment.json",
            '{"docker": {"baseImage": "python:3.11"}, "environmentVariables": {"A": "b"}, '
            '"python": {"userManagedDependencies": true}, "spark": {"packages": [], "repositories": []}}',
        ),
        "from-v1-conda": (
            "azureml_environment.json",
            '{"docker": {"baseImage": "python:3.11"}, "environmentVariables": {"A": "b"}, '
            '"python": {"condaDependencies": {"channels": ["conda-forge"], "dependencies": ["python=3.11", "pip", '
            '{"pip": ["numpy==2.1.3"]}]}}, "spark": {"packages": [], "repositories": []}}',
        ),
        "from-v2": (
            "e.yaml",
            "image: python:3.11\nplatform: linux/arm64\nconda_file: {dependencies: [python=3.11]}\n",
        ),
    }
    with azure_studio.browser() as browser:
        for name, (filename, text) in texts.items():
            address = f"/api/v1/workspaces/lab/environments/{name}/versions/"
            made = browser.post(address, json={"text": text, "filename": filename})
            assert made.status_code == 201, made.text
    for name in texts:
        shown = session.run("e = ml.environments.get(name, version='1'); shown(e)", name=name)
        assert shown["image"] or session.run("e.build.dockerfile_path") == "Dockerfile"
        session.run("ml.environments.archive(name, version='1')")
        assert session.run("[e.version for e in ml.environments.list(name)]") == []
        session.run("ml.environments.restore(name, version='1')")
        assert session.run("[e.version for e in ml.environments.list(name)]") == ["1"]
        # Registered again as it was read: the same content, and no second version.
        if shown["image"]:
            assert session.run("ml.environments.create_or_update(e).version") == "1"


def test_a_version_with_a_label_is_not_archived(session: Session, azure_studio: AzureStudio) -> None:
    session.run("ml.environments.create_or_update(Environment(name='labelled', image='python:3.11'))")
    with azure_studio.browser() as browser:
        address = "/api/v1/workspaces/lab/environments/labelled/labels/prod/"
        assert browser.put(address, json={"version": "1"}).status_code in (200, 201)
    assert session.run("ml.environments.get('labelled', version='prod').version") == "1"
    refused = session.fails("ml.environments.archive('labelled', version='1')")
    assert (refused.status, "labelled" in refused.details) == (400, True)


def test_long_lists_come_in_pages(session: Session) -> None:
    assert session.run("[e.version for e in ml.environments.list('long')]") == [
        str(number) for number in range(103, 0, -1)
    ]
    names = session.run("[e.name for e in ml.environments.list()]")
    assert [name for name in names if name.startswith("many-")] == [f"many-{n:03}" for n in range(1, 104)]
    assert len(names) == len(set(names))


def test_other_parts_of_azure_are_answered_with_not_found(session: Session) -> None:
    for code in (
        "list(ml.jobs.list())",
        "list(ml.models.list())",
        "list(ml.data.list())",
        "ml.compute.get('c')",
    ):
        assert session.fails(code).status == 404
