"""What counts for every test: the real parts, the order of the tests, and that CI skips nothing."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator, Sequence

import pytest
from django.db import models  # noqa: F401 (first: its parts import each other)
from django.db.backends.base.operations import BaseDatabaseOperations

from tests.services.parts import PARTS

pytest_plugins = ["tests.services.fixtures"]

# What takes long to start comes late, so that most mistakes show within seconds.
STARTS_SLOWLY = {
    "registry": 1,
    "redis_server": 1,
    "postgres": 1,
    "either_database": 1,
    "docker_engine": 2,
    "studio": 2,
    "start_studio": 2,
    "start_deployment": 2,
    "rabbitmq": 3,
    "chromium": 4,
}


def cost(item: pytest.Item) -> int:
    """Return how late a test comes: tests without real parts first, those with Chromium last."""
    names = getattr(item, "fixturenames", ())
    return max((STARTS_SLOWLY.get(name, 0) for name in names), default=0)


# After pytest-django, which sorts by how much of the database a test uses.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    names = Counter(item.nodeid for item in items)
    if twice := sorted(name for name, times in names.items() if times > 1):
        raise pytest.UsageError(
            f"Tests that share a name: {', '.join(twice)}. With -n only one of them would run."
        )
    items.sort(key=cost)


def pytest_report_header() -> list[str]:
    return [f"skipped: {reason}" for part in PARTS if (reason := part.missing())]


@pytest.fixture(autouse=True, scope="session")
def empty_what_is_only_added() -> Generator[None, None, None]:
    """After tests that commit, Django empties all tables: of events too, which the database lets nobody else do."""
    empty = BaseDatabaseOperations.execute_sql_flush

    def emptied(self: BaseDatabaseOperations, sql_list: Sequence[str]) -> None:
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "postgresql":
                off, on = (
                    f"ALTER TABLE environments_event {word} TRIGGER USER" for word in ("DISABLE", "ENABLE")
                )
                empty(self, [off, *sql_list, on])
                return
            cursor.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'environments_event'"
            )
            triggers = dict(cursor.fetchall())
        drop = [f"DROP TRIGGER {name}" for name in triggers]
        empty(self, [*drop, *sql_list, *triggers.values()])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BaseDatabaseOperations, "execute_sql_flush", emptied)
        yield


def forbid_skips(report: pytest.TestReport | pytest.CollectReport) -> None:
    """With CI=true, turn a skip (or an expected failure) into a failure: a green run has run everything."""
    if os.environ.get("CI") != "true" or not (report.skipped or hasattr(report, "wasxfail")):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
    if hasattr(report, "wasxfail"):
        reason = f"expected to fail: {report.wasxfail}"
        del report.wasxfail
    report.outcome = "failed"
    report.longrepr = f"With CI=true nothing may be skipped or expected to fail, but this was: {reason}"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    forbid_skips(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    forbid_skips(report)
    return report
