"""`manage.py heal`: shows what would change, and changes it with --yes, without a worker."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from builds.models import (
    Advisory,
    AdvisoryName,
    AdvisoryRecord,
    AffectedPackage,
    Package,
    PackageAdvisory,
)
from builds.models.healing import HealState
from builds.worker import runner
from studio.management.commands.heal import HEALED
from tests.builds.healing.conftest import publish
from tests.builds.healing.examples import KEY, affected_environment
from tests.builds.imaging.serving import Index
from tests.builds.scenarios import queue_build, save_text

pytestmark = pytest.mark.django_db(transaction=True)


def heal(*arguments: str) -> tuple[int, str]:
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("heal", *arguments, stdout=out)
    return int(str(ended.value.code)), out.getvalue()


@pytest.mark.slow
def test_a_dry_run_shows_the_change_and_yes_makes_it(index: Index) -> None:
    version = save_text("mover==1.0\n")
    runner.run_build(queue_build(version).pk, "a worker of a test")
    advise_on_mover()
    publish(index, "mover", "1.1")

    code, text = heal(KEY)
    assert (code, version.environment.latest()) == (HEALED, version)
    assert "lab/forecast:1: mover 1.0 → 1.1" in text
    assert "Run it with --yes" in text

    code, text = heal(KEY, "--yes", "--untested", "--json", "--workspace", "lab")
    outcome: dict[str, Any] = json.loads(text)
    assert code == HEALED
    assert outcome["states"] == {HealState.HEALED: 1}
    latest = version.environment.latest()
    assert latest is not None
    assert latest.source == "mover==1.1\n"


def advise_on_mover() -> None:
    """Have CVE-2026-1 affect mover 1.0 until 1.1."""
    advisory = Advisory.objects.create(key=KEY)
    AdvisoryName.objects.create(advisory=advisory, name=KEY)
    package = Package.objects.get(name="mover", version="1.0")
    PackageAdvisory.objects.create(advisory=advisory, package=package, fixed_in=["1.1"])
    record = AdvisoryRecord.objects.create(advisory=advisory, name=KEY, digest="")
    AffectedPackage.objects.create(record=record, ecosystem="pypi", name="mover", versions=["1.0"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CVE-1999-0",), "knows no advisory CVE-1999-0"),
        ((KEY, "--workspace", "nowhere"), "no workspace nowhere"),
        ((KEY, "--workspace", "empty"), "No latest version"),
    ],
)
def test_what_is_not_there_is_named(arguments: tuple[str, ...], message: str) -> None:
    affected_environment("lab")
    save_text("numpy==1.0\n", workspace="empty")

    with pytest.raises(CommandError, match=message) as refused:
        call_command("heal", *arguments)

    assert refused.value.returncode == 2
