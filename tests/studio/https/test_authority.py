"""The studio's own authority and certificate: private, whole, renewed in time, otherwise kept."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from studio.https.authority import Files, alternative_names, ensure_certificate, write_whole

NAMES = ["localhost", "127.0.0.1", "::1", "ml.example"]
DAY = timedelta(days=1)


def contents(files: Files) -> tuple[bytes, bytes]:
    return files.authority_pair.read_bytes(), files.certificate.read_bytes()


def certificate_in(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificates(file.read_bytes())[0]


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_keys_are_their_owners_alone_with_any_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files = ensure_certificate(tmp_path / "https", NAMES)
    finally:
        os.umask(before)
    assert mode(files.authority_pair) == mode(files.certificate) == 0o600
    assert mode(files.authority) == 0o644
    assert b"PRIVATE" not in files.authority.read_bytes()


def test_keys_that_others_can_read_are_closed_again(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path, NAMES)
    files.certificate.chmod(0o644)
    files.authority_pair.chmod(0o666)
    ensure_certificate(tmp_path, NAMES)
    assert mode(files.authority_pair) == mode(files.certificate) == 0o600


def test_openssl_accepts_the_chain_strictly_for_each_name_and_for_no_other(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path, [*NAMES, ".corp.example"])

    def accepts(*check: str) -> bool:
        argv = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(files.authority)]
        return (
            subprocess.run(
                [*argv, *check, str(files.certificate)], capture_output=True, check=False
            ).returncode
            == 0
        )

    for host in ("localhost", "ml.example", "corp.example", "studio.corp.example"):
        assert accepts("-verify_hostname", host), host
    for address in ("127.0.0.1", "::1"):
        assert accepts("-verify_ip", address), address
    assert not accepts("-verify_hostname", "evil.example")
    assert not accepts("-verify_ip", "10.0.0.1")


def test_the_authority_signs_no_other_authority_and_the_certificate_signs_nothing(tmp_path: Path) -> None:
    files = ensure_certificate(tmp_path, NAMES)
    limits = [
        certificate_in(file).extensions.get_extension_for_class(x509.BasicConstraints).value
        for file in (files.authority, files.certificate)
    ]
    assert [(limit.ca, limit.path_length) for limit in limits] == [(True, 0), (False, None)]


def test_both_are_kept_until_the_certificate_is_due(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = contents(ensure_certificate(tmp_path, NAMES, now))
    assert contents(ensure_certificate(tmp_path, reversed(NAMES), now + 334 * DAY)) == first
    authority, renewed = contents(ensure_certificate(tmp_path, NAMES, now + 336 * DAY))
    assert authority == first[0]
    assert renewed != first[1]


def test_an_authority_that_would_end_before_its_certificates_is_replaced(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = contents(ensure_certificate(tmp_path, NAMES, now))
    later = now + (3650 - 394) * DAY
    files = ensure_certificate(tmp_path, NAMES, later)
    assert contents(files)[0] != first[0]
    certificate_in(files.certificate).verify_directly_issued_by(certificate_in(files.authority))
    assert (
        certificate_in(files.certificate).not_valid_after_utc
        < certificate_in(files.authority).not_valid_after_utc
    )


def test_a_clock_that_was_wrong_costs_a_new_certificate(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first = contents(ensure_certificate(tmp_path, NAMES, now + 400 * DAY))
    assert contents(ensure_certificate(tmp_path, NAMES, now)) != first


def test_another_name_costs_a_new_certificate_by_the_same_authority(tmp_path: Path) -> None:
    first = contents(ensure_certificate(tmp_path, NAMES))
    second = contents(ensure_certificate(tmp_path, [*NAMES, "new.example"]))
    assert second[0] == first[0]
    assert second[1] != first[1]


@pytest.mark.parametrize(
    "broken", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", b"half"]
)
@pytest.mark.parametrize("which", ["authority_pair", "certificate"])
def test_what_cannot_be_read_is_made_again(tmp_path: Path, which: str, broken: bytes) -> None:
    files = ensure_certificate(tmp_path, NAMES)
    file: Path = getattr(files, which)
    file.write_bytes(file.read_bytes()[:300] if broken == b"half" else broken)
    ensure_certificate(tmp_path, NAMES)
    certificate_in(files.certificate).verify_directly_issued_by(certificate_in(files.authority))
    assert mode(file) == 0o600


def test_a_key_of_another_certificate_is_not_served(tmp_path: Path) -> None:
    files, others = ensure_certificate(tmp_path / "a", NAMES), ensure_certificate(tmp_path / "b", NAMES)
    key = files.certificate.read_text().partition("-----BEGIN CERTIFICATE")[0]
    mixed = key + others.certificate.read_text().partition("-----END PRIVATE KEY-----\n")[2]
    files.certificate.write_text(mixed)
    ensure_certificate(tmp_path / "a", NAMES)
    assert files.certificate.read_text() != mixed


def test_a_certificate_of_another_authority_is_not_served(tmp_path: Path) -> None:
    files, others = ensure_certificate(tmp_path / "a", NAMES), ensure_certificate(tmp_path / "b", NAMES)
    files.certificate.write_bytes(others.certificate.read_bytes())
    ensure_certificate(tmp_path / "a", NAMES)
    certificate_in(files.certificate).verify_directly_issued_by(certificate_in(files.authority))


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studio.https.authority import ensure_certificate\n"
        "files = ensure_certificate(Path(sys.argv[1]), ['localhost'])\n"
        "print(files.authority_pair.read_bytes() + files.certificate.read_bytes())"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "https")]
    started = [subprocess.Popen(argv, stdout=subprocess.PIPE) for _ in range(3)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_readers_see_a_whole_file_while_it_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "certificate-private.pem"
    texts = {letter * 200_000 for letter in (b"a", b"b")}
    write_whole(file, min(texts), 0o600)
    ended = threading.Event()

    def replace() -> None:
        while not ended.is_set():
            for text in texts:
                write_whole(file, text, 0o600)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(100):
            assert file.read_bytes() in texts
    finally:
        ended.set()
        thread.join()
    assert [item.name for item in tmp_path.iterdir()] == [file.name]


def test_drafts_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    draft = tmp_path / "certificate-private.pem.0123abcd.draft"
    draft.write_text("half a key")
    ensure_certificate(tmp_path, NAMES)
    assert not draft.exists()


def test_a_folder_that_cannot_be_written_raises_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "https").write_text("a file where the folder should be")
    with pytest.raises(OSError, match="exists"):
        ensure_certificate(tmp_path / "https", NAMES)


def test_names_that_no_certificate_holds_are_left_out() -> None:
    names = [
        "*",
        "",
        "ü.example",
        "a b",
        "evil.example\n",
        "x" * 300,
        "[::1]",
        "LOCALHOST",
        "localhost",
        "*.b.example",
    ]
    held = alternative_names(names)
    assert [str(name.value) for name in held] == ["::1", "localhost", "*.b.example"]


def test_a_very_long_host_name_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "h" * 64)
    ensure_certificate(tmp_path, [socket.gethostname()])
