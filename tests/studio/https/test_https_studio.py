"""A studio started with `--https`: both schemes, real clients, a clean end."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.services.fixtures import StartStudio
from tests.services.processes import free_port
from tests.services.studio import ROOT, Studio
from tests.studio.https.signing_in import sign_in

pytestmark = pytest.mark.slow


def trusting(studio: Studio, url: str) -> httpx.Client:
    context = ssl.create_default_context(cafile=str(studio.authority))
    return httpx.Client(base_url=url, verify=context, trust_env=False, timeout=20)


def curl(studio: Studio, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = ["curl", "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *argv]
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=False)


def test_curl_trusts_it_by_the_authority_and_by_the_printed_variable(secure_studio: Studio) -> None:
    url = f"{secure_studio.https_url}/healthz"
    assert curl(secure_studio, "--cacert", str(secure_studio.authority), url).stdout == "ok\n"
    trusted = secure_studio.var / "https" / "trusted.pem"
    assert curl(secure_studio, url, SSL_CERT_FILE=str(trusted)).stdout == "ok\n"
    refused = curl(secure_studio, url)
    assert (refused.returncode, refused.stdout) == (60, "")


def test_requests_trusts_it_by_the_printed_variable(secure_studio: Studio) -> None:
    code = "import requests, sys; print(requests.get(sys.argv[1]).status_code)"
    argv = [sys.executable, "-c", code, f"{secure_studio.https_url}/healthz"]
    trusted = str(secure_studio.var / "https" / "trusted.pem")
    environment = {"PATH": os.environ["PATH"], "REQUESTS_CA_BUNDLE": trusted, "NO_PROXY": "*"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "200\n", done.stderr


def test_it_prints_what_clients_need(secure_studio: Studio) -> None:
    text, url = secure_studio.text(), secure_studio.https_url
    trusted = secure_studio.var / "https" / "trusted.pem"
    assert f"The studio is at {secure_studio.url} and {url}" in text
    for line in (
        f"export REQUESTS_CA_BUNDLE={trusted}",
        f"export SSL_CERT_FILE={trusted}",
        f"export AZUREML_DEV_URL_MFE={url}",
        f"export ARM_CLOUD_METADATA_URL={url}/metadata/endpoints",
        str(secure_studio.authority),
    ):
        assert line in text


def test_each_scheme_has_a_session_and_cookies_of_its_own(secure_studio: Studio) -> None:
    with trusting(secure_studio, secure_studio.https_url) as client:
        sign_in(secure_studio, client, "__Host-")
        page = client.get("/account/tokens/")
        assert page.status_code == 200
        jar = {cookie.name: cookie for cookie in client.cookies.jar}
        assert set(jar) >= {"__Host-studio_session", "__Host-studio_csrf"}
        assert all(
            cookie.secure and cookie.path == "/" and not cookie.domain_specified for cookie in jar.values()
        )
        assert "strict-transport-security" not in page.headers

        # The same browser on HTTP: it sends no secure cookie there, so it is a stranger who can sign in.
        plain = httpx.Client(base_url=secure_studio.url, trust_env=False, timeout=20)
        assert plain.get("/account/tokens/").status_code == 302
        sign_in(secure_studio, plain)
        assert not any(cookie.secure for cookie in plain.cookies.jar)
        assert {cookie.name for cookie in plain.cookies.jar} >= {"studio_session", "studio_csrf"}

        # A session that was sent in the clear opens nothing over HTTPS.
        session = plain.cookies["studio_session"]
        with trusting(secure_studio, secure_studio.https_url) as thief:
            thief.cookies.set("studio_session", session, domain="localhost")
            assert thief.get("/account/tokens/").status_code == 302
        client.post(
            "/logout/",
            data={"csrfmiddlewaretoken": client.cookies["__Host-studio_csrf"]},
            headers={"Origin": secure_studio.https_url},
        )
        assert client.get("/account/tokens/").status_code == 302
        assert plain.get("/account/tokens/").status_code == 200


def test_http_is_not_redirected_and_urls_keep_their_scheme(secure_studio: Studio) -> None:
    answer = httpx.get(f"{secure_studio.url}/v2/elsewhere/base/manifests/1", trust_env=False)
    assert f'realm="{secure_studio.url}/v2/token"' in answer.headers["www-authenticate"]
    with trusting(secure_studio, secure_studio.https_url) as client:
        realm = client.get(
            "/v2/elsewhere/base/manifests/1", headers={"X-Forwarded-Host": "evil.example"}
        ).headers["www-authenticate"]
    assert f'realm="{secure_studio.https_url}/v2/token"' in realm


def test_a_foreign_origin_is_refused_over_https(secure_studio: Studio) -> None:
    with trusting(secure_studio, secure_studio.https_url) as client:
        client.get("/login/")
        form = {"csrfmiddlewaretoken": client.cookies["__Host-studio_csrf"], "theme": "dark"}
        for origin in ("https://evil.example", secure_studio.url.replace("http:", "https:"), "null"):
            assert client.post("/theme/", data=form, headers={"Origin": origin}).status_code == 403
        own = client.post("/theme/", data=form, headers={"Origin": secure_studio.https_url})
        assert own.status_code == 302
        assert own.headers["set-cookie"].startswith("__Host-studio_theme=dark;")


def test_clients_that_speak_no_tls_or_too_old_a_version_are_turned_away(secure_studio: Studio) -> None:
    port = int(secure_studio.https_url.rpartition(":")[2])
    for greeting in (
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\0" * 64,
        b"",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
            raw.sendall(greeting)
            raw.shutdown(socket.SHUT_WR)
            assert b"ok" not in raw.recv(4096)
    old = curl(
        secure_studio, "--cacert", str(secure_studio.authority), "--tls-max", "1.1", secure_studio.https_url
    )
    assert old.returncode != 0
    with trusting(secure_studio, secure_studio.https_url) as client:
        assert client.get("/healthz").text == "ok\n"


def test_the_next_start_uses_the_same_certificate_and_ctrl_c_leaves_no_process(
    start_studio: StartStudio, stock: Path
) -> None:
    settings = {"STUDIO_HTTPS_PORT": str(free_port())}
    studio = start_studio(stock, **settings)
    assert studio.process
    first = (studio.var / "https" / "certificate-private.pem").read_bytes()
    with trusting(studio, studio.https_url) as client:
        assert client.get("/healthz").text == "ok\n"
    os.killpg(studio.process.pid, signal.SIGINT)
    assert studio.process.wait() == 0, studio.process.last_words()
    studio.process.assert_nothing_left()

    studio.start()
    assert (studio.var / "https" / "certificate-private.pem").read_bytes() == first
    with trusting(studio, studio.https_url) as client:
        assert client.get("/healthz").text == "ok\n"


def test_without_the_option_there_is_no_https(studio: Studio) -> None:
    assert not (studio.var / "https").exists()
    assert "https://" not in studio.text()
    assert "export" not in studio.text()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"STUDIO_HTTPS": "true"}, "STUDIO_HTTPS is for a studio behind a proxy"),
        (
            {"STUDIO_CERTIFICATE": "/nowhere/own.pem"},
            "HTTPS cannot be served with /nowhere/own.pem: No such file",
        ),
        ({"STUDIO_URL": "https://ml.example/studio"}, "STUDIO_URL is 'https://ml.example/studio'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_settings_that_do_not_fit_stop_the_start_with_a_sentence(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    studio = Studio(tmp_path / "var", {**settings, "STUDIO_HTTPS_PORT": "0"})
    argv = [sys.executable, "manage.py", "run", "--https", "--port", "0"]
    done = subprocess.run(
        argv, env=studio.environment(), cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert sentence in done.stderr


def test_a_port_that_is_taken_is_named_with_the_command_that_chooses_another(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        studio = Studio(tmp_path / "var", {"STUDIO_HTTPS_PORT": str(port)})
        argv = [sys.executable, "manage.py", "run", "--https", "--port", "0"]
        done = subprocess.run(
            argv, env=studio.environment(), cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert f"STUDIO_HTTPS_PORT={port + 1} make run HTTPS=1" in done.stderr


def test_make_passes_the_choice_on() -> None:
    def command(*choice: str) -> str:
        argv = ["make", "--dry-run", "--no-print-directory", "run", *choice]
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.rstrip()

    assert command("HTTPS=1").endswith("manage.py run --https")
    assert command().endswith("manage.py run")
    assert command("HTTPS=0").endswith("manage.py run")
