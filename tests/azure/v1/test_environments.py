"""SDK v1 registers, gets, lists, labels, clones, saves and loads environments."""

from __future__ import annotations

import io
import zipfile

import httpx
import pytest

from tests.azure.clients import Session
from tests.azure.conftest import StartSession
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow


def test_the_same_content_is_no_new_version_and_other_content_is(each_sdk: Session) -> None:
    run = each_sdk.run
    assert run("named('one').register(ws).version") == "1"
    assert run("named('one').register(ws).version") == "1"
    assert run("Environment.get(ws, 'one').register(ws).version") == "1"
    assert run("e = Environment.get(ws, 'one'); e.version = None; e.register(ws).version") == "1"
    assert run("named('one', pip=['numpy==2.1.3']).register(ws).version") == "2"
    assert run("[Environment.get(ws, 'one').version, Environment.get(ws, 'one', version='1').version]") == [
        "2",
        "1",
    ]


def test_a_registered_environment_is_read_as_it_was_defined(each_sdk: Session) -> None:
    run = each_sdk.run
    sent, read = run(
        """
        e = Environment("whole")
        e.docker.base_image = "python:3.12-slim"
        e.docker.arguments = ["--gpus", "all"]
        e.docker.shm_size = "8g"
        e.environment_variables = {"A": 'ä "quoted" $HOME'}
        e.python.interpreter_path = "/opt/env/bin/python"
        conda = {"name": "demo", "channels": ["conda-forge"],
                 "dependencies": ["python=3.12", "pip", {"pip": ["scikit-learn==1.5.2"]}]}
        e.python.conda_dependencies = CondaDependencies(_underlying_structure=conda)
        e.spark.repositories = ["https://repo.example"]
        e.inferencing_stack_version = "latest"
        r = e.register(ws)
        [serialized(e), serialized(Environment.get(ws, "whole", version=r.version))]
        """
    )
    assert read["version"] == "1"
    sent["version"] = "1"
    assert sent["python"]["condaDependencies"] == read["python"]["condaDependencies"]
    assert read == sent


def test_a_version_with_other_content_is_a_conflict(sdk: Session) -> None:
    assert sdk.run("e = named('fixed'); e.version = '7'; e.register(ws).version") == "7"
    assert sdk.run("e.register(ws).version") == "7"
    error = sdk.fails("e = named('fixed', pip=['numpy']); e.version = '7'; e.register(ws)")
    assert "Code: 409" in error.message
    assert "exists with other content" in error.message


def test_each_way_to_define_an_environment_is_the_same_when_it_comes_back(sdk: Session) -> None:
    made = sdk.run(
        """
        pathlib.Path("conda.yml").write_text("channels: [conda-forge]\\ndependencies: [python=3.12, numpy]\\n")
        pathlib.Path("requirements.txt").write_text("numpy==2.1.3\\n")
        pathlib.Path("Dockerfile").write_text("FROM python:3.12\\nRUN true\\n")
        ways = [
            Environment("default"),
            Environment.from_docker_image("docker-image", "python:3.12"),
            Environment.from_docker_image("docker-image-conda", "python:3.12", conda_specification="conda.yml"),
            Environment.from_dockerfile("dockerfile", "Dockerfile"),
            Environment.from_dockerfile("dockerfile-pip", "FROM python:3.12\\n", pip_requirements="requirements.txt"),
            Environment.from_conda_specification("conda", "conda.yml"),
            Environment.from_pip_requirements("pip", "requirements.txt"),
        ]
        result = []
        for e in ways:
            r = e.register(ws)
            again = Environment.get(ws, e.name).register(ws)
            fresh = e.register(ws)
            result.append([r.version, again.version, fresh.version, r.python.user_managed_dependencies])
        result
        """
    )
    assert [row[:3] for row in made] == [["1", "1", "1"]] * 7
    assert [row[3] for row in made] == [False, True, False, True, False, False, False]


def test_names_and_definitions_that_cannot_be_are_refused_with_the_reason(sdk: Session) -> None:
    for name in ("AzureML-mine", "Microsoft-mine", "a b", "a/b", "-x", "ü", "x" * 256):
        error = sdk.fails("named(name).register(ws)", name=name)
        assert "Code: 40" in error.message, name
    secret = sdk.fails(
        """
        e = named('secret', base='team/base:1')
        e.docker.base_image_registry.address = 'registry.example'
        e.docker.base_image_registry.username = 'me'
        e.docker.base_image_registry.password = 'hunter2-hunter2'
        e.register(ws)
        """
    )
    assert "Code: 400" in secret.message
    assert "hunter2" not in secret.message
    git = sdk.fails(
        """
        context = DockerBuildContext("git", "https://github.com/a/b.git#main:folder", "Dockerfile")
        Environment.from_docker_build_context('git', context).register(ws)
        """
    )
    assert "Code: 400" in git.message
    assert "git clone" in git.message
    assert "Code: 404" in sdk.fails("Environment.get(ws, 'nothing')").message
    assert "Code: 404" in sdk.fails("Environment.get(ws, 'nothing', label='prod')").message


