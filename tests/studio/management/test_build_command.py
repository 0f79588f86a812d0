"""`manage.py build`: any definition file, built here and now from the real package index."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from builds.imaging.oci.store import BlobStore
from tests.builds.imaging.making import make_sdist, make_wheel
from tests.builds.imaging.serving import Index
from tests.services.servers.registry import Registry
from tests.studio.management.commands import Desk


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, stock: Path) -> Desk:
    """A studio that has the `host` base and an image of it."""
    return Desk.stocked(stock, tmp_path_factory.mktemp("desk"))


def repositories(desk: Desk) -> set[str]:
    """Return the names of the workspace's images in the store."""
    tags = BlobStore(desk.var / "store").tags()
    return {tag.partition(":")[0] for tag in tags if tag.startswith("default/")}


def test_the_three_environments_make_two_images(desk: Desk) -> None:
    """Rules 4, 5 and 12: A and B differ in name only, C in a package."""
    before = repositories(desk)
    a = desk.build("six==1.16.0\n", "--name", "a").result
    b = desk.build("# the same, said otherwise\r\nsix==1.16.0\r\n", "--name", "b").result
    c = desk.build("six==1.17.0\n", "--name", "c").result

    assert (a["state"], b["state"], c["state"]) == ("succeeded",) * 3
    assert (a["reused"], b["reused"], c["reused"]) == (False, True, False)
    assert a["hash"] == b["hash"] != c["hash"]
    assert a["digest"] == b["digest"] != c["digest"]
    assert b["build"] is None
    assert repositories(desk) - before == {a["image"], c["image"]}


def test_variables_are_of_the_run_and_not_of_the_image_that_others_share(desk: Desk) -> None:
    """Rule 3."""
    text = "name: {}\ndependencies: [pip: [six==1.15.0]]\nvariables: {{MODE_OF: {}}}\n"

    mine = desk.build(text.format("mine", "mine"), name="mine.yml").result
    yours = desk.build(text.format("yours", "yours"), name="yours.yml").result

    assert (mine["reused"], yours["reused"]) == (False, True)
    assert mine["digest"] == yours["digest"]
    store = BlobStore(desk.var / "store")
    config = json.loads(store.read(mine["digest"]))["config"]["digest"]
    assert not [
        variable
        for variable in json.loads(store.read(config))["config"]["Env"]
        if variable.startswith("MODE_OF")
    ]


def test_it_ends_with_one_json_object_and_keeps_the_log_out_of_it(desk: Desk) -> None:
    done = desk.build("idna==3.10\n", "--name", "json")

    assert done.code == 0
    assert len(done.stdout.splitlines()) == 1
    result = done.result
    assert list(result) == [
        *("build", "state", "reused", "hash", "image", "digest", "bytes", "seconds", "steps", "error")
    ]
    assert [step["name"] for step in result["steps"]] == [
        *("base", "resolve", "fetch", "assemble", "verify", "store")
    ]
    assert all(set(step) == {"name", "seconds", "cached"} for step in result["steps"])
    assert result["image"] == f"default/azureml/azureml_{result['hash']}"
    assert result["bytes"] > 1_000_000
    assert "idna 3.10" in done.stderr
    # Rule 26: the log ends with the build's id and how long it took.
    assert f"Build {result['build']} succeeded after " in done.stderr.strip().splitlines()[-1]


def test_a_rebuild_that_moves_nothing_gives_the_same_digest(desk: Desk) -> None:
    first = desk.build("idna==3.10\n", "--name", "json").result
    again = desk.build("idna==3.10\n", "--name", "json", "--rebuild").result

    assert again["build"] not in {None, first["build"]}
    assert again["digest"] == first["digest"]


def test_a_user_managed_image_gets_nothing_installed_and_its_interpreter_is_looked_for(desk: Desk) -> None:
    """Rules 22 and 23."""
    python = {"userManagedDependencies": True, "interpreterPath": "/nope/python"}
    definition = {"name": "own", "docker": {"baseImage": "host"}, "python": python}

    done = desk.build(json.dumps(definition), name="own.json")

    assert [step["name"] for step in done.result["steps"]] == ["base", "assemble", "verify", "store"]
    assert "Python is at /nope/python, and the image has no such file: the one found is /" in done.stderr


