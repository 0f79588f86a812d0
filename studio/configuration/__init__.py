"""Settings from the environment, read once and checked.

Every setting has a default that runs. A wrong value stops the start with one sentence.
"""

import os
import re
import secrets
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from environments.network.policy import EgressPolicy

SHORTEST_KEY = 32
COMPRESSIONS = ("gzip", "zstd", "both")
LONGEST_PAUSE = 1e9  # seconds: thirty years
INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL")  # the solver's own

N = TypeVar("N", int, float)


def read_secret_key(given: str, file: Path, *, embedded: bool) -> str:
    """Return the secret key: the setting, else (embedded only) a key kept beside the data."""
    if given:
        return given
    if not embedded:
        raise ImproperlyConfigured(
            "SECRET_KEY is not set. A studio with its own DATABASE_URL needs one that all its processes share: "
            'make it with  python -c "import secrets; print(secrets.token_urlsafe(50))"  and set SECRET_KEY.'
        )
    return _kept_key(file)


def read_encryption_keys(given: list[str], file: Path, secret_key: str, *, embedded: bool) -> list[str]:
    """Return the keys that connections are encrypted with: those given, else one kept, else the secret key.

    The secret key's text is a key like any other, so that it can be named as an older one later.
    """
    keys = [key.strip() for key in given if key.strip()]
    if any(len(key) < SHORTEST_KEY for key in keys):
        raise ImproperlyConfigured(
            f"STUDIO_ENCRYPTION_KEYS holds a key of fewer than {SHORTEST_KEY} characters. Make one with  "
            'python -c "import secrets; print(secrets.token_urlsafe(50))"  and put it first, before older ones.'
        )
    return keys or [_kept_key(file) if embedded else secret_key]


def _kept_key(file: Path) -> str:
    """Return the key in a file, made at the first time."""
    try:
        return file.read_text().strip()
    except FileNotFoundError:
        file.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and linked into place: two processes that start at once agree on one key.
    draft = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(50))
    try:
        file.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return file.read_text().strip()


def read_mirrors(
    pairs: list[str],
    setting: str = "STUDIO_REGISTRY_MIRRORS",
    what: str = "registry",
    example: str = "docker.io=127.0.0.1:5000",
) -> dict[str, str]:
    """Return {registry: address} from `docker.io=127.0.0.1:5000` pairs; {channel: address} likewise."""
    mirrors = {}
    for pair in pairs:
        registry, equals, address = pair.partition("=")
        if not equals or not registry.strip() or not address.strip():
            raise ImproperlyConfigured(
                f"{setting} holds {pair!r}. Write {what}=address pairs separated by commas, "
                f"for example {example}"
            )
        mirrors[registry.strip()] = address.strip()
    return mirrors


BYTECODES = ("imported", "all", "none")


def read_bytecode(name: str) -> str:
    """Return which modules are compiled for images: those that imports reach, all, or none; the first if it is empty."""
    if name and name not in BYTECODES:
        raise ImproperlyConfigured(f"STUDIO_BYTECODE is {name!r}. Choose one of {', '.join(BYTECODES)}.")
    return name or BYTECODES[0]


IMPORT_TESTS = ("after", "on", "off")


def read_import_test(name: str) -> str:
    """Return when the packages of images are imported: after their build, in it (on), or never; after if it is empty."""
    if name and name not in IMPORT_TESTS:
        raise ImproperlyConfigured(
            f"STUDIO_IMPORT_TEST is {name!r}. Choose one of {', '.join(IMPORT_TESTS)}."
        )
    return name or IMPORT_TESTS[0]


def read_compression(name: str) -> str:
    """Return the compression of images' layers: gzip, zstd, or both of them; gzip if it is empty."""
    if name and name not in COMPRESSIONS:
        raise ImproperlyConfigured(
            f"STUDIO_COMPRESSION is {name!r}. Choose one of {', '.join(COMPRESSIONS)}; zstd alone is for engines "
            "that read it: Docker Engine 23, containerd 1.5, podman 4, or newer."
        )
    return name or COMPRESSIONS[0]


def read_channel_mirrors(pairs: list[str]) -> dict[str, str]:
    """Return {conda channel: address} from `conda-forge=https://mirror.example/conda-forge` pairs."""
    mirrors = read_mirrors(pairs, "STUDIO_CHANNEL_MIRRORS", "channel", "conda-forge=file:///srv/channel")
    for channel, address in mirrors.items():
        if not address.startswith(("https://", "http://", "file:///")):
            raise ImproperlyConfigured(
                f"STUDIO_CHANNEL_MIRRORS says that {channel} is at {address!r}. Write an address that begins "
                "with https://, http:// or file:///, for example conda-forge=file:///srv/channel"
            )
    return mirrors


