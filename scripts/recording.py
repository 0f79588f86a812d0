"""Record what the README shows: a definition is typed, built, and its image pulled. `make recording` writes it.

Every frame is a picture of a real Chromium on a real studio, and the terminal shows what a real pull prints. Only the
pace is not real: waiting is shortened.
"""

from __future__ import annotations

import html
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, ImageChops
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.visiting import editor_of
from tests.services import parts
from tests.services.servers.chromium import launch_options
from tests.services.servers.docker_engine import DockerEngine
from tests.services.studio import Studio

RECORDING = Path("docs/recording.webp")
WIDTH, HEIGHT = 1120, 700
SHOWN = (960, 600)
MAX_BYTES = 1_500_000
QUALITIES = (80, 65, 50, 35)
LONGEST_MS = 900  # of a frame while something runs
BUILD_FRAME_MS = 350
PULL_FRAME_MS = 200
PULL_FRAME_SECONDS = 0.25  # of a real pull in one frame
BUILD_SECONDS = 300
DEFINITION = "numpy==2.3.5\npandas==2.3.3\nscikit-learn==1.7.2\n"
NAME = "forecast"
TERMINAL = """\
<!doctype html><meta charset="utf-8"><title>Terminal</title><body style="margin:0;background:#0f131a">
<div style="margin:36px;border:1px solid #2a323f;border-radius:12px;overflow:hidden;background:#171c25">
<div style="padding:12px 16px;background:#1e2530;color:#a0abbb;font:600 13px sans-serif">Terminal</div>
<pre style="margin:0;padding:20px;min-height:520px;color:#e4e8ee;font:15px/1.55 DejaVu Sans Mono,monospace;white-space:pre-wrap">%s</pre>
</div></body>"""


@dataclass
class Film:
    """Pictures with the time that each is shown, in milliseconds; equal pictures are one frame."""

    frames: list[tuple[Image.Image, int]] = field(default_factory=list)

    def add(self, picture: Image.Image, milliseconds: int, *, longest: int = LONGEST_MS) -> None:
        """Add a picture; one that equals the last prolongs that."""
        last = self.frames[-1] if self.frames else None
        if last is not None and ImageChops.difference(last[0], picture).getbbox() is None:
            self.frames[-1] = (last[0], max(last[1], min(longest, last[1] + milliseconds)))
        else:
            self.frames.append((picture, milliseconds))

    def write(self, path: Path) -> int:
        """Write an animated WebP in the best quality that fits, and return its size in bytes."""
        pictures = [picture for picture, _ in self.frames]
        durations = [milliseconds for _, milliseconds in self.frames]
        for quality in QUALITIES:
            file = io.BytesIO()
            pictures[0].save(
                file,
                "WEBP",
                save_all=True,
                append_images=pictures[1:],
                duration=durations,
                loop=0,
                quality=quality,
                method=4,
            )
            if file.tell() <= MAX_BYTES:
                path.write_bytes(file.getvalue())
                return file.tell()
        raise ValueError(f"{len(pictures)} frames are more than {MAX_BYTES} bytes in every quality.")


@dataclass
class Camera:
    """Takes pictures of a page."""

    page: Page
    film: Film

    def shoot(self, milliseconds: int, *, longest: int = LONGEST_MS) -> None:
        """Take a picture that is shown for so long."""
        picture = Image.open(io.BytesIO(self.page.screenshot())).convert("RGB")
        self.film.add(picture.resize(SHOWN, Image.Resampling.LANCZOS), milliseconds, longest=longest)


def main() -> None:
    """Record, and write the file."""
    if reason := parts.CHROMIUM.missing():
        sys.exit(reason)
    film = Film()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        studio = Studio(Path(name) / "studio", {})
        studio.start()
        try:
            browser = playwright.chromium.launch(**launch_options(parts.program("chromium-headless-shell")))
            viewport = {"width": WIDTH, "height": HEIGHT}
            page = browser.new_context(viewport=viewport, color_scheme="light", locale="en-GB").new_page()  # type: ignore[arg-type]
            command = build(Camera(page, film), studio)
            # In a page of its own: the studio's pages allow no inline styles.
            terminal = browser.new_context(viewport=viewport).new_page()  # type: ignore[arg-type]
            with puller(Path(name)) as environment:
                pull(Camera(terminal, film), command, environment)
            browser.close()
        finally:
            studio.stop()
    size = film.write(RECORDING)
    seconds = sum(milliseconds for _, milliseconds in film.frames) / 1000
    print(f"{RECORDING}: {len(film.frames)} frames, {seconds:.0f} s, {size / 1000:.0f} kB")