@pytest.mark.parametrize(
    ("text", "name", "says"),
    [
        ("numpy==1==2\n", "requirements.txt", "numpy"),
        ("image: a\nbuild: {path: .}\n", "env.yaml", ""),
        ("", "requirements.txt", ""),
        ("six==1.16.0\n", "AzureML-mine.txt", "curated"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_what_to_do(desk: Desk, text: str, name: str, says: str) -> None:
    done = desk.build(text, name=name)

    assert done.code == 2, done.stderr
    result = done.result
    assert (result["state"], result["build"]) == ("refused", None)
    assert result["error"]["message"]
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_or_a_workspace_that_is_not_there_is_refused(desk: Desk) -> None:
    assert desk.manage("build", "no-such-file.txt", "--json").result["error"]["code"] == "file-not-found"
    done = desk.build("six==1.16.0\n", "--workspace", "nowhere")
    assert (done.code, done.result["error"]["code"]) == (2, "workspace-not-found")


@pytest.mark.parametrize(
    ("text", "code", "fault", "named"),
    [
        ("studio-no-such-package==1.0\n", "package-not-found", "author", "studio-no-such-package"),
        ("six==99.99\n", "no-matching-distribution", "author", "six"),
        ("pandas==2.2.3\nnumpy==1.20.0\n", "conflict", "author", "pandas"),
    ],
)
def test_what_the_index_does_not_have_fails_by_its_authors_fault(
    desk: Desk, text: str, code: str, fault: str, named: str
) -> None:
    done = desk.build(text, "--name", "wrong")

    assert done.code == 1, done.stderr
    error = done.result["error"]
    assert (error["code"], error["fault"]) == (code, fault), error
    assert named in error["message"]
    assert error["help"]
    assert error["message"] in done.stderr.splitlines()[error["line"] - 1 + _lines_before_log(done.stderr)]


def _lines_before_log(text: str) -> int:
    return next(number for number, line in enumerate(text.splitlines()) if line.startswith("Build "))


def test_without_an_engine_an_older_wheel_is_warned_of_before_and_after_the_build(
    desk: Desk, tmp_path: Path
) -> None:
    make_wheel(tmp_path / "index", "studio_tests_scorer", "0.1")
    make_sdist(tmp_path / "index", "studio_tests_scorer", "1.2")
    index = Index(tmp_path / "index")
    with index.server.running():
        text = f"--index-url {index.url}\nstudio_tests_scorer\n"
        done = desk.build(text, "--name", "older", DOCKER_HOST="tcp://127.0.0.1:9")

    assert done.code == 0, done.stderr
    warning = "Warning: studio-tests-scorer 0.1 is installed and not the newer 1.2"
    lines = done.stderr.splitlines()
    before, after = (number for number, line in enumerate(lines) if line.startswith(warning))
    resolved = next(number for number, line in enumerate(lines) if line.startswith("Resolved "))
    assert before < resolved < after


def test_an_index_that_does_not_answer_is_not_the_authors_fault(desk: Desk) -> None:
    away = {"STUDIO_INDEX_URL": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    done = desk.build("idna==3.9\n", "--name", "away", **away)

    assert done.code == 1
    error = done.result["error"]
    assert (error["code"], error["fault"]) == ("index-unreachable", "outside")
    assert "127.0.0.1:9" in error["message"] + error["help"]


def test_a_registry_that_does_not_answer_is_named(desk: Desk) -> None:
    done = desk.build("image: 127.0.0.1:9/team/base:1\n", "--name", "far", name="far.yaml")

    assert done.code == 1
    error = done.result["error"]
    assert (error["code"], error["fault"]) == ("registry-unreachable", "outside")
    assert "127.0.0.1:9" in error["message"]


def test_a_base_that_the_registry_does_not_have_is_named(desk: Desk, registry: Registry) -> None:
    done = desk.build(f"image: {registry.address}/team/nothing:7\n", "--name", "gone", name="gone.yaml")

    assert done.code == 1
    error = done.result["error"]
    assert (error["code"], error["fault"]) == ("base-not-found", "author"), error
    assert "team/nothing:7" in error["message"]


@pytest.fixture
def little_room(desk: Desk, stock: Path) -> Iterator[Path]:
    """An empty store on a disk of a few megabytes, with the database of another: migrations take seconds."""
    store = desk.var.parent / "small" / "store"
    store.mkdir(parents=True)
    for file in (*stock.glob("studio.sqlite3*"), *stock.glob("*-key")):
        shutil.copy2(file, store.parent)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(store)], check=True)
    yield store.parent
    subprocess.run(["umount", str(store)], check=True)


def test_a_full_disk_fails_the_build_and_leaves_no_half_image(desk: Desk, little_room: Path) -> None:
    done = desk.build("idna==3.10\n", "--name", "full", STUDIO_VAR=str(little_room))

    assert done.code == 1
    error = done.result["error"]
    assert (error["code"], error["fault"]) == ("disk-full", "studio")
    store = BlobStore(little_room / "store")
    assert not store.tags()
    assert not list((little_room / "store" / "ingest").iterdir())


def test_wrong_settings_stop_the_start_with_a_sentence(desk: Desk) -> None:
    for setting, value in [
        ("STUDIO_REGISTRY_MIRRORS", "docker.io"),
        ("DEBUG", "perhaps"),
        ("STUDIO_IMAGE_PREFIX", "UPPER/case_"),
        ("DATABASE_URL", "postgresql://localhost/x"),  # without SECRET_KEY
    ]:
        done = desk.manage("check", **{setting: value})
        assert done.code != 0
        last = done.stderr.strip().splitlines()[-1]
        assert setting in last or (setting == "DATABASE_URL" and "SECRET_KEY" in last), last
