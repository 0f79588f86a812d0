"""The README's animation: frames are kept apart by what they show, and it fits."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from scripts import recording
from scripts.recording import MAX_BYTES, RECORDING, Film
from tests.services.studio import ROOT


def plain(colour: str, size: tuple[int, int] = (64, 40)) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_equal_pictures_are_one_frame_that_lasts_longer() -> None:
    film = Film()
    for colour in ("red", "red", "blue", "red"):
        film.add(plain(colour), 100, longest=150)
    assert [milliseconds for _, milliseconds in film.frames] == [150, 100, 100]


def test_a_film_that_is_too_large_loses_quality_and_then_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = Film()
    for number in range(4):
        film.add(Image.effect_noise((200, 120), 80 + number).convert("RGB"), 100)
    best = film.write(tmp_path / "best.webp")
    monkeypatch.setattr(recording, "MAX_BYTES", best - 1)
    assert film.write(tmp_path / "less.webp") < best
    monkeypatch.setattr(recording, "MAX_BYTES", 10)
    with pytest.raises(ValueError, match="more than 10 bytes"):
        film.write(tmp_path / "none.webp")
    assert not (tmp_path / "none.webp").exists()


def test_the_readme_shows_the_recording_and_it_fits() -> None:
    file = ROOT / RECORDING
    assert f"]({RECORDING})" in (ROOT / "README.md").read_text()
    content = file.read_bytes()
    assert len(content) <= MAX_BYTES
    picture = Image.open(io.BytesIO(content))
    assert picture.format == "WEBP"
    assert getattr(picture, "n_frames", 1) > 20
    assert picture.size == recording.SHOWN
