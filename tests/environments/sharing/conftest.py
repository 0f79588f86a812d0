"""The people of two workspaces, and a version with an image to share."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache

from environments.models import Role, Version
from tests.builds.scenarios import image_for, person, save_text


@pytest.fixture
def olga(db: None) -> User:
    cache.clear()
    return person("olga", lab=Role.CONTRIBUTOR)


@pytest.fixture
def vera(db: None) -> User:
    """The owner of the workspace that receives."""
    return person("vera", vision=Role.OWNER)


@pytest.fixture
def forecast(olga: User) -> Version:
    version = save_text("# why\nnumpy==2.1.3\n", user=olga, description="For the team.", tags={"team": "nlp"})
    image_for(version)
    return version
