"""The SDK uploads a local build context: small files, large files in blocks, names of all kinds, again and again."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.azure.clients import Session
from tests.azure.studios import AzureStudio

pytestmark = pytest.mark.slow
WS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/lab"
FILES = {
    "Dockerfile": b"FROM python:3.12-slim\nCOPY . /app\n",
    "app/main.py": b"print('hello')\n",
    "app/__init__.py": b"",
    "app/a b#\xc3\xbc.txt": b"named oddly\n",
    "data/bytes.bin": bytes(range(256)) * 40,
}
SAVE = """
made = ml.environments.create_or_update(
    Environment(name=name, version=version, build=BuildContext(path=path, dockerfile_path=dockerfile)))
shown(made) | {"build": made.build.path, "dockerfile": made.build.dockerfile_path}
"""


def write(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(folder)


def save(
    session: Session, path: str, name: str, version: str | None = "1", dockerfile: str | None = None
) -> Any:
    return session.run(SAVE, path=path, name=name, version=version, dockerfile=dockerfile)


def files_of(studio: AzureStudio, name: str, version: str = "1") -> dict[str, int]:
    """Return the files of a version's build context by the API, with their sizes in base 64."""
    with studio.browser() as browser:
        answer = browser.get(f"/api/v1/workspaces/lab/environments/{name}/versions/{version}/")
        assert answer.status_code == 200, answer.text
        context = answer.json()["definition"]["context"]
        return {file["path"]: len(file["content"]) for file in context["files"]}


def test_a_local_folder_becomes_the_build_context(
    each_secure_session: Session, azure_studio: AzureStudio, tmp_path: Path
) -> None:
    session, name = each_secure_session, f"local-{each_secure_session.way}"
    made = save(session, write(tmp_path / "context", FILES), name)
    assert (made["name"], made["version"], made["dockerfile"]) == (name, "1", "Dockerfile")
    assert sorted(files_of(azure_studio, name)) == sorted(path.encode().decode() for path in FILES)
    read = session.run("shown(ml.environments.get(name, version='1'))", name=name)
    assert read["id"] == made["id"]


def test_the_same_folder_again_sends_no_file_and_makes_no_version(
    session: Session, azure_studio: AzureStudio, tmp_path: Path
) -> None:
    path = write(tmp_path / "context", FILES)
    assert save(session, path, "unchanged", None)["version"] == "1"
    assert save(session, path, "unchanged", None)["version"] == "1"
    (tmp_path / "context" / "app" / "main.py").write_text("print('other')\n")
    assert save(session, path, "unchanged", None)["version"] == "2"


def test_a_changed_folder_under_the_same_version_is_a_conflict(session: Session, tmp_path: Path) -> None:
    save(session, write(tmp_path / "one", {"Dockerfile": b"FROM a:1\n"}), "conflict")
    changed = write(tmp_path / "two", {"Dockerfile": b"FROM b:1\n"})
    refused = session.fails(SAVE, path=changed, name="conflict", version="1", dockerfile=None)
    assert refused.status == 409


def test_a_version_with_an_upload_is_archived_and_restored(session: Session, tmp_path: Path) -> None:
    save(session, write(tmp_path / "context", FILES), "archived-context")
    listed = "[e.version for e in ml.environments.list('archived-context')]"
    session.run("ml.environments.archive('archived-context', version='1')")
    assert session.run(listed) == []
    session.run("ml.environments.restore('archived-context', version='1')")
    assert session.run(listed) == ["1"]


def test_a_dockerfile_in_a_subfolder_is_read_there(
    session: Session, azure_studio: AzureStudio, tmp_path: Path
) -> None:
    path = write(tmp_path / "my folder", {"docker/Dockerfile.gpu": b"FROM a:1\n", "x": b"x"})
    assert (
        save(session, path, "subfolder", dockerfile="docker/Dockerfile.gpu")["dockerfile"]
        == "docker/Dockerfile.gpu"
    )
    assert sorted(files_of(azure_studio, "subfolder")) == ["docker/Dockerfile.gpu", "x"]


def test_a_folder_without_its_dockerfile_is_refused_with_the_reason(session: Session, tmp_path: Path) -> None:
    path = write(tmp_path / "context", {"main.py": b"pass\n"})
    refused = session.fails(SAVE, path=path, name="no-dockerfile", version="1", dockerfile=None)
    assert refused.status == 400
    assert "Dockerfile" in refused.message


