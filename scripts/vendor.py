"""Make static/vendor/ again from the npm packages that package-lock.json pins: `make vendor`.

What is copied is committed, so that the studio runs without npm and without a network.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "static" / "vendor"
AXE = ROOT / "tests" / "browser" / "axe.min.js"

FILES = {
    "@tabler/core/dist/css/tabler.min.css": VENDOR / "tabler.min.css",
    "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2": VENDOR / "inter-latin.woff2",
    "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2": VENDOR / "inter-latin-ext.woff2",
    "axe-core/axe.min.js": AXE,
}
LICENCES = ["@tabler/core", "@tabler/icons", "@fontsource-variable/inter", "@codemirror/view"]
# CodeMirror comes in many packages, and browsers want one file: this says which parts of it the editor uses.
EDITOR_PARTS = ROOT / "scripts" / "codemirror.js"
EDITOR = VENDOR / "codemirror.js"

# Every icon that a template names; tests/studio/test_context_processors.py holds the two together.
ICONS = """
activity alert-triangle archive archive-off arrow-down arrow-left arrow-right arrow-up arrows-diff bell
arrows-sort box check chevron-down chevron-up circle-check circle-dashed circle-x copy
device-desktop download file-text git-compare git-fork hammer hourglass info-circle layers-intersect
loader-2 lock login logout menu-2 moon package packages pencil player-play player-stop plus
refresh repeat search settings stack-2 sun trash user users versions x
""".split()


def main() -> None:
    """Install the pinned packages somewhere else, and copy what the pages use."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(ROOT / name, folder)
        install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        subprocess.run(install, cwd=folder, check=True)
        modules = Path(folder) / "node_modules"
        VENDOR.mkdir(parents=True, exist_ok=True)
        for source, target in FILES.items():
            shutil.copy(modules / source, target)
        bundle(Path(folder))
        without_source_map(VENDOR / "tabler.min.css")
        (VENDOR / "icons.svg").write_text(sprite(modules / "@tabler/icons/icons/outline"))
        (VENDOR / "LICENCES.txt").write_text("\n\n".join(licence(modules / name) for name in LICENCES) + "\n")
    for file in sorted([*VENDOR.iterdir(), AXE]):
        print(f"{file.stat().st_size:>9,}  {file.relative_to(ROOT)}")


def bundle(folder: Path) -> None:
    """Make one script of the parts of CodeMirror, with the same bytes each time."""
    shutil.copy(EDITOR_PARTS, folder)
    esbuild = [str(folder / "node_modules" / ".bin" / "esbuild"), EDITOR_PARTS.name, f"--outfile={EDITOR}"]
    how = ["--bundle", "--minify", "--format=iife", "--global-name=CodeMirror", "--target=es2022"]
    quiet = ["--legal-comments=none", "--log-level=warning"]  # the licence is in LICENCES.txt
    subprocess.run([*esbuild, *how, *quiet], cwd=folder, check=True)


def without_source_map(style: Path) -> None:
    """Take away the pointer to a source map that is not served."""
    style.write_text(re.sub(r"/\*# sourceMappingURL=.*?\*/\s*$", "", style.read_text()))


def sprite(icons: Path) -> str:
    """Return one SVG that holds every icon as a symbol of its name."""
    symbols = []
    for name in ICONS:
        svg = (icons / f"{name}.svg").read_text()
        drawing = re.search(r"<svg.*?>(.*)</svg>", svg, re.DOTALL)
        if drawing is None:
            sys.exit(f"{name}.svg of @tabler/icons cannot be read as an icon.")
        paths = re.findall(r"<(?:path|circle|rect|line|polyline|ellipse)[^>]*?/>", drawing[1])
        shown = "".join(path.replace(" />", "/>") for path in paths if 'stroke="none"' not in path)
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{shown}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def licence(package: Path) -> str:
    """Return a package's name and the text of its licence."""
    texts = sorted(package.glob("LICEN[CS]E*"))
    return f"{'/'.join(package.parts[-2:])}\n\n{texts[0].read_text().strip() if texts else 'MIT'}"


if __name__ == "__main__":
    main()
