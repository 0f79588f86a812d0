"""Images that are proposed are tried once: who is at it, what is written down, what people see (issue 6 point 6)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from builds import trials, trying
from builds.curating import approve, gather, try_proposed
from builds.engine.imports_worker import modules_of
from builds.images import BlobStore
from builds.images.lock import Lock, LockedPackage
from builds.models import Image
from builds.reconcile import Reconciler
from builds.trial_models import Trial, TrialState
from environments.catalogue_models import Proposal
from environments.models import Event, Role, Version
from environments.proposals import propose, withdraw
from environments.services import Refused
from tests.builds.distribution import store_image
from tests.builds.played import browser_of, image_for, person, saved, take_from_silent
from tests.builds.test_engine import NOWHERE

WORKER = Path(__file__).parents[2] / "builds" / "engine" / "imports_worker.py"
REVIEW = "/w/curated/proposals/"

both = pytest.mark.usefixtures("either_database")
on_rows = pytest.mark.django_db


def waiting(text: str = "numpy==2.1.3\n", name: str = "forecast", *, built: bool = True) -> Proposal:
    """Return a proposal of a version with an image."""
    version = saved(text, name=name)
    if built:
        image_for(version)
    return propose(version, person(f"olga-{name}"), name=f"AzureML-{name}", as_new=True, words="Good.")


def taken() -> Trial:
    """Return the trial that a worker takes now."""
    trial = trials.take_next()
    assert trial is not None
    return trial


# Which images are tried, and by whom


@both
@on_rows
def test_a_proposed_image_is_noted_once_whoever_looks_and_tried_by_one_worker() -> None:
    row = waiting()
    image_for(saved("six==1\n", name="not-proposed"))
    image_for(
        saved("numpy==2.1.3\n", name="same", workspace="other")
    )  # the same content, not proposed from there
    assert gather(row).tried == TrialState.WAITING

    Reconciler().look()
    Reconciler().look()

    assert Trial.objects.count() == 1
    trial = taken()
    assert trials.take_next() is None
    assert gather(row).tried == TrialState.RUNNING
    trials.end(trial, TrialState.PASSED, imported=1, python="3.11.7")
    assert gather(row).tried == TrialState.PASSED
    Reconciler().look()
    assert trials.take_next() is None


@both
@on_rows
def test_an_image_that_is_built_after_it_was_proposed_is_tried_then() -> None:
    row = waiting(built=False)
    Reconciler().look()
    assert (gather(row).tried, Trial.objects.count()) == (None, 0)
    image_for(row.version)
    Reconciler().look()
    assert trials.anything_to_try()


@both
@on_rows
def test_a_worker_that_died_leaves_no_trial_running_and_one_that_only_slept_changes_nothing() -> None:
    waiting()
    Reconciler().look()
    for last in (False, True):
        trial = taken()
        take_from_silent()
        assert Trial.objects.get().state == (TrialState.UNTRIED if last else TrialState.WAITING)
        assert not trials.beat(trial)
        trials.end(trial, TrialState.PASSED)
        trials.give_back(trial)
        assert Trial.objects.get().state == (TrialState.UNTRIED if last else TrialState.WAITING)
    assert Trial.objects.get().words == trials.WORKER_DIED


@both
@on_rows
def test_a_studio_that_stops_gives_the_trial_back_and_the_attempt_does_not_count() -> None:
    waiting()
    Reconciler().look()
    for _ in range(3):
        trials.give_back(taken())
    assert taken().attempt == 1


@both
@on_rows
def test_a_curator_has_it_tried_again_and_that_is_recorded_with_what_came_of_it() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    Reconciler().look()
    assert not try_proposed(row, cora)  # it waits already
    trials.end(taken(), TrialState.FAILED, problems=[{"package": "numpy", "module": "numpy", "words": "No."}])
    assert try_proposed(row, cora)
    assert not try_proposed(row, cora)

    assert Trial.objects.get().problems == []
    verbs = Event.objects.filter(verb__in=["proposal.tried", "proposal.trial"]).order_by("pk")
    assert [(e.verb, e.actor, e.before, e.after) for e in verbs] == [
        ("proposal.tried", None, None, {"state": "failed"}),
        ("proposal.trial", cora, {"state": "failed"}, {"state": "waiting"}),
    ]
    withdraw(row, person("olga"))
    with pytest.raises(Refused, match="It was withdrawn"):
        try_proposed(Proposal.objects.get(), cora)
    with pytest.raises(Refused, match="has no image to try"):
        try_proposed(waiting("six\n", name="unbuilt", built=False), cora)


# What a worker does without an engine


@on_rows
def test_without_an_engine_it_says_so_and_can_be_approved_all_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    settings.STORE, settings.DOCKER_HOST = tmp_path, NOWHERE
    Image.objects.update(digest=store_image(BlobStore(tmp_path), b"\0" * 1024).digest)
    Reconciler().look()

    trying.try_what_waits()

    trial = Trial.objects.get()
    assert trial.state == TrialState.UNTRIED
    assert trial.words == "No Docker Engine can be reached, so the image could not be started."
    page = browser_of(cora).get(f"{REVIEW}{row.pk}/").content.decode()
    assert "Not tried" in page
    assert "nobody has seen that what was asked for can be imported" in page
    assert "Try it again" in page
    approve(row, cora, "", gather(row).seen)


@on_rows
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"digest": f"sha256:{'9' * 64}"}, "no longer in the studio's store"),
        ({"interpreter": ""}, "has no Python"),
    ],
)
def test_what_cannot_be_tried_says_why(
    settings: Settings, tmp_path: Path, change: dict[str, str], words: str
) -> None:
    waiting()
    settings.STORE, settings.DOCKER_HOST = tmp_path, NOWHERE
    Image.objects.update(**change)
    Reconciler().look()
    trying.try_what_waits()
    assert words in Trial.objects.get().words


# What people see


@on_rows
def test_the_page_says_what_could_not_be_imported_and_lets_it_be_approved_anyway() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    Reconciler().look()
    path = f"{REVIEW}{row.pk}/"
    assert "A worker will start the image" in browser_of(cora).get(path).content.decode()
    problems = [{"package": "opencv-python", "module": "cv2", "words": "ImportError: <libGL.so.1>"}]
    trials.end(taken(), TrialState.FAILED, problems=problems, imported=3, skipped=["types-six"])

    page = browser_of(cora).get(path).content.decode()
    for said in (
        "Not everything can be imported",
        "cv2",
        "(opencv-python)",
        "ImportError: &lt;libGL.so.1&gt;",
        "3 modules were imported",
        "Nothing to import in types-six.",
        "When its image was tried, not everything could be imported.",
        "Approve and publish",
    ):
        assert said in page
    client = browser_of(cora)
    client.post(f"{path}try")
    assert Trial.objects.get().state == TrialState.WAITING
    client.post(
        f"{path}decide", {"decision": "approve", "words": "All the same.", "seen": str(gather(row).seen)}
    )
    assert Version.objects.filter(environment__workspace__curated=True).exists()


# What is imported


@pytest.mark.parametrize(
    ("record", "top_level", "modules"),
    [
        (
            "shop/__init__.py,,\nshop/inner/__init__.py,,\nshop/a.py,,\nshop-1.dist-info/RECORD,,\n",
            "",
            ["shop"],
        ),
        ("six.py,,\n../../../bin/six,,\n__pycache__/six.cpython-311.pyc,,\n", "", ["six"]),
        ("_x.cpython-311-x86_64-linux-gnu.so,,\nx/__init__.py,,\n", "_x\nx\n", ["x"]),
        ("_only.abi3.so,,\n", "", ["_only"]),
        ("google/cloud/store/__init__.py,,\ngoogle/cloud/store/a.py,,\n", "google\n", ["google.cloud.store"]),
        ("tests/test_a.py,,\nshop.py,,\nsetup/__init__.py,,\n", "", ["setup", "shop"]),
        ("tests/__init__.py,,\n", "", ["tests"]),
        ('"with, comma.py",,\nnumpy.libs/liba.so,,\n,,\n\n', "", []),
        ("x-stubs/__init__.pyi,,\n", "x-stubs\n", []),
        (None, "old\n", ["old"]),
        (None, None, []),
    ],
)
def test_the_modules_at_the_top_of_a_distribution_are_imported(
    record: str | None, top_level: str | None, modules: list[str]
) -> None:
    assert modules_of(record, top_level) == modules


def test_what_was_asked_for_is_named_as_pip_knows_it() -> None:
    def package(name: str, ecosystem: str = "conda", **more: object) -> LockedPackage:
        told = {"ecosystem": ecosystem, "name": name, "version": "1", "url": "u", "sha256": "0" * 64}
        kind = "conda" if ecosystem == "conda" else "wheel"
        return LockedPackage.model_validate(
            {**told, "filename": "f", "kind": kind, "requested": True, **more}
        )

    lock = Lock(
        packages=(
            package("python", distributions=()),
            package("py-opencv", distributions=("opencv-python==4", "opencv.python_headless==4")),
            package("libzip"),
            package("six", "pypi"),
            package("needed", "pypi", requested=False),
        )
    )
    assert trying.requested(lock) == (["opencv-python", "opencv-python-headless", "six"], ["libzip"])


def test_whatever_a_package_does_when_it_is_imported_it_is_named_and_the_others_have_their_turn(
    tmp_path: Path,
) -> None:
    """The script as the image's Python runs it, with one that kills its process, and one that never ends."""
    bodies = {
        "a_good": "print('MARK {}')",
        "b_exits": "import os; os._exit(0)",
        "c_leaves": "raise SystemExit(3)",
        "d_dies": "import os, sys; sys.stderr.write('core is gone'); sys.stderr.flush(); os.abort()",
        "e_closes": "import os; os.closerange(3, 99)",
        "f_raises": "class E(Exception):\n    def __str__(self): raise ValueError\nraise E",
        "g_good": "",
        "h_hangs": "import time\nwhile True: time.sleep(9)",
        "i_late": "",
    }
    for name, body in bodies.items():
        (tmp_path / f"{name}.py").write_text(body)
        info = tmp_path / f"{name}-1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: {name}\nVersion: 1\n")
        (info / "RECORD").write_text(f"{name}.py,,\n")
    names = [name.replace("_", "-") for name in bodies]

    done = subprocess.run(
        [sys.executable, "-c", WORKER.read_text(), "MARK", "3", json.dumps(names)],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    facts = [json.loads(line.removeprefix("MARK")) for line in done.stdout.splitlines() if line]
    words = {fact["module"]: fact["words"] for fact in facts if "module" in fact}
    assert [name for name, said in words.items() if not said] == ["a_good", "g_good"]
    assert words["b_exits"] == "It ended Python, with exit code 0."
    assert words["c_leaves"] == "SystemExit: 3"
    assert words["d_dies"].startswith("It was killed by signal 6. It had said: ")
    assert "core is gone" in words["d_dies"]
    assert "f_raises" in words
    assert words["h_hangs"] == "It did not end within 3 seconds."
    assert "i_late" not in words
    assert facts[-1] == {"end": 1}