def test_large_files_are_sent_in_blocks(session: Session, azure_studio: AzureStudio, tmp_path: Path) -> None:
    large = bytes(range(256)) * 4096 * 70  # 70 MiB
    path = write(tmp_path / "context", {"Dockerfile": b"FROM a:1\nCOPY large /\n", "large": large})
    save(session, path, "large")
    assert files_of(azure_studio, "large")["large"] == (len(large) + 2) // 3 * 4


def test_readers_cannot_upload(session: Session, tmp_path: Path) -> None:
    path = write(tmp_path / "context", FILES)
    code = """
    client('reader').environments.create_or_update(
        Environment(name='by-reader', version='1', build=BuildContext(path=path)))
    """
    assert session.fails(code, path=path).status in (401, 403)


def signed_url(studio: AzureStudio, name: str, query: str = "") -> str:
    with studio.browser() as browser:
        store = browser.get(f"{WS}/datastores/workspaceblobstore").json()["properties"]
        secrets = browser.post(f"{WS}/datastores/workspaceblobstore/listSecrets", json={}).json()
    return (
        f"/blobstore/lab.blob.core.windows.net/{store['containerName']}/{name}?{query}{secrets['sasToken']}"
    )


def partial_files(studio: AzureStudio) -> list[Path]:
    folder = studio.var / "contexts" / "partial"
    assert folder.is_dir()
    return list(folder.iterdir())


def test_a_request_that_is_cut_leaves_nothing(azure_studio: AzureStudio) -> None:
    url = signed_url(azure_studio, "LocalUpload/cut/context/Dockerfile")
    other = azure_studio.http + signed_url(azure_studio, "LocalUpload/cut/context/whole")
    headers = {"x-ms-blob-type": "BlockBlob"}
    assert httpx.put(other, content=b"whole", headers=headers, trust_env=False).status_code == 201
    at = urlsplit(azure_studio.http)
    with socket.create_connection((at.hostname or "", at.port or 0), timeout=10) as connection:
        connection.sendall(
            f"PUT {url} HTTP/1.1\r\nHost: {at.netloc}\r\nx-ms-blob-type: BlockBlob\r\n"
            "Content-Length: 1000000\r\n\r\n".encode()
            + b"x" * 500_000
        )
    time.sleep(1)
    assert httpx.head(azure_studio.http + url, trust_env=False).status_code == 404
    assert partial_files(azure_studio) == []


def test_a_hundred_megabytes_in_a_request_take_little_memory(azure_studio: AzureStudio) -> None:
    url = signed_url(azure_studio, "LocalUpload/hundred/context/large")
    chunk = b"x" * (1 << 20)
    web = web_processes(azure_studio)
    for process in web:
        (process / "clear_refs").write_text("5")  # the peak is counted from now on
    before = sum(memory(process, "VmRSS") for process in web)
    headers = {"x-ms-blob-type": "BlockBlob", "Content-Length": str(100 << 20)}
    answer = httpx.put(
        azure_studio.http + url,
        content=(chunk for _ in range(100)),
        headers=headers,
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code == 201, answer.text
    assert sum(memory(process, "VmHWM") for process in web) - before < 64 << 20
    more = httpx.put(
        azure_studio.http + signed_url(azure_studio, "LocalUpload/hundred/context/more"),
        content=b"x",
        headers={"x-ms-blob-type": "BlockBlob"},
        trust_env=False,
    )
    assert (more.status_code, more.headers["x-ms-error-code"]) == (413, "RequestBodyTooLarge")


def web_processes(studio: AzureStudio) -> list[Path]:
    return [Path(f"/proc/{pid}") for pid in studio.webs]


def memory(process: Path, field: str) -> int:
    """Return a field of a process's status (VmRSS, VmHWM) in bytes."""
    return int((process / "status").read_text().partition(f"{field}:")[2].split()[0]) << 10


def test_an_anonymous_environment_with_a_local_folder_is_read_by_name_and_version(
    session: Session, tmp_path: Path
) -> None:
    path = write(tmp_path / "context", {"Dockerfile": b"FROM a:1\nCOPY x /\n", "x": b"anonymous"})
    code = """
    inline = Environment(name='CliV2AnonymousEnvironment', version='f' * 64, build=BuildContext(path=path))
    inline._is_anonymous = True
    made = ml.environments.create_or_update(inline)
    [made.name, ml.environments.get(made.name, version=made.version).build.dockerfile_path]
    """
    assert session.run(code, path=path) == ["CliV2AnonymousEnvironment", "Dockerfile"]
