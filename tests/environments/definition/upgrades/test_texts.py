"""Texts of definitions in which packages are upgraded: one line changes, and everything else stays."""

from collections.abc import Mapping

import pytest

from environments.definition import Reading, read
from environments.definition.files.folder import MemoryFolder
from environments.definition.reading.read import read_folder_of
from environments.definition.upgrades import CannotUpgrade, Change, Upgrade, Upgraded, upgraded

BASE = "python:3.11-slim"
JINJA = Upgrade("pip", "jinja2", "3.1.4")


def after(filename: str, text: str, *upgrades: Upgrade, beside: dict[str, str] | None = None) -> Upgraded:
    texts = {filename: text, **(beside or {})}

    def reread(texts: Mapping[str, str]) -> Reading:
        if len(texts) == 1:
            return read(texts[filename], filename, default_image=BASE)
        held = {path: (0o644, content.encode()) for path, content in texts.items()}
        return read_folder_of(MemoryFolder(held), default_image=BASE)

    reading = reread(texts)
    assert reading.definition is not None, reading.findings
    return upgraded(texts, reading, upgrades, reread)


def test_a_pin_is_changed_where_it_is_written_and_comments_stay() -> None:
    text = "# jinja2==3.1.2 was slow\nnumpy==1.26.4\nJinja2 == 3.1.2   # templates\n"

    result = after("requirements.txt", text, JINJA)

    assert result.texts["requirements.txt"] == text.replace("Jinja2 == 3.1.2 ", "Jinja2 == 3.1.4 ")
    assert result.changes == (Change("Jinja2 == 3.1.2", "Jinja2 == 3.1.4"),)


def test_a_dependency_that_nobody_requested_is_added_below_the_last_requirement() -> None:
    text = "flask==3.0.0\nrequests  # for the client\n\n# end\n"

    result = after("requirements.txt", text, JINJA)

    assert result.texts["requirements.txt"] == (
        "flask==3.0.0\nrequests  # for the client\njinja2>=3.1.4\n\n# end\n"
    )


def test_every_line_that_names_the_package_is_raised() -> None:
    text = 'jinja2==3.1.2 ; python_version >= "3.9"\njinja2==3.0.3 ; python_version < "3.9"\n'

    result = after("requirements.txt", text, JINJA)

    assert result.texts["requirements.txt"] == text.replace("3.1.2", "3.1.4").replace("3.0.3", "3.1.4")


CONDA = """\
name: forecast
channels: [conda-forge]
dependencies:
  - python=3.11
  - pillow >=9,<10  # pictures
  - pip
  - pip:
    - "flask==3.0.0"   # the app
variables:
  KEY: flask==3.0.0
"""


def test_a_conda_file_gets_both_kinds() -> None:
    result = after("environment.yml", CONDA, JINJA, Upgrade("conda", "pillow", "10.0.1"))

    changed = CONDA.replace("pillow >=9,<10 ", "pillow >=10.0.1 ").replace(
        '    - "flask==3.0.0"   # the app\n', '    - "flask==3.0.0"   # the app\n    - "jinja2>=3.1.4"\n'
    )
    assert result.texts["environment.yml"] == changed


def test_a_list_in_one_line_stays_one() -> None:
    text = (
        'image: python:3.11-slim\nconda_file:\n  dependencies: [python=3.11, pip, {pip: ["flask==3.0.0"]}]\n'
    )

    result = after("environment.yaml", text, JINJA)

    assert result.texts["environment.yaml"] == text.replace(
        '"flask==3.0.0"', '"flask==3.0.0", "jinja2>=3.1.4"'
    )


def test_a_project_is_changed_in_its_dependencies() -> None:
    text = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.10"\ndependencies = [\n  "flask==3.0.0"\n]\n'

    result = after("pyproject.toml", text, JINJA, Upgrade("pip", "flask", "3.0.3"))

    assert '"flask==3.0.3", "jinja2>=3.1.4"' in result.texts["pyproject.toml"]


def test_windows_line_ends_stay() -> None:
    result = after("requirements.txt", "flask==3.0.0\r\nnumpy==1.26.4\r\n", JINJA)

    assert result.texts["requirements.txt"] == "flask==3.0.0\r\nnumpy==1.26.4\r\njinja2>=3.1.4\r\n"


def test_what_is_new_enough_changes_nothing() -> None:
    text = "jinja2==3.1.4\n"

    assert after("requirements.txt", text, JINJA).texts["requirements.txt"] == text


@pytest.mark.parametrize(
    ("filename", "text", "reason"),
    [
        ("requirements.txt", "jinja2==3.1.2 --hash=sha256:" + "a" * 64 + "\n", "hash"),
        ("environment.yml", "channels: [c]\ndependencies: [python=3.11]\n", "no line"),
    ],
)
def test_what_cannot_be_changed_is_refused_with_the_reason(filename: str, text: str, reason: str) -> None:
    with pytest.raises(CannotUpgrade, match=reason):
        after(filename, text, JINJA)
