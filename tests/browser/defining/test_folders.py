"""Folders that are dropped on a definition, read by a real browser."""

from __future__ import annotations

import base64
from pathlib import Path

from playwright.sync_api import Page, expect

from environments.definition.files.archive import unpack
from environments.definition.files.limits import Limits
from tests.browser.visiting import editor_of
from tests.services.studio import Studio

SENT = """async () => {
  const bytes = new Uint8Array(await document.getElementById("id_file").files[0].arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders of this machine, as from a file manager."""
    box = page.locator("[data-drop]").bounding_box()
    assert box is not None
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, **at, "data": data})
    session.detach()


def folder(root: Path, files: dict[str, str | bytes]) -> Path:
    for path, content in files.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


LONG = f"src/{'deep' * 40}/größe.txt"


def test_a_dropped_folder_is_uploaded_as_the_build_context_that_it_is(
    olga: Page, studio: Studio, tmp_path: Path
) -> None:
    root = folder(
        tmp_path / "serving",
        {
            "Dockerfile": "FROM debian:12\nCOPY . /srv\n",
            "run.sh": "#!/bin/sh\ntrue\n",
            "model.bin": b"\0" * 1000,
            LONG: "long",
            ".git/config": "[core]",
            ".venv/pyvenv.cfg": "home = /usr/bin",
            ".venv/bin/activate": "",
        },
    )
    (root / "logs").mkdir()
    olga.goto(f"{studio.url}/w/lab/new/?source=context")
    drop(olga, root)
    expect(
        olga.get_by_text("serving will be uploaded without the virtual environment .venv.")
    ).to_be_visible()
    expect(olga.locator("#review dt", has_text="Context files")).to_be_visible()
    sent = unpack(base64.b64decode(olga.evaluate(SENT)), Limits())
    assert {path: (mode, len(content)) for path, (mode, content) in sent.held.items()} == {
        "Dockerfile": (0o644, 27),
        "run.sh": (0o755, 15),
        "model.bin": (0o644, 1000),
        LONG: (0o644, 4),
    }
    assert sent.folders == {"logs"}


def test_a_dropped_folder_of_texts_is_edited_like_its_files(
    olga: Page, studio: Studio, tmp_path: Path
) -> None:
    root = folder(
        tmp_path / "flat", {"base.txt": "packaging==24.2\n", "requirements.txt": "-r base.txt\nsix==1.17.0\n"}
    )
    olga.goto(f"{studio.url}/w/lab/new/")
    drop(olga, root)
    expect(olga.locator("#review").get_by_text("0 conda, 2 pip")).to_be_visible()
    expect(olga.get_by_role("group", name="Other files")).to_contain_text("base.txt")
    expect(editor_of(olga)).to_contain_text("-r base.txt")


def test_a_dropped_project_with_folders_is_read_with_its_lock(
    olga: Page, studio: Studio, tmp_path: Path
) -> None:
    project = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["packaging==24.2"]\n'
    folder(
        tmp_path / "shop", {"pyproject.toml": project, "src/shop/__init__.py": "", "src/shop/data.bin": b"\0"}
    )
    olga.goto(f"{studio.url}/w/lab/new/")
    drop(
        olga, tmp_path / "shop" / "src", tmp_path / "shop" / "pyproject.toml"
    )  # and what is in it, by itself
    expect(olga.locator("#review").get_by_text("0 conda, 1 pip")).to_be_visible()
    expect(olga.get_by_text("will be uploaded unchanged.")).to_be_visible()


def test_folders_beyond_the_limits_are_named_and_not_sent(olga: Page, studio: Studio, tmp_path: Path) -> None:
    olga.goto(f"{studio.url}/w/lab/new/")
    olga.evaluate("document.getElementById('dropped').dataset.mostFiles = 3")
    root = folder(
        tmp_path / "many", {"requirements.txt": "six", **{f"node_modules/{n}.js": "" for n in range(9)}}
    )
    drop(olga, root)
    expect(olga.get_by_text("many has more than")).to_contain_text("node_modules has most of it")
    (tmp_path / "nothing" / "inside").mkdir(parents=True)
    drop(olga, tmp_path / "nothing")
    expect(olga.get_by_text("nothing has no files.")).to_be_visible()
    assert olga.evaluate("document.getElementById('id_file').files.length") == 0
