"""A wrong mirror stops the studio's start, not a build at night."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from studio.configuration import read_channel_mirrors


def test_mirrors_are_read_by_their_channels() -> None:
    pairs = ["conda-forge=file:///srv/channel", "https://a.example/x=http://b.example/y"]

    assert read_channel_mirrors(pairs) == {
        "conda-forge": "file:///srv/channel",
        "https://a.example/x": "http://b.example/y",
    }


@pytest.mark.parametrize("pair", ["conda-forge", "=file:///srv", "conda-forge=", "conda-forge=/srv/channel"])
def test_a_mirror_that_is_none_stops_the_start(pair: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="conda-forge=file:///srv/channel"):
        read_channel_mirrors([pair])
