"""Names that programs import in the place of packages, and versions that only the index of their makers has."""

from __future__ import annotations

import re

from environments.definition.findings.result import Draft
from environments.definition.packages.specs import Spec
from environments.definition.syntax.text import Placed

# No index has a usable package of these names: checked on PyPI and conda-forge.
IMPORT_NAMES = {
    "pip": {
        "cv2": "opencv-python",
        "dateutil": "python-dateutil",
        "openssl": "pyopenssl",
        "pil": "pillow",
        "sklearn": "scikit-learn",
        "skimage": "scikit-image",
        "yaml": "pyyaml",
    },
    "conda": {
        "cv2": "opencv",
        "bs4": "beautifulsoup4",
        "dateutil": "python-dateutil",
        "pil": "pillow",
        "skimage": "scikit-image",
        "sklearn": "scikit-learn",
    },
}
OFTEN_MEANT = {
    "attr": "attrs",
    "bs4": "beautifulsoup4",
    "crypto": "pycryptodome",
    "dotenv": "python-dotenv",
    "fitz": "pymupdf",
    "git": "gitpython",
    "googleapiclient": "google-api-python-client",
    "jwt": "pyjwt",
    "magic": "python-magic",
    "mysqldb": "mysqlclient",
    "psycopg2-bin": "psycopg2-binary",
    "pytorch": "torch",
    "serial": "pyserial",
    "usb": "pyusb",
    "win32api": "pywin32",
    "zmq": "pyzmq",
}
"""What is meant by other names where an index does not have them."""
_AT_INDEXES = re.compile(r"--(?:extra-)?index-url|--find-links|--no-index|--pypi-url|-[if]\b")
_OF_TORCH = re.compile(r"cu\d{2,3}|cpu|rocm\d+(?:\.\d+)*|xpu")
_TORCH = frozenset(("torch", "torchaudio", "torchtext", "torchvision", "triton", "xformers"))
TORCH_INDEX = "https://download.pytorch.org/whl/"


def check(draft: Draft, conda: list[tuple[Placed, Spec]], pip: list[tuple[Placed, Spec]]) -> None:
    """Report import names and, where the definition names no index of its own, versions with a +."""
    if draft.user_managed:
        return
    other_index = takes_other_indexes(tuple(draft.pip))
    for text, spec in (*conda, *pip):
        meant = IMPORT_NAMES[spec.ecosystem].get(spec.name)
        if meant and not spec.url and not spec.channel and not (other_index and spec.ecosystem == "pip"):
            written = re.match(r"[\w.-]+", text)
            draft.note("import-name", text, what=written[0] if written else spec.name, meant=meant)
    for text, spec in () if other_index else pip:
        version, _, local = spec.exact.partition("+")
        if local and version and not spec.url and spec.name not in draft.package_indexes:
            index = f"{TORCH_INDEX}{local}" if spec.name in _TORCH and _OF_TORCH.fullmatch(local) else ""
            help = "" if index else f"Add the index that has it, or write {spec.name}=={version}."
            draft.note("local-version", text, what=spec.name, version=spec.exact, index=index, help=help)


def takes_other_indexes(lines: tuple[str, ...]) -> bool:
    """Whether lines of pip's name an index, a list of links, or that no index is used."""
    return any(_AT_INDEXES.match(line) for line in lines)
