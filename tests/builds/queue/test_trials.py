"""Trials of proposed images: the queue, the recorded outcome, and its page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from builds.engine.trials.imports_worker import modules_of
from builds.imaging.lock import Lock, LockedPackage
from builds.imaging.oci.store import BlobStore
from builds.models import Image
from builds.models.trial import Trial, TrialState
from builds.queue import trials
from builds.review.evidence import approve, gather, try_proposed
from builds.worker.reconciler import Reconciler
from builds.worker.trial import requested, run_waiting_trials
from environments.catalogue.proposals import propose, withdraw
from environments.errors import ServiceError
from environments.models import Event, Role, Version
from environments.models.catalogue import Proposal
from tests.builds.distribution import store_image
from tests.builds.engine.test_engine import NOWHERE
from tests.builds.scenarios import browser_of, expire_claims, image_for, person, save_text

WORKER = Path(__file__).parents[3] / "builds" / "engine" / "trials" / "imports_worker.py"
REVIEW = "/w/curated/proposals/"

both = pytest.mark.usefixtures("either_database")
on_rows = pytest.mark.django_db


def waiting(text: str = "numpy==2.1.3\n", name: str = "forecast", *, built: bool = True) -> Proposal:
    """Return a proposal of a version with an image."""
    version = save_text(text, name=name)
    if built:
        image_for(version)
    return propose(version, person(f"olga-{name}"), name=f"AzureML-{name}", as_new=True, comment="Good.")


def claimed() -> Trial:
    """Claim the next trial as a worker."""
    trial = trials.claim_next()
    assert trial is not None
    return trial


# The queue


@pytest.mark.slow
@both
@on_rows
def test_a_proposed_image_is_queued_once_and_tried_by_one_worker() -> None:
    row = waiting()
    image_for(save_text("six==1\n", name="not-proposed"))
    image_for(
        save_text("numpy==2.1.3\n", name="same", workspace="other")
    )  # the same content, not proposed from there
    assert gather(row).tried == TrialState.WAITING

    Reconciler().reconcile()
    Reconciler().reconcile()

    assert Trial.objects.count() == 1
    trial = claimed()
    assert trials.claim_next() is None
    assert gather(row).tried == TrialState.RUNNING
    trials.finish(trial, TrialState.PASSED, imported=1, python="3.11.7")
    assert gather(row).tried == TrialState.PASSED
    Reconciler().reconcile()
    assert trials.claim_next() is None


@both
@on_rows
def test_an_image_that_is_built_after_it_was_proposed_is_tried_then() -> None:
    row = waiting(built=False)
    Reconciler().reconcile()
    assert (gather(row).tried, Trial.objects.count()) == (None, 0)
    image_for(row.version)
    Reconciler().reconcile()
    assert trials.has_waiting_trials()


@both
@on_rows
def test_a_dead_workers_trial_is_requeued_and_a_worker_that_only_slept_changes_nothing() -> None:
    waiting()
    Reconciler().reconcile()
    for last in (False, True):
        trial = claimed()
        expire_claims()
        assert Trial.objects.get().state == (TrialState.UNTRIED if last else TrialState.WAITING)
        assert not trials.heartbeat(trial)
        trials.finish(trial, TrialState.PASSED)
        trials.requeue(trial)
        assert Trial.objects.get().state == (TrialState.UNTRIED if last else TrialState.WAITING)
    assert Trial.objects.get().reason == trials.WORKER_DIED


@both
@on_rows
def test_a_studio_that_stops_requeues_the_trial_without_counting_the_attempt() -> None:
    waiting()
    Reconciler().reconcile()
    for _ in range(3):
        trials.requeue(claimed())
    assert claimed().attempt == 1


@both
@on_rows
def test_a_repeated_trial_is_recorded_with_its_outcome() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    Reconciler().reconcile()
    assert not try_proposed(row, cora)  # it waits already
    trials.finish(
        claimed(), TrialState.FAILED, problems=[{"package": "numpy", "module": "numpy", "error": "No."}]
    )
    assert try_proposed(row, cora)
    assert not try_proposed(row, cora)

    assert Trial.objects.get().problems == []
    verbs = Event.objects.filter(verb__in=["proposal.tried", "proposal.trial"]).order_by("pk")
    assert [(e.verb, e.actor, e.before, e.after) for e in verbs] == [
        ("proposal.tried", None, None, {"state": "failed"}),
        ("proposal.trial", cora, {"state": "failed"}, {"state": "waiting"}),
    ]
    withdraw(row, person("olga"))
    with pytest.raises(ServiceError, match="It was withdrawn"):
        try_proposed(Proposal.objects.get(), cora)
    with pytest.raises(ServiceError, match="has no image to try"):
        try_proposed(waiting("six\n", name="unbuilt", built=False), cora)


# A worker without an engine


@on_rows
def test_without_an_engine_it_says_so_and_can_be_approved_all_the_same(
    settings: Settings, tmp_path: Path
) -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    settings.STORE, settings.DOCKER_HOST = tmp_path, NOWHERE
    Image.objects.update(digest=store_image(BlobStore(tmp_path), b"\0" * 1024).digest)
    Reconciler().reconcile()

    run_waiting_trials()

    trial = Trial.objects.get()
    assert trial.state == TrialState.UNTRIED
    assert trial.reason == "No Docker Engine can be reached, so the image could not be started."
    page = browser_of(cora).get(f"{REVIEW}{row.pk}/").content.decode()
    assert "Not tested" in page
    assert "The import test couldn&#x27;t run." in page or "The import test couldn't run." in page
    assert "Test again" in page
    approve(row, cora, "", gather(row).seen)


@on_rows
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"digest": f"sha256:{'9' * 64}"}, "no longer in the studio's store"),
        ({"interpreter": ""}, "has no Python"),
    ],
)
def test_what_cannot_be_tried_says_why(
    settings: Settings, tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    waiting()
    settings.STORE, settings.DOCKER_HOST = tmp_path, NOWHERE
    Image.objects.update(**change)
    Reconciler().reconcile()
    run_waiting_trials()
    assert reason in Trial.objects.get().reason


# The page of a proposal


@on_rows
def test_the_page_says_what_could_not_be_imported_and_lets_it_be_approved_anyway() -> None:
    row, cora = waiting(), person("cora", curated=Role.CONTRIBUTOR)
    Reconciler().reconcile()
    path = f"{REVIEW}{row.pk}/"
    assert "Waiting for a worker to start the image" in browser_of(cora).get(path).content.decode()
    problems = [{"package": "opencv-python", "module": "cv2", "error": "ImportError: <libGL.so.1>"}]
    trials.finish(claimed(), TrialState.FAILED, problems=problems, imported=3, skipped=["types-six"])

    page = browser_of(cora).get(path).content.decode()
    for text in (
        "Not everything can be imported",
        "cv2",
        "(opencv-python)",
        "ImportError: &lt;libGL.so.1&gt;",
        "3 modules were imported",
        "Nothing to import in types-six.",
        "Approve it although the import test failed",
        "Approve and publish",
    ):
        assert text in page
    client = browser_of(cora)
    client.post(f"{path}try")
    assert Trial.objects.get().state == TrialState.WAITING
    client.post(
        f"{path}decide",
        {
            "decision": "approve",
            "words": "All the same.",
            "seen": str(gather(row).seen),
            "confirm": ["host-base", "trial"],
        },
    )
    assert Version.objects.filter(environment__workspace__curated=True).exists()


# The modules to import


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


def test_requested_packages_are_named_as_pip_names_them() -> None:
    def package(name: str, ecosystem: str = "conda", **more: object) -> LockedPackage:
        fields = {"ecosystem": ecosystem, "name": name, "version": "1", "url": "u", "sha256": "0" * 64}
        kind = "conda" if ecosystem == "conda" else "wheel"
        return LockedPackage.model_validate(
            {**fields, "filename": "f", "kind": kind, "requested": True, **more}
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
    assert requested(lock) == (["opencv-python", "opencv-python-headless", "six"], ["libzip"])


def test_a_package_that_fails_on_import_is_reported_and_the_others_are_imported(
    tmp_path: Path,
) -> None:
    """The script as the image's Python runs it, with modules that kill their process or never end."""
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
        [sys.executable, "-c", WORKER.read_text(), "MARK", "6", json.dumps(names)],
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    facts = [json.loads(line.removeprefix("MARK")) for line in done.stdout.splitlines() if line]
    errors = {fact["module"]: fact["error"] for fact in facts if "module" in fact}
    assert [name for name, error in errors.items() if not error] == ["a_good", "g_good"]
    assert errors["b_exits"] == "It ended Python, with exit code 0."
    assert errors["c_leaves"] == "SystemExit: 3"
    assert errors["d_dies"].startswith("It was killed by signal 6. It had said: ")
    assert "core is gone" in errors["d_dies"]
    assert "f_raises" in errors
    assert errors["h_hangs"] == "It did not end within 6 seconds."
    assert "i_late" not in errors
    assert facts[-1] == {"end": 1}
