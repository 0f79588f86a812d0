"""Rules against facts: plain functions, so that many cases are cheap."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builds.models import RuleName
from builds.policies.evaluate import Exempt, Rule, evaluate, origin_allowed
from builds.policies.facts import Facts, PackageFacts, Vulnerability
from builds.policies.options import DEFAULTS, PolicyRefused, read_options

NOW = dt.datetime(2026, 6, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
TODAY = NOW.date()
OLD_JINJA = Vulnerability("CVE-2024-22195", "jinja2", "3.1.2", "high", NOW - 60 * DAY, ("3.1.3",))


def rule(name: str, level: str = "block", starts_on: dt.date | None = None, **options: Any) -> Rule:
    return Rule(name, level, starts_on, {**DEFAULTS[name], **options})  # type: ignore[arg-type]


def facts(*packages: PackageFacts, **more: Any) -> Facts:
    return Facts(at=NOW, environments=frozenset({"forecast"}), packages=packages, **more)


def messages(each: Rule, known: Facts, *exempt: Exempt) -> list[str]:
    return [hit.message for hit in evaluate([each], known, exempt)]


def test_a_vulnerability_counts_from_its_severity_its_age_and_where_a_fix_exists() -> None:
    exposed = facts(vulnerabilities=(OLD_JINJA,))
    assert messages(rule("vulnerability"), exposed) == [
        "jinja2 3.1.2 has CVE-2024-22195 (high), known for 60 days."
    ]
    assert not messages(rule("vulnerability", severity="critical"), exposed)
    assert not messages(rule("vulnerability", days=61), exposed)
    unfixed = facts(vulnerabilities=(Vulnerability("CVE-1", "a", "1", "critical", NOW - 60 * DAY),))
    assert not messages(rule("vulnerability"), unfixed)
    assert messages(rule("vulnerability", fixed=False), unfixed)


def test_an_advisory_that_triage_settled_or_without_a_date_does_not_count() -> None:
    settled = Vulnerability("CVE-1", "a", "1", "critical", NOW - 60 * DAY, ("2",), settled=True)
    undated = Vulnerability("CVE-2", "a", "1", "critical", None, ("2",))
    assert not messages(rule("vulnerability"), facts(vulnerabilities=(settled, undated)))


def test_a_licence_on_the_deny_list_and_an_unknown_licence_are_two_things() -> None:
    known = facts(
        PackageFacts("a", "1", license="AGPL-3.0-only"),
        PackageFacts("b", "1", license="MIT OR AGPL-3.0-only"),
        PackageFacts("c", "1"),
        PackageFacts("python", "3.11.7", "python"),
    )
    deny = rule("licence", deny=["AGPL-3.0-only"])
    assert messages(deny, known) == ["a 1 has the licence AGPL-3.0-only, which isn't allowed."]
    strict = rule("licence", deny=["AGPL-3.0-only"], unknown="deny")
    assert messages(strict, known)[1:] == ["c 1 has no licence that is known."]


def test_the_cool_down_is_what_settings_require_and_was_applied_or_not() -> None:
    cool = rule("cool-down", limit="14 days", excepted=["numpy"])
    package = PackageFacts("numpy", "1")
    limited = {"uploaded_before": NOW - 14 * DAY}
    assert not messages(cool, facts(package, **limited))
    assert not messages(cool, facts(package, **limited, upload_exceptions={"numpy": None}))
    assert messages(cool, facts(package))
    assert messages(cool, facts(package, uploaded_before=NOW - 13 * DAY))
    assert messages(cool, facts(package, **limited, upload_exceptions={"scipy": None})) == [
        "The minimum package age of Settings → Uploads wasn't applied to scipy."
    ]
    assert not messages(rule("cool-down", limit=""), facts(package)), "nothing is required"
    assert not messages(cool, facts()), "nothing was installed"


def test_an_image_is_judged_by_the_age_of_uploads_at_its_build() -> None:
    old = facts(PackageFacts("a", "1"), built_at=NOW - 100 * DAY, uploaded_before=NOW - 114 * DAY)
    assert not messages(rule("cool-down", limit="14 days"), old)


def test_source_builds_old_bases_and_missing_import_tests_are_named() -> None:
    assert messages(rule("source"), facts(PackageFacts("a", "1", source=True))) == [
        "a 1 was built from source."
    ]
    aged = facts(base="ubuntu:22.04", base_created=NOW - 200 * DAY)
    assert messages(rule("base-age"), aged) == [
        "The base image ubuntu:22.04 is 200 days old; 180 are allowed."
    ]
    assert not messages(rule("base-age"), facts(base="host")), "its age is unknown"
    assert messages(rule("import-test"), facts(PackageFacts("a", "1"), import_test="failed"))
    assert not messages(rule("import-test"), facts(PackageFacts("a", "1"), import_test="passed"))


@pytest.mark.parametrize(
    ("origin", "entries", "allowed"),
    [
        ("https://files.pythonhosted.org", ["pypi.org"], True),
        ("https://mirror.example", ["pypi.org"], True),  # the studio's own index
        ("https://evil.example", ["pypi.org"], False),
        ("https://evil.example", ["https://evil.example/simple"], True),
        ("https://conda.anaconda.org/conda-forge", ["conda-forge"], True),
        ("conda-forge", ["conda-forge"], True),
        ("https://conda.anaconda.org/nvidia", ["conda-forge"], False),
        ("https://repo.example/conda/lab", ["https://repo.example/conda"], True),
        ("https://repo.example/conda-evil", ["https://repo.example/conda"], False),
        ("https://repo.example.evil.example", ["https://repo.example"], False),
        ("https://pypi.org.evil.example", ["pypi.org"], False),
    ],
)
def test_an_origin_is_allowed_by_server_channel_or_url(
    origin: str, entries: list[str], allowed: bool
) -> None:
    assert origin_allowed(origin, entries, "mirror.example") is allowed


def test_before_its_first_day_a_rule_that_blocks_warns_and_one_that_warns_is_off() -> None:
    known = facts(PackageFacts("a", "1", source=True))
    (hit,) = evaluate([rule("source", starts_on=TODAY + DAY)], known)
    assert (hit.level, hit.starts_on) == ("warn", TODAY + DAY)
    assert not evaluate([rule("source", "warn", TODAY + DAY)], known)
    assert evaluate([rule("source", starts_on=TODAY)], known)[0].level == "block"


def test_an_exception_is_for_a_package_in_any_version_or_one_an_advisory_or_an_environment() -> None:
    exposed = facts(vulnerabilities=(OLD_JINJA,))
    for covering in (
        Exempt("package", "Jinja2"),
        Exempt("package", "jinja2==3.1.2"),
        Exempt("advisory", "cve-2024-22195"),
        Exempt("environment", "forecast"),
        Exempt("environment", "forecast", "vulnerability", TODAY),
    ):
        assert not messages(rule("vulnerability"), exposed, covering), covering
    for other in (
        Exempt("package", "jinja2==3.1.3"),
        Exempt("package", "jinja"),
        Exempt("advisory", "CVE-2024-2219"),
        Exempt("environment", "Forecast"),
        Exempt("environment", "forecast", "licence"),
        Exempt("environment", "forecast", "", TODAY - DAY),
    ):
        assert messages(rule("vulnerability"), exposed, other), other


NAMES = st.sampled_from(["a", "b", "c"])
PACKAGES = st.builds(
    PackageFacts, NAMES, st.sampled_from(["1", "2"]), license=st.sampled_from(["", "MIT", "AGPL-3.0-only"]),
    source=st.booleans(), origin=st.sampled_from(["", "https://evil.example", "conda-forge"]),
)  # fmt: skip
FACTS = st.builds(
    Facts,
    st.just(NOW),
    environments=st.frozensets(NAMES, max_size=2),
    packages=st.lists(PACKAGES, max_size=4).map(tuple),
    vulnerabilities=st.lists(
        st.builds(Vulnerability, st.sampled_from(["CVE-1", "CVE-2"]), NAMES, st.just("1"),
                  st.sampled_from(["low", "critical"]), st.just(NOW - 40 * DAY), st.just(("2",))),
        max_size=3,
    ).map(tuple),
    base_created=st.sampled_from([None, NOW - 500 * DAY]),
)  # fmt: skip
DATES = st.sampled_from([None, TODAY - DAY, TODAY, TODAY + DAY])
RULES = st.lists(
    st.builds(
        lambda name, level, starts: rule(name, level, starts, **({"deny": ["AGPL-3.0-only"]} if name == "licence" else {})),
        st.sampled_from(RuleName.values), st.sampled_from(["off", "warn", "block"]), DATES,
    ),
    max_size=7, unique_by=lambda each: each.name,
)  # fmt: skip
EXEMPT = st.lists(
    st.builds(
        Exempt, st.sampled_from(["package", "advisory", "environment"]), st.sampled_from(["a", "b==1", "CVE-1"]),
        st.sampled_from(["", "licence", "vulnerability"]), DATES,
    ),
    max_size=4,
)  # fmt: skip


@given(RULES, FACTS, EXEMPT, EXEMPT)
def test_an_exception_only_ever_takes_hits_away(
    rules: list[Rule], known: Facts, exempt: list[Exempt], more: list[Exempt]
) -> None:
    assert set(evaluate(rules, known, [*exempt, *more])) <= set(evaluate(rules, known, exempt))


@given(RULES, FACTS)
def test_rules_are_independent_and_blocking_hits_come_first(rules: list[Rule], known: Facts) -> None:
    together = evaluate(rules, known)
    apart = [hit for each in rules for hit in evaluate([each], known)]
    assert sorted(map(repr, together)) == sorted(map(repr, apart))
    levels = [hit.level for hit in together]
    assert levels == sorted(levels)  # block, warn
    assert {hit.rule for hit in together} <= {each.name for each in rules if each.level != "off"}


@given(FACTS, st.sampled_from(RuleName.values), DATES)
def test_a_later_start_never_makes_a_rule_stricter(known: Facts, name: str, starts: dt.date | None) -> None:
    options = {"deny": ["AGPL-3.0-only"]} if name == "licence" else {}
    order = ["off", "warn", "block"]
    for level in order:
        now, later = (rule(name, level, day, **options) for day in (None, starts))
        assert order.index(later.level_on(TODAY)) <= order.index(now.level_on(TODAY))
        assert len(evaluate([later], known)) <= len(evaluate([now], known))


@pytest.mark.parametrize(
    ("name", "given_"),
    [
        ("vulnerability", {"severity": "terrible"}),
        ("vulnerability", {"days": "-1"}),
        ("vulnerability", {"days": "9" * 100}),
        ("vulnerability", {"days": {"a": 1}}),
        ("licence", {"deny": ["<b>"]}),
        ("licence", {"deny": ["MIT OR ISC"]}),
        ("licence", {"deny": 3}),
        ("licence", {"allow": ["MIT"] * 3 + [f"LicenseRef-{n}" for n in range(300)]}),
        ("licence", {}),
        ("origin", {"origins": ["javascript:alert(1)\0"]}),
        ("origin", {"origins": "\n".join(["x" * 400])}),
        ("origin", {"origins": []}),
    ],
)
def test_options_that_make_no_sense_are_refused(name: str, given_: dict[str, Any]) -> None:
    with pytest.raises(PolicyRefused):
        read_options(name, given_)


def test_options_get_their_usual_spelling() -> None:
    read = read_options("licence", {"deny": "agpl-3.0, MIT License\nmit", "unknown": "deny"})
    assert read == {"allow": [], "deny": ["AGPL-3.0-only", "MIT"], "unknown": "deny"}
