"""The section of the navigation that a page belongs to, declared with its URL."""

from collections.abc import Callable
from typing import Any, Literal, TypeVar

from django.urls import ResolverMatch

Section = Literal["environments", "exposed", "review", "builds", "images", "activity", "settings"]
View = TypeVar("View", bound=Callable[..., Any])


def in_section(section: Section, view: View) -> View:
    """Return a view as a page of this section: `path("builds/", in_section("builds", builds), name="builds")`."""
    view.section = section  # type: ignore[attr-defined]
    return view


def section_of(match: ResolverMatch | None) -> str:
    """Return the section of the page that a URL resolved to; empty for pages outside all of them."""
    return getattr(match.func, "section", "") if match else ""
