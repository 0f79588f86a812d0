"""With CI=true, a skip or an expected failure is a failure: a green run has run everything."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


def forbid_skips(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip (or an expected failure) into a failure with CI=true."""
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
