"""Decisions as CycloneDX VEX: valid by the schema, read back the same, and hostile files bounded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from django.contrib.auth.models import User

from builds.exposure import vex
from builds.exposure.triage import Scope, decide
from builds.models import Advisory, Triage
from environments.errors import ForbiddenError
from environments.models import Role, Version
from tests.builds.policies.making import advisory, built, package
from tests.builds.scenarios import person, save_text

NOT_AFFECTED = {"state": "not_affected", "justification": "code_not_reachable", "detail": "No templates."}


def document(*statements: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(
        {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "vulnerabilities": statements, **more}
    ).encode()


def statement(
    name: str = "CVE-2024-1", ref: str = "pkg:pypi/jinja2@3.1.2", **analysis: Any
) -> dict[str, Any]:
    return {"id": name, "analysis": analysis or NOT_AFFECTED, "affects": [{"ref": ref}]}


@pytest.fixture
def version() -> Version:
    version = save_text("jinja2==3.1.2\n")
    built(version, package("jinja2", "3.1.2"))
    advisory()
    return version


@pytest.fixture
def owner(version: Version) -> User:
    return person("ada", lab=Role.OWNER)


@pytest.mark.django_db
@pytest.mark.parametrize("spec", ["1.5", "1.6"])
def test_what_is_exported_is_valid_and_is_imported_as_the_same(
    version: Version, owner: User, spec: str
) -> None:
    known = advisory("CVE-2024-2", "other")
    advisory("CVE-2024-3")
    scope = Scope(environment=version.environment)
    decide(Advisory.objects.get(key="CVE-2024-1"), scope, "not_affected",
           "<b>No</b> “templates”.", owner, justification="code_not_reachable")  # fmt: skip
    decide(known, scope, "accepted", "Low.", owner)
    decide(known, Scope(version=version), "pending", "Looking.", owner)
    text = vex.export(version.environment.workspace, spec)

    schema = SchemaVersion.V1_5 if spec == "1.5" else SchemaVersion.V1_6
    assert JsonStrictValidator(schema).validate_str(text) is None
    first = json.loads(text)["vulnerabilities"][0]
    assert first["affects"] == [{"ref": "pkg:pypi/jinja2@3.1.2"}]
    before = set(
        Triage.objects.filter(version=None).values_list("advisory__key", "state", "reason", "justification")
    )
    Triage.objects.all().delete()
    vex.import_vex(text.encode(), scope, owner)
    after = set(Triage.objects.values_list("advisory__key", "state", "reason", "justification"))
    assert ("CVE-2024-1", "not_affected", "<b>No</b> “templates”.", "code_not_reachable") in before & after


@pytest.mark.django_db
def test_statements_that_do_not_fit_are_left_out_with_the_reason(version: Version, owner: User) -> None:
    outcome = vex.import_vex(
        document(
            statement(),
            statement("CVE-1999-9"),
            statement(ref="pkg:pypi/django@1.0"),
            statement(ref="urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Apypi%2FJinja2%403.1.2"),
            statement(state="resolved"),
            statement(state="exploitable"),
            statement(state="exploitable", response=["will_not_fix"]),
        ),
        Scope(environment=version.environment),
        owner,
    )

    assert outcome.recorded == ["CVE-2024-1"] * 3
    assert [why for _name, why in outcome.skipped] == [
        "The studio knows no such advisory.",
        "None of its packages is affected here.",
        "“resolved” is no decision that is kept here.",
        "“exploitable” is no decision that is kept here.",
    ]
    assert Triage.objects.get().state == "accepted", "the last statement about an advisory holds"


@pytest.mark.django_db
def test_a_contributor_imports_what_is_pending_alone(version: Version) -> None:
    member = person("eve", lab=Role.CONTRIBUTOR)
    scope = Scope(environment=version.environment)

    outcome = vex.import_vex(document(statement(), statement(state="in_triage")), scope, member)

    assert (len(outcome.recorded), len(outcome.skipped)) == (1, 1)
    with pytest.raises(ForbiddenError):
        vex.import_vex(document(statement()), Scope(), member)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 1000,
        b"[" * 500_000,
        # Python reads it, and what compares the two walks it.
        *(
            b'{"specVersion": "1.6", "vulnerabilities": [{"id": "CVE-1", "affects": [%s, %s]}]}'
            % ((b"[" * deep + b"]" * deep,) * 2)
            for deep in (90, 300, 600, 3_000)
        ),
        b'{"specVersion": "1.6", "vulnerabilities": 3}',
        b'{"specVersion": "1.6", "vulnerabilities": [3]}',
        b'{"specVersion": ["1.6"]}',
        b" " * (vex.MOST_BYTES + 1),
        document(specVersion="1.4"),
        document(*[{"id": str(n)} for n in range(501)]),
        document(*[{"id": str(n), "affects": [{"ref": str(r)} for r in range(300)]} for n in range(100)]),
        document({"id": "CVE-1", "affects": "pkg:pypi/a"}),
        document({"id": "CVE-1", "analysis": {"state": "perhaps"}}),
        document({"id": {"a": 1}}),
        document(statement(), bomFormat="SPDX"),
    ],
)
def test_a_file_that_is_no_vex_or_too_large_is_refused_in_one_short_sentence(content: bytes) -> None:
    with pytest.raises(vex.VexRefused) as refused:
        vex.read(content)
    assert len(str(refused.value)) < 400


def test_equal_statements_and_parts_that_are_not_read_do_no_harm() -> None:
    assert vex.read(document(statement(), statement(), components=[{"name": 3}])) == [statement()]
