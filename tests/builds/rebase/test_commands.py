"""`manage.py bases` and `manage.py rebase`."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from builds.models import Image, Rebase
from tests.builds.rebase.making import assemble_version, push_base, save_version

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("own_store")]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    call_command(*argv, "--json")
    return json.loads(capsys.readouterr().out)


def test_bases_are_listed_previewed_and_rebased(
    own_store: Path, team: str, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reference = f"{team}/python:3.11.9"
    push_base(own_store, reference)
    image = assemble_version(save_version(reference), wheel)
    push_base(own_store, f"{team}/python:3.11.10", python="3.11.10", note="second")
    (base,) = run(capsys, "bases", "--check", "--workspace", "lab")
    assert (base["base"], base["images"], base["moved"]) == (reference, 1, False)
    assert base["newer"] == f"{team}/python:3.11.10"

    planned = run(capsys, "rebase", reference, "--to", base["newer"], "--dry-run")

    assert planned["state"] == "ready"
    assert [row["fate"] for row in planned["images"]] == ["rebase"]
    assert Image.objects.get().digest == image.digest
    done = run(capsys, "rebase", reference, "--to", base["newer"])
    assert done["state"] == "done"
    (row,) = done["images"]
    assert (row["fate"], row["digest_before"]) == ("rebased", image.digest)
    assert Image.objects.get(current=True).digest == row["digest_after"]
    assert run(capsys, "rebase", reference)["images"] == []
    out = io.StringIO()
    call_command("rebase", f"{team}/python:3.11.10", stdout=out)
    assert "no image needs it" in out.getvalue()


@pytest.mark.parametrize("typed", ["https://x/y", "a b", "", "x" * 1000])
def test_what_is_no_reference_is_refused(typed: str) -> None:
    with pytest.raises(CommandError):
        call_command("rebase", typed)
    assert not Rebase.objects.exists()
