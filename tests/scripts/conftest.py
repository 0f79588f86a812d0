"""The copy of the project in which recipes are followed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.scripts.recipes import RECIPES, Project


@pytest.fixture(scope="module")
def copied_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A copy of the project for all tests of a file."""
    return Project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def follow(copied_project: Project) -> Iterator[Callable[[str], Project]]:
    """Return the copy for following the recipe of a title; its changes are undone after the test."""

    def following(title: str) -> Project:
        copied_project.recipe = RECIPES[title]
        return copied_project

    yield following
    copied_project.restore()
