"""The check of the layout: its limits hold, and passing them fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import structure


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty folder that takes the place of the checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        structure, "tracked", lambda pattern: sorted(p for p in Path().rglob("*" + Path(pattern).suffix))
    )
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("x = 1\n")
    (tmp_path / "page.html").write_text("<p>short</p>\n")
    return tmp_path


def test_a_checkout_within_the_limits_passes(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert structure.main() == 0
    assert "template lines over 200 characters: 0 of 1 (0.0%)" in capsys.readouterr().out


def test_a_sixteenth_module_fails_and_an_init_is_not_counted(checkout: Path) -> None:
    for number in range(14):
        (checkout / "package" / f"module{number}.py").touch()
    (checkout / "package" / "__init__.py").touch()
    assert structure.main() == 0
    (checkout / "package" / "more.py").touch()
    assert structure.main() == 1


def test_a_long_file_and_a_long_template_line_are_named(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (checkout / "package" / "module.py").write_text("x = 1\n" * 401)
    (checkout / "page.html").write_text("<p>" + "x" * 200 + "</p>\n")
    assert structure.main() == 1
    printed = capsys.readouterr().out
    assert "package/module.py: 401 lines" in printed
    assert "page.html:1: 207 characters" in printed