def build(camera: Camera, studio: Studio) -> str:
    """Type a definition, build it, and return the command that the page gives to copy."""
    page = camera.page
    page.goto(studio.login_url)
    page.get_by_role("button", name="Sign in as").click()
    page.wait_for_url("**/environments/")
    page.goto(f"{page.url.partition('/environments/')[0]}/new/")
    editor = editor_of(page)
    editor.click()
    camera.shoot(1200)
    for line in DEFINITION.splitlines():
        for part in re.findall(r".{1,4}", line):
            page.keyboard.insert_text(part)
            camera.shoot(70)
        page.keyboard.insert_text("\n")
    page.get_by_label("Name", exact=True).fill(NAME)
    expect(page.locator("#review")).to_contain_text("3")
    camera.shoot(1200, longest=1200)
    page.get_by_role("button", name=re.compile("^(Save|Create) and build$")).click()
    page.wait_for_url("**/builds/**")
    if page.locator("#follow").is_visible():
        page.locator("#follow").check()
    deadline = time.monotonic() + BUILD_SECONDS
    before = ""
    while page.locator("[data-title][data-active=no]").count() == 0 and time.monotonic() < deadline:
        text = page.locator("#build").inner_text()
        # A turning wheel alone is no news.
        if text != before:
            camera.shoot(BUILD_FRAME_MS)
        before = text
        time.sleep(0.2)
    page.locator("[data-title][data-active=no]").wait_for(timeout=1000)
    camera.shoot(1600, longest=1600)
    page.goto(f"{studio.url}/w/default/environments/{NAME}/?use=pull")
    page.locator("#snippet").wait_for()
    camera.shoot(2200, longest=2200)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.locator("#how-to-use button.copy").first.click()
    camera.shoot(1100, longest=1100)
    return str(page.evaluate("navigator.clipboard.readText()")).strip()


@contextmanager
def puller(folder: Path) -> Iterator[dict[str, str]]:
    """Start a Docker Engine of its own, and yield the environment for its command."""
    if reason := parts.DOCKER.missing() or parts.DOCKER_COMMAND.missing():
        sys.exit(reason)
    undo = folder / "undo"
    engine = DockerEngine(folder / "docker", undo=undo)
    try:
        engine.start()
        yield {**os.environ, "DOCKER_HOST": engine.host}
    finally:
        engine.stop()
        for line in reversed(undo.read_text().splitlines() if undo.exists() else []):
            subprocess.run(json.loads(line), check=False, capture_output=True)
        shutil.rmtree(engine.folder, ignore_errors=True)


def pull(camera: Camera, command: str, environment: dict[str, str]) -> None:
    """Run the copied command, and show what it prints as it prints it."""
    shown = "$ "
    for part in re.findall(r".{1,9}", command):
        shown += part
        _terminal(camera, shown, 70)
    process = subprocess.Popen(
        command.split(), env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None  # noqa: S101
    shown += "\n"
    last = 0.0
    for line in process.stdout:
        shown += line
        if time.monotonic() - last > PULL_FRAME_SECONDS:
            _terminal(camera, shown, PULL_FRAME_MS)
            last = time.monotonic()
    if process.wait():
        sys.exit(f"{command} failed:\n{shown}")
    _terminal(camera, shown + "$ ", 3000)


def _terminal(camera: Camera, text: str, milliseconds: int) -> None:
    lines = text.splitlines()[-20:]
    camera.page.set_content(TERMINAL % html.escape("\n".join(lines)))
    camera.shoot(milliseconds, longest=max(LONGEST_MS, milliseconds))


if __name__ == "__main__":
    main()