def read_mail_server(address: str) -> dict[str, str | int | bool]:
    """Return Django's settings for `smtp+tls://user:password@host:587`, for no e-mail at all where it is empty.

    `smtp` is not encrypted, `smtp+tls` after it began (STARTTLS), `smtps` from its beginning.
    """
    if not address:
        return {"EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    wrong = ImproperlyConfigured(
        "STUDIO_MAIL_SERVER cannot be read. Write smtp+tls://user:password@mail.example.com:587; smtps:// is "
        "encrypted from its beginning, smtp:// not at all. “@”, “:” and “/” in a password are %40, %3A and %2F."
    )
    ports = {"smtp": 25, "smtp+tls": 587, "smtps": 465}
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        raise wrong from None
    if url.scheme not in ports or not url.hostname or url.path not in {"", "/"} or url.query:
        raise wrong
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": url.hostname,
        "EMAIL_PORT": port or ports[url.scheme],
        "EMAIL_HOST_USER": unquote(url.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(url.password or ""),
        "EMAIL_USE_TLS": url.scheme == "smtp+tls",
        "EMAIL_USE_SSL": url.scheme == "smtps",
    }


def read_public_url(text: str) -> str:
    """Return the studio's public URL without a slash at its end, and without its scheme's usual port; empty for none."""
    if not text.strip():
        return ""
    wrong = ImproperlyConfigured(
        f"STUDIO_URL is {text!r}. Write the URL that people open, with nothing after the host and the port: "
        "https://studio.example.com or http://10.0.0.5:8000"
    )
    try:
        url = urlsplit(text.strip())
        port = url.port
    except ValueError:
        raise wrong from None
    beyond = url.path.strip("/") or url.query or url.fragment or "@" in url.netloc
    if (
        url.scheme not in ("http", "https")
        or beyond
        or not re.fullmatch(r"[A-Za-z0-9._:-]+", url.hostname or "")
    ):
        raise wrong
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    usual = {"http": 80, "https": 443}[url.scheme]
    return f"{url.scheme}://{host}" + (f":{port}" if port not in (None, usual) else "")


def host_of(url: str) -> str:
    """Return the host of a URL as ALLOWED_HOSTS names it: without the port, an IPv6 address in brackets."""
    host = urlsplit(url).hostname or ""
    return f"[{host}]" if ":" in host else host


def read_reach(allowed: list[str], named: list[str]) -> EgressPolicy:
    """Return what the studio connects to when members say where; `named` are addresses that settings name."""
    usual = [os.environ[name] for name in INDEX_VARIABLES if os.environ.get(name)]
    try:
        return EgressPolicy.read(allowed, [*named, *usual])
    except ValueError as error:
        raise ImproperlyConfigured(f"STUDIO_ALLOW_ADDRESSES cannot be read: {error}") from error


OSV = "https://osv-vulnerabilities.storage.googleapis.com"
OSV_ECOSYSTEMS = ("PyPI", "Debian", "Ubuntu")


def read_advisories(sources: list[str]) -> list[str]:
    """Return the URLs of advisories; `osv` is short for those of the ecosystems in images."""
    urls: list[str] = []
    for source in filter(None, (text.strip() for text in sources)):
        if source.lower() == "osv":
            urls += [f"{OSV}/{ecosystem}/all.zip" for ecosystem in OSV_ECOSYSTEMS]
        elif re.match("https?://.", source, re.IGNORECASE) and len(source) <= 500:
            urls.append(source)
        else:
            raise ImproperlyConfigured(
                f"STUDIO_ADVISORIES holds {source!r}. Write osv, or URLs of OSV's JSON or all.zip, separated by commas."
            )
    return list(dict.fromkeys(urls))


def read_hours(value: float, setting: str) -> float:
    """Return a number of hours; 0 is never."""
    if not 0 <= value <= LONGEST_PAUSE / 3600:
        raise ImproperlyConfigured(f"{setting} is {value:g}. Write hours, such as 6; 0 is never.")
    return value


def read_limit(value: N, setting: str) -> N:
    """Return the limit, which must leave room for something."""
    if value <= 0:
        raise ImproperlyConfigured(f"{setting} is {value}. It must be above 0, or nothing could be built.")
    return value


def read_pause(value: float, setting: str) -> float:
    """Return the seconds between two times; 0 is never."""
    if not 0 <= value <= LONGEST_PAUSE:
        raise ImproperlyConfigured(
            f"{setting} is {value:g}. Write seconds, such as 86400 for a day; 0 is never."
        )
    return value


def read_days(value: float, setting: str) -> float:
    """Return a number of days; 0 is never."""
    if not 0 <= value <= LONGEST_PAUSE / 86400:
        raise ImproperlyConfigured(f"{setting} is {value:g}. Write days, such as 30; 0 is never.")
    return value


def read_bytes(text: str, setting: str) -> int:
    """Return a size such as `512m` or `4g` in bytes; 0 for none."""
    match = re.fullmatch(r"(\d+)\s*([kmgt]?)b?", text.strip().lower())
    if text.strip() and match is None:
        raise ImproperlyConfigured(f"{setting} is {text!r}. Write a size such as 512m or 4g.")
    return int(match[1]) * 1024 ** " kmgt".index(match[2] or " ") if match else 0
