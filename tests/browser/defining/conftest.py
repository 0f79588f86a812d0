"""Dialogs of pages that define an environment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.browser.defining.drafting import accept_dialogs


@pytest.fixture
def dialogs(olga: Page) -> Iterator[list[str]]:
    """The kinds of the dialogs that the page has opened; each is accepted."""
    with accept_dialogs(olga) as opened:
        yield opened