def test_labels_are_set_and_moved(each_sdk: Session) -> None:
    sdk = each_sdk
    sdk.run("[named('labelled', A=str(n)).register(ws).version for n in (1, 2)]")
    assert sdk.run("Environment.label(ws, 'labelled', '1', ['prod', 'staging'])") is None
    assert sdk.run("Environment.get(ws, 'labelled', label='prod').version") == "1"
    sdk.run("Environment.label(ws, 'labelled', '2', ['prod'])")
    read = sdk.run(
        "[Environment.get(ws, 'labelled', label=l).version for l in ('prod', 'staging', 'latest')]"
    )
    assert read == ["2", "1", "2"]
    assert "Code: 400" in sdk.fails("Environment.label(ws, 'labelled', '1', ['latest'])").message
    assert "Code: 404" in sdk.fails("Environment.label(ws, 'labelled', '9', ['prod'])").message


def test_all_environments_are_listed_over_several_pages(each_sdk: Session) -> None:
    names = each_sdk.run(
        """
        all_of_them = Environment.list(ws)
        assert all(type(e) is Environment and e.version for e in all_of_them.values())
        list(all_of_them)
        """
    )
    assert {f"many-{number:03}" for number in range(1, 61)} <= set(names)
    curated = [name for name in names if name.startswith("AzureML-")]
    assert curated
    assert names[-len(curated) :] == curated


def test_a_curated_environment_is_got_and_cloned(sdk: Session) -> None:
    name = sdk.run("next(name for name in Environment.list(ws) if name.startswith('AzureML-'))")
    assert sdk.run("Environment.get(ws, name).clone('mine').register(ws).version", name=name) == "1"
    assert sdk.run("Environment.get(ws, name).register(ws).name") == name
    assert "Code: 400" in sdk.fails("named(name).register(ws)").message


def test_a_clone_has_the_same_content(sdk: Session) -> None:
    first, second = sdk.run(
        """
        e = named('origin', pip=['numpy==2.1.3']).register(ws)
        c = e.clone('copy').register(ws)
        [e.get_image_details(ws).repository, c.get_image_details(ws).repository]
        """
    )
    assert first == second


def test_an_environment_is_saved_to_a_directory_and_loaded(sdk: Session) -> None:
    read = sdk.run(
        """
        e = Environment.from_dockerfile('kept', 'FROM python:3.12\\n', pip_requirements='requirements.txt')
        e = e.register(ws)
        e.save_to_directory('kept', overwrite=True)
        loaded = Environment.load_from_directory('kept')
        [sorted(os.listdir('kept')), loaded.register(ws).version, serialized(loaded)['docker']['baseDockerfile']]
        """
    )
    assert read[0] == ["BaseDockerfile", "azureml_environment.json", "conda_dependencies.yml"]
    assert read[1:] == ["1", "FROM python:3.12\n"]


def test_each_person_may_what_their_role_allows(each_sdk: Session) -> None:
    sdk = each_sdk
    sdk.run("named('rights').register(ws)")
    assert sdk.run("Environment.get(workspace('reader'), 'rights').version") == "1"
    assert "Code: 403" in sdk.fails("named('rights', A='1').register(workspace('reader'))").message
    assert sdk.run("named('by-contributor').register(workspace('contributor')).version") == "1"
    if sdk.way == "discovery":
        assert "Code: 404" in sdk.fails("Environment.get(workspace('stranger'), 'rights')").message
        assert "Code: 401" in sdk.fails("Environment.get(workspace('not a token'), 'rights')").message
        assert "Code: 403" in sdk.fails("named('rights', A='1').register(workspace('reads'))").message


def test_a_workspace_is_got_by_the_public_api_and_from_a_file(sdk1: StartSession) -> None:
    sdk = sdk1("metadata")
    assert sdk.run("[ws.name, ws.resource_group]") == ["metadata", "group"]
    read = sdk.run(
        """
        pathlib.Path('config.json').write_text(json.dumps(
            {"subscription_id": subscription, "resource_group": "studio", "workspace_name": "metadata"}))
        auth = TokenAuthentication(lambda audience: tokens["owner"], cloud="SelfHosted")
        Workspace.from_config('config.json', auth=auth).name
        """
    )
    assert read == "metadata"
    sdk.fails("workspace('stranger')")
    sdk.fails("workspace('owner', 'nothing')")


def test_an_uploaded_build_context_is_the_same_when_it_comes_back_and_can_be_cloned(
    sdk: Session, azure_studio: AzureStudio
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("Dockerfile", "FROM host\nCOPY data.bin /data.bin\n")
        archive.writestr("data.bin", b"\0\xff")
    saved = httpx.post(
        f"{azure_studio.http}/api/v1/workspaces/{sdk.way}/environments/context/versions/",
        files={"file": ("context.zip", packed.getvalue())},
        headers={"Authorization": f"Bearer {azure_studio.tokens['owner']}"},
        trust_env=False,
    )
    assert saved.status_code == 201, saved.text
    read = sdk.run(
        """
        e = Environment.get(ws, 'context')
        clone = e.clone('clone-of-context').register(ws)
        [str(e.docker.build_context.location_type), e.docker.build_context.location, e.register(ws).version,
         clone.version, e.get_image_details(ws).repository == clone.get_image_details(ws).repository,
         e.get_image_details(ws).dockerfile]
        """
    )
    assert "torageaccount" in read[0].lower().replace("_", "")
    assert read[1].startswith(f"{azure_studio.http}/environment/v1.0/")
    assert read[2:5] == ["1", "1", True]
    assert read[5].startswith("FROM host")
