"""The certificate that is served: the studio's own, renewed while it runs, or that of the settings."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from cryptography import x509
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from studio.https.serving import Certificate, certificate, own_names, renew_while_running, server_context
from studio.https.variables import trust_variables


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR = tmp_path / "var"
    settings.CERTIFICATE = settings.CERTIFICATE_KEY = ""
    return tmp_path / "var"


def made_by_openssl(folder: Path, *options: str) -> tuple[Path, Path]:
    """Return a certificate and its key."""
    file, key = folder / "own.pem", folder / "own-key.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "2", "-subj", "/CN=own.example"]
    argv += ["-addext", "subjectAltName=DNS:own.example", "-keyout", str(key), "-out", str(file)]
    subprocess.run([*argv, *(options or ["-noenc"])], check=True, capture_output=True)
    return file, key


@contextmanager
def serving(context: ssl.SSLContext) -> Iterator[Callable[[], x509.Certificate]]:
    """Serve TLS with the context; yield what connects and returns the certificate that is shown."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)

    def visit() -> x509.Certificate:
        client = ssl.create_default_context()
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with socket.create_connection(listener.getsockname(), timeout=10) as raw:
            accepted = threading.Thread(target=accept)
            accepted.start()
            with client.wrap_socket(raw) as connection:
                der = connection.getpeercert(binary_form=True)
            accepted.join()
        assert der
        return x509.load_der_x509_certificate(der)

    def accept() -> None:
        raw, _address = listener.accept()
        with context.wrap_socket(raw, server_side=True):
            pass

    with listener:
        yield visit


def test_clients_with_the_bundle_trust_the_studio_and_everything_they_did_before(var: Path) -> None:
    current = certificate()
    assert current.trusted
    assert current.authority
    assert current.trusted.parent == var / "https"
    client = ssl.create_default_context(cafile=str(current.trusted))
    usual = ssl.create_default_context()
    assert len(client.get_ca_certs()) == len(usual.get_ca_certs()) + 1
    assert current.trusted.read_bytes().count(current.authority.read_bytes()) == 1


def test_a_bundle_that_the_environment_names_already_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = certificate().trusted
    assert trusted
    before = trusted.read_bytes()
    for variable in trust_variables(str(trusted)):
        monkeypatch.setenv(variable.name, variable.value)
    certificate()
    assert trusted.read_bytes().count(b"BEGIN CERTIFICATE") <= before.count(b"BEGIN CERTIFICATE")


def test_a_certificate_that_is_due_is_renewed_and_served_without_a_restart() -> None:
    current = certificate()
    context = server_context(current)
    ended = threading.Event()
    later = datetime.now(UTC) + timedelta(days=340)
    renewal = threading.Thread(
        target=renew_while_running, args=(context, ended, 0.02, lambda: later), daemon=True
    )
    with serving(context) as visit:
        first = visit()
        renewal.start()
        deadline = time.monotonic() + 10
        while visit().serial_number == first.serial_number:
            assert time.monotonic() < deadline
        assert visit().not_valid_after_utc > later
    ended.set()
    renewal.join()


def test_no_handshake_fails_while_certificates_are_renewed(settings: Settings, tmp_path: Path) -> None:
    served = tmp_path / "served.pem"
    pairs = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        file, key = made_by_openssl(tmp_path / name)
        pairs.append(file.read_bytes() + key.read_bytes())
    served.write_bytes(pairs[0])
    settings.CERTIFICATE = str(served)
    context, ended = server_context(certificate()), threading.Event()

    def replace() -> None:
        for number in count(1):
            (tmp_path / "next.pem").write_bytes(pairs[number % 2])
            (tmp_path / "next.pem").replace(served)
            if ended.wait(0.005):
                return

    threads = [
        threading.Thread(target=replace),
        threading.Thread(target=renew_while_running, args=(context, ended, 0.002)),
    ]
    with serving(context) as visit:
        for thread in threads:
            thread.start()
        try:
            shown = {visit().serial_number for _ in range(40)}
        finally:
            ended.set()
            for thread in threads:
                thread.join()
    assert len(shown) == 2


def test_a_renewal_that_fails_is_logged_and_the_previous_certificate_is_served(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, key = made_by_openssl(tmp_path)
    settings.CERTIFICATE, settings.CERTIFICATE_KEY = str(file), str(key)
    current = certificate()
    context = server_context(current)
    ended = threading.Event()
    renewal = threading.Thread(target=renew_while_running, args=(context, ended, 0.02), daemon=True)
    with serving(context) as visit:
        first = visit()
        (tmp_path / "other").mkdir()
        other, _its_key = made_by_openssl(tmp_path / "other")
        file.write_bytes(other.read_bytes())  # renewed, while the key is not yet
        renewal.start()
        deadline = time.monotonic() + 10
        while "could not be renewed" not in caplog.text:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert visit() == first
    ended.set()
    renewal.join()


def test_a_certificate_of_the_settings_is_served_and_none_is_made(
    settings: Settings, tmp_path: Path, var: Path
) -> None:
    file, key = made_by_openssl(tmp_path)
    settings.CERTIFICATE, settings.CERTIFICATE_KEY = str(file), str(key)
    current = certificate()
    assert current == Certificate(file, key)
    with serving(server_context(current)) as visit:
        assert visit().subject.rfc4514_string() == "CN=own.example"
    assert not var.exists()


def test_a_key_may_be_in_the_certificates_file(tmp_path: Path) -> None:
    file, key = made_by_openssl(tmp_path)
    file.write_text(file.read_text() + key.read_text())
    server_context(Certificate(file))


@pytest.mark.parametrize(
    "what", ["missing", "nonsense", "without its key", "with another key", "with a password"]
)
def test_a_certificate_that_cannot_be_served_is_reported_and_nobody_is_asked_to_type(
    tmp_path: Path, what: str
) -> None:
    file, key = made_by_openssl(
        tmp_path, *(["-passout", "pass:hunter22"] if what == "with a password" else [])
    )
    given: Path | None = key
    match what:
        case "missing":
            file.unlink()
        case "nonsense":
            file.write_text("nonsense")
        case "without its key":
            given = None
        case "with another key":
            (tmp_path / "other").mkdir()
            given = made_by_openssl(tmp_path / "other")[1]
    with pytest.raises(
        ImproperlyConfigured, match=r"HTTPS cannot be served with .*own\.pem.*: \w.*STUDIO_CERTIFICATE"
    ):
        server_context(Certificate(file, given))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(version: ssl.TLSVersion) -> None:
    assert server_context(certificate()).minimum_version > version


def test_the_certificate_has_the_names_that_the_studio_answers_to(settings: Settings) -> None:
    settings.HOST = "0.0.0.0"  # noqa: S104
    settings.ALLOWED_HOSTS = ["ml.example", ".corp.example", "*"]
    settings.PUBLIC_URL = "https://[fd00::7]:8443"
    names = own_names()
    assert {
        "localhost",
        "127.0.0.1",
        "::1",
        "ml.example",
        ".corp.example",
        "[fd00::7]",
        socket.gethostname(),
    } == set(names)
