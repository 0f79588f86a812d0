"""A private certificate authority, and the studio's certificate by it, as files under `var/https/`.

Both are made when they are missing, unreadable, soon to expire or for other names, else kept: clients trust the
authority once, for ten years. Files are replaced whole and private ones are their owner's alone.
"""

from __future__ import annotations

import fcntl
import ipaddress
import os
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365  # some clients refuse certificates of more than 825 days
RENEW_DAYS = 30
BACKDATED = timedelta(days=1)  # for clients whose clock is behind
LONGEST_COMMON_NAME = 64

PRIVATE, PUBLIC = 0o600, 0o644

Key = ec.EllipticCurvePrivateKey
Pair = tuple[Key, x509.Certificate]


@dataclass(frozen=True)
class Files:
    """The files of an authority and its certificate, in a folder."""

    folder: Path

    @property
    def authority(self) -> Path:
        """The authority's certificate, for clients."""
        return self.folder / "authority.pem"

    @property
    def authority_pair(self) -> Path:
        """The authority's key and certificate."""
        return self.folder / "authority-private.pem"

    @property
    def certificate(self) -> Path:
        """The studio's key and certificate, and the authority's certificate: what a server loads."""
        return self.folder / "certificate-private.pem"


def ensure_certificate(folder: Path, names: Iterable[str], now: datetime | None = None) -> Files:
    """Return the files of a certificate for these names; what is good is kept, the rest is made."""
    now = now or datetime.now(UTC)
    files = Files(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        authority = _read_pair(files.authority_pair)
        if authority is None or not _lasts(authority[1], CERTIFICATE_DAYS + RENEW_DAYS, now):
            authority = _make_authority(now)
            write_whole(files.authority_pair, _pem(*authority), PRIVATE)
        write_whole(files.authority, _pem(None, authority[1]), PUBLIC)
        wanted = alternative_names(names)
        current = _read_pair(files.certificate)
        if current is None or not _is_good(current[1], wanted, authority[1], now):
            key, certificate = _make_certificate(wanted, authority, now)
            write_whole(files.certificate, _pem(key, certificate, authority[1]), PRIVATE)
        for file in (files.authority_pair, files.certificate):
            file.chmod(PRIVATE)
    return files


def alternative_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Return names as a certificate holds them; `.example.com` means that name and all directly below it.

    What no certificate can hold is left out.
    """
    result: dict[x509.GeneralName, None] = {}
    for name in names:
        for host in [name[1:], f"*{name}"] if name.startswith(".") else [name]:
            entry = _alternative_name(host)
            if entry is not None:
                result[entry] = None
    return list(result)


def _alternative_name(host: str) -> x509.GeneralName | None:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    plain = host.removeprefix("*.").replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or len(host) > 253:
        return None
    return x509.DNSName(host.lower())


def _make_authority(now: datetime) -> Pair:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"Environment studio on {socket.gethostname()}")
    builder = (
        _builder(name, name, key, now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
    )
    return key, builder.sign(key, hashes.SHA256())


def _make_certificate(names: list[x509.GeneralName], authority: Pair, now: datetime) -> Pair:
    issuer_key, issuer = authority
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = (
        _builder(_name("Environment studio"), issuer.subject, key, now, CERTIFICATE_DAYS)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
    )
    return key, builder.sign(issuer_key, hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: Key, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:LONGEST_COMMON_NAME])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _lasts(certificate: x509.Certificate, days: int, now: datetime) -> bool:
    """Return whether it is valid now, and for so many days more."""
    return (
        certificate.not_valid_before_utc <= now
        and now + timedelta(days=days) < certificate.not_valid_after_utc
    )


def _is_good(
    certificate: x509.Certificate, names: list[x509.GeneralName], authority: x509.Certificate, now: datetime
) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return set(held) == set(names) and _lasts(certificate, RENEW_DAYS, now)


def _read_pair(file: Path) -> Pair | None:
    """Return the key and the first certificate of a file; None if they cannot be read or don't belong together."""
    try:
        data = file.read_bytes()
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificates(data)[0]
    except (FileNotFoundError, ValueError, TypeError):
        return None
    if not isinstance(key, Key) or key.public_key() != certificate.public_key():
        return None
    return key, certificate


def _pem(key: Key | None, *certificates: x509.Certificate) -> bytes:
    encoding = serialization.Encoding.PEM
    parts = [certificate.public_bytes(encoding) for certificate in certificates]
    if key is not None:
        private = serialization.PrivateFormat.PKCS8
        parts.insert(0, key.private_bytes(encoding, private, serialization.NoEncryption()))
    return b"".join(parts)


def write_whole(file: Path, data: bytes, mode: int) -> None:
    """Replace a file's content, so that readers see all of the old or all of the new; an equal one is left alone."""
    if file.is_file() and file.read_bytes() == data:
        return
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Run the block while no other process is in its block for this folder; drafts of dead processes go."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for draft in folder.glob("*.draft"):
            draft.unlink(missing_ok=True)
        yield
