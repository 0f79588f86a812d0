"""Secrets are refused, and shown nowhere (rules 43 and 44)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from environments.definition import read, read_path
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


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_TOKEN_LENGTH", "512"),
        ("MAX_TOKEN", "4096"),
        ("EOS_TOKEN", "</s>"),
        ("PAD_TOKEN", "[PAD]"),
        ("STOP_TOKEN", "im_end"),
        ("AUTH_TOKEN_VERSION", "2"),
        ("TOKEN_TTL_SECONDS", "3600"),
        ("VAULT_SECRET_NAME", "team-openai"),
        ("apiKeyHeader", "X-Api-Key"),
        ("PASSWORD_PROMPT_STRING", "Your password"),
        ("PASSWORD_MIN_LENGTH", "12"),
        ("PASSWORD_HASHER", "argon2id"),
        ("CREDENTIAL_MANAGER", "keyring"),
        ("GIT_CREDENTIAL_HELPER", "store"),
        ("SESSION_SECRET_FILE", "session.txt"),
        ("OAUTH_TOKEN_URL", "https://login.example/token"),
        ("REQUIRE_PASSWORD", "always"),
        ("NO_TOKEN", "fail"),
    ],
)
def test_a_name_that_only_speaks_of_a_secret_is_no_secret(name: str, value: str) -> None:
    conda = f"channels: [c]\ndependencies: [python=3.12]\nvariables:\n  {name}: {json.dumps(value)}\n"
    for text in (conda, f"FROM ubuntu:24.04\nENV {name}={json.dumps(value)}\n"):
        codes = {finding.code for finding in read(text).findings}
        assert not codes & {"secret-in-definition", "secret-suspected"}, text


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("DB_PASSWORD", "123456", "secret-in-definition"),
        ("PASSPHRASE", "correct horse battery", "secret-in-definition"),
        ("SECRET_KEY", "letmein", "secret-in-definition"),
        ("WANDB_API_KEY", "4f1a9c0b7d3e4f1a9c0b7d3e4f1a9c0b7d3e4f1a", "secret-in-definition"),
        ("TOKEN_SERVICE_PASSWORD", "gate", "secret-in-definition"),
        ("ACCESS_TOKEN", "a8Fk29dLq0", "secret-in-definition"),
        ("TOKEN_FILE_NAME", "ghp_" + "b1" * 18, "secret-in-definition"),
        ("MAX_TOKEN_LENGTH", "hf_" + "c2" * 17, "secret-in-definition"),
        ("API_KEY_NAME", "9f8e7d6c5b4a39281706f5e4d3c2b1a0", "secret-suspected"),
        ("SESSION_TOKEN", "demo", "secret-suspected"),
        ("CREDENTIALS", "gcm", "secret-suspected"),
    ],
)
def test_a_secret_is_refused_and_a_doubtful_value_is_a_warning(name: str, value: str, code: str) -> None:
    conda = f"channels: [c]\ndependencies: [python=3.12]\nvariables:\n  {name}: {json.dumps(value)}\n"
    for text, line in ((conda, 4), (f"FROM ubuntu:24.04\nENV {name}={json.dumps(value)}\n", 2)):
        reading = read(text)
        assert [(f.code, f.line) for f in reading.findings if f.code.startswith("secret")] == [(code, line)]
        assert reading.accepted is (code == "secret-suspected")


@pytest.mark.parametrize(
    "text",
    [
        "image: ubuntu:24.04\nvariables:\n  PUZZLE_PASSWORD: open-sesame  # not a secret\n",
        "image: ubuntu:24.04\nvariables:\n  # Not a secret: the word of a game\n  PUZZLE_PASSWORD: open-sesame\n",
        "FROM ubuntu:24.04\n# not a secret\nENV PUZZLE_PASSWORD=open-sesame\n",
        "FROM ubuntu:24.04\n#not-a-secret\nARG SESSION_TOKEN=demo\n",
    ],
)
def test_a_comment_says_that_a_value_is_no_secret(text: str) -> None:
    reading = read(text)
    assert reading.accepted, reading.errors
    assert [finding.code for finding in reading.findings if finding.code.startswith("secret")] == []
    for line in (
        "  # not a secret",
        "# Not a secret: the word of a game",
        "# not a secret\n",
        "#not-a-secret\n",
    ):
        text = text.replace(line, "")
    assert "`# not a secret`" in next(f.help for f in read(text).findings if f.code.startswith("secret"))


def test_the_comment_counts_in_each_file_of_a_folder(tmp_path: Path) -> None:
    conda = "channels: [c]\ndependencies: [python=3.12]\nvariables:\n  PUZZLE_PASSWORD: open-sesame{}\n"
    for comment, accepted in (("  # not a secret", True), ("", False)):
        (tmp_path / "environment.yml").write_text(conda.format(comment))
        assert read_path(tmp_path).accepted is accepted
        inner = tmp_path / "inner"
        inner.mkdir(exist_ok=True)
        (inner / "conda.yml").write_text(conda.format(comment))
        (inner / "env.yml").write_text("image: ubuntu:24.04\nconda_file: conda.yml\n")
        assert read_path(inner / "env.yml").accepted is accepted


def test_no_comment_lets_a_known_token_or_the_password_of_an_address_pass() -> None:
    for value in (f"ghp_{'a' * 36}", f"postgres://u:{SECRET}@db/x"):
        reading = read(f"image: ubuntu:24.04\nvariables:\n  NAME: {value}  # not a secret\n")
        assert [error.code for error in reading.errors] == ["secret-in-definition"]
        assert value not in repr(reading)


@pytest.mark.parametrize(
    "user",
    [
        "oauth2accesstoken",
        "my-team-service-account-name",
        "x-access-token-of-nobody",
        "_json_key_base64_of_the_team",
    ],
)
def test_a_user_name_without_a_password_is_no_secret(user: str) -> None:
    line = f"--extra-index-url https://{user}@pypi.example/simple"
    reading = read(f"{line}\nflask==1\n", "requirements.txt")
    assert reading.definition is not None, reading.errors
    assert reading.definition.python.pip[0] == line


@pytest.mark.parametrize("token", ["3f9a1c07be5d4482a6c1", "Ab3dEf6hIj9kLm2nOp5qRs"])
def test_a_token_in_the_place_of_a_user_name_is_a_secret(token: str) -> None:
    assert (
        masked(f"--index-url https://{token}@pypi.example/simple")
        == "--index-url https://****@pypi.example/simple"
    )
