"""Secrets are refused, and shown nowhere (rules 43 and 44)."""

from __future__ import annotations

import json

import pytest

from environments.definition import read
from environments.definition.cli import reading_json
from environments.definition.findings.secrets import holds_secret, is_secret_variable, masked, masked_script

SECRET = "Hunter2Hunter2Hunter2"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"flask==1\n--index-url https://me:{SECRET}@pypi.example/simple\n", 2),
        (f"demo @ git+https://{SECRET}{SECRET}@github.com/o/r.git\n", 1),
        (f"channels: ['https://u:{SECRET}@repo.example/c']\ndependencies: [a]\n", 1),
        (f"channels: ['https://repo.example/t/{SECRET}/c']\ndependencies: [a]\n", 1),
        (f"channels: [c]\ndependencies:\n- a\n- pip:\n  - -f https://x:{SECRET}@h/\n", 5),
        (f"channels: [c]\ndependencies: [a]\nvariables:\n  DB_PASSWORD: {SECRET}\n", 4),
        (f"channels: [c]\ndependencies: [a]\nvariables:\n  URL: postgres://u:{SECRET}@db/x\n", 4),
        (f"@EXPLICIT\nhttps://u:{SECRET}@h/linux-64/a-1-0.conda\n", 2),
        (f"FROM a:1\nRUN pip install -i https://u:{SECRET}@h/simple x\n", 2),
        (f"FROM a:1\nRUN a && \\\n  curl https://u:{SECRET}@h/\n", 3),
        (f"FROM a:1\nENV API_TOKEN={SECRET}\n", 2),
        (f"FROM a:1\nENV API_TOKEN {SECRET}\n", 2),
        (f"FROM a:1\nARG GITHUB_TOKEN={SECRET}\n", 2),
        (f"FROM a:1\nRUN <<EOF\nwget https://u:{SECRET}@h/x\nEOF\n", 2),
        (f"image: a:1\nproperties: {{note: 'https://u:{SECRET}@h/'}}\n", None),
        (f"name: 'https://u:{SECRET}@h/'\nimage: a:1\ntags: {{A: 'https://u:{SECRET}@h/'}}\n", None),
    ],
)
def test_a_secret_is_refused_with_its_line_and_printed_nowhere(text: str, line: int | None) -> None:
    reading = read(text)
    if line is not None:
        assert ("secret-in-definition", line) in [(error.code, error.line) for error in reading.errors]
        assert SECRET not in repr(reading)
    assert SECRET not in json.dumps(reading_json(reading))


def test_a_broken_line_with_a_secret_is_reported_without_the_secret() -> None:
    for text in (
        f"a b https://u:{SECRET}@h/ c\n",
        f"channels: [c]\ndependencies: ['=> https://u:{SECRET}@h/']\n",
    ):
        assert SECRET not in repr(read(text))


@pytest.mark.parametrize(
    "text",
    [
        "https://u:${TOKEN}@h/",
        "https://u:$TOKEN@h/",
        "https://user@h/",
        "https://h:8080/a@b",
        "git+ssh://git@github.com/o/r.git",
        "https://h/t/<TOKEN>/c",
        "tokenizers==0.13",
        "python-secrets=1.0",
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(text: str) -> None:
    assert not holds_secret(text)


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("DB_PASSWORD", "x1y2", True),
        ("dbPassword", "x1y2", True),
        ("AZURE_CLIENT_SECRET", "x1y2", True),
        ("AWS_ACCESS_KEY", "x1y2", True),
        ("CONNECTION_STRING", "Server=x", True),
        ("HARMLESS", "ghp_" + "a" * 36, True),
        ("DB_PASSWORD", "", False),
        ("DB_PASSWORD", "$OTHER", False),
        ("PASSWORD_FILE", "/run/secrets/x", False),
        ("TOKENIZERS_PARALLELISM", "false", False),
        ("MONKEY", "banana", False),
        ("COMPASS", "north", False),
    ],
)
def test_variables_are_judged_by_name_and_value(name: str, value: str, secret: bool) -> None:
    assert is_secret_variable(name, value) is secret


def test_masking_keeps_everything_else() -> None:
    assert masked("-i https://me:pw@h/simple?sig=abc&x=1") == "-i https://me:****@h/simple?sig=****&x=1"
    assert masked_script("A=1 DB_PASSWORD='a b' run") == "A=1 DB_PASSWORD=**** run"
