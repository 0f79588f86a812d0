"""The tabs of a workspace's settings: each app registers its own in `AppConfig.ready`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from environments.access import Right
from environments.models import Workspace
from environments.requests import StudioRequest

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

TabContext = dict[str, Any]


@dataclass(frozen=True)
class Tab:
    """A tab: its position, the right that it needs, its template and the template's context."""

    position: int
    name: str
    label: "StrPromise"
    right: Right
    template: str
    context: Callable[[StudioRequest, Workspace], TabContext]


_TABS: dict[str, Tab] = {}


def register_tabs(*tabs: Tab) -> None:
    """Add tabs to the settings page, or replace those of the same name."""
    _TABS.update((tab.name, tab) for tab in tabs)


def settings_tabs() -> list[Tab]:
    """Return all tabs, in the order of the page."""
    return sorted(_TABS.values(), key=lambda tab: tab.position)
