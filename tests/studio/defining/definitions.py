"""Definitions that surely fail to build, and definitions that build, as people write them."""

from __future__ import annotations

# Packages that the tests' index lists, with their versions.
PACKAGES = {
    "numpy": ["1.26.4", "2.0.2", "2.1.3"],
    "pandas": ["2.2.2", "2.2.3"],
    "scikit-learn": ["1.3.2", "1.5.2"],
    "flask": ["3.0.0", "3.0.3"],
    "httpx": ["0.27.0"],
    "uvicorn": ["0.30.1"],
    "torch": ["2.3.1", "2.4.0"],
    "scipy": ["1.11.4", "1.14.1"],
    "pywin32": ["306"],
    "pyyaml": ["6.0.2"],
    "bs4": ["0.0.2"],
    "dotenv": ["0.9.9"],
}

CONDA = "channels:\n  - conda-forge\ndependencies:\n  - python=3.12\n"

# `{registry}` is a registry that answers and has only team/base:1; `{nowhere}` is an address where nothing listens.
FAILING: dict[str, tuple[str, str]] = {
    "a git requirement": ("requirements.txt", "numpy==2.1.3\ngit+https://github.com/pallets/flask\n"),
    "a git requirement with a name": (
        "requirements.txt",
        "flask @ git+https://github.com/pallets/flask@3.0.0\n",
    ),
    "an editable repository": ("requirements.txt", "-e git+https://github.com/pallets/flask#egg=flask\n"),
    "the project itself": ("requirements.txt", "numpy==2.1.3\n-e .\n"),
    "a wheel on somebody's disk": (
        "requirements.txt",
        "flask @ file:///home/ann/flask-3.0.0-py3-none-any.whl\n",
    ),
    "a folder": ("requirements.txt", "./lib\n"),
    "a variable": ("requirements.txt", "--extra-index-url https://${INDEX}/simple\nnumpy==2.1.3\n"),
    "a source archive": ("requirements.txt", "https://files.example/flask-3.0.0.tar.gz\n"),
    "a misspelt package": ("requirements.txt", "pandsa==2.2.3\n"),
    "an unknown package": ("requirements.txt", "numpy==2.1.3\nour-team-internal-tools\n"),
    "a misspelt package of conda's pip": (
        "environment.yml",
        f"{CONDA}  - pip\n  - pip:\n      - flaask==3.0.0\n",
    ),
    "sklearn": ("requirements.txt", "sklearn\n"),
    "cv2": ("requirements.txt", "cv2\n"),
    "PIL": ("requirements.txt", "PIL\n"),
    "yaml": ("requirements.txt", "yaml\n"),
    "a version that is not there": ("requirements.txt", "numpy==9.9.9\n"),
    "a version that is not there, of conda's pip": (
        "environment.yml",
        f"{CONDA}  - pip\n  - pip:\n      - torch==2.99.0\n",
    ),
    "a local version": ("requirements.txt", "torch==2.4.0+cu118\n"),
    "a Dockerfile without an engine": ("Dockerfile", "FROM python:3.12-slim\nRUN true\n"),
    "COPY without files": ("Dockerfile", "FROM python:3.12-slim\nCOPY requirements.txt .\n"),
    "a misspelt instruction": ("Dockerfile", "FROM python:3.12-slim\nRUNN true\n"),
    "no FROM": ("Dockerfile", "RUN pip install flask\nCMD python\n"),
    "a registry out of reach": ("environment.yaml", "image: {nowhere}/team/base:1\n"),
    "an image that is not there": ("environment.yaml", "image: {registry}/team/nothing:1\n"),
    "a tag that is not there": ("environment.yaml", "image: {registry}/team/base:2\n"),
    "a single equals sign": ("requirements.txt", "numpy=2.1.3\n"),
    "two operators": ("requirements.txt", "numpy=>2.1\n"),
    "sklearn of conda": ("environment.yml", f"{CONDA}  - sklearn\n"),
    "an unknown package of conda": ("environment.yml", f"{CONDA}  - pandsa\n"),
    # Nothing warns of this while it is written.
    "a conflict": ("requirements.txt", "numpy==2.1.3\nscikit-learn==1.3.2\n"),
}

BUILDING: dict[str, tuple[str, str]] = {
    "pinned": ("requirements.txt", "numpy==2.1.3\npandas==2.2.3\n"),
    "unpinned": ("requirements.txt", "numpy\npandas>=2\nscipy~=1.11\n"),
    "another spelling": ("requirements.txt", "Scikit_Learn==1.5.2\nPyYAML==6.0.2\n"),
    "a short version": ("requirements.txt", "flask==3.0\n"),
    "a star": ("requirements.txt", "numpy==2.1.*\n"),
    "extras and markers": (
        "requirements.txt",
        'uvicorn[standard]==0.30.1\npywin32==999 ; sys_platform == "win32"\n',
    ),
    "comments and hashes": ("requirements.txt", "# ours\nhttpx==0.27.0  # http\n"),
    "a placeholder package": ("requirements.txt", "bs4==0.0.2\ndotenv==0.9.9\n"),
    "another index": (
        "requirements.txt",
        "--extra-index-url https://download.pytorch.org/whl/cu118\ntorch==2.4.0+cu118\nour-own\n",
    ),
    "only another index": (
        "requirements.txt",
        "--index-url https://pypi.example/simple\nour-own==1.0\nyaml\n",
    ),
    "a list of links": ("requirements.txt", "--find-links https://files.example/\nour-own==1.0\n"),
    "a wheel at an address": (
        "requirements.txt",
        "https://files.example/our_own-1.0-py3-none-any.whl\nflask==3.0.3\n",
    ),
    "an index of a package": (
        "environment.yaml",
        "image: host\npython: {package_indexes: {our-own: https://pypi.example/simple}}\n"
        "conda_file:\n  channels: [conda-forge]\n  dependencies: [python=3.12, pip, {pip: [our-own==1.0]}]\n",
    ),
    "conda": ("environment.yml", f"{CONDA}  - numpy=2.1\n  - r-base\n"),
    "conda and pip": ("environment.yml", f"{CONDA}  - pip\n  - pip:\n      - flask==3.0.3\n"),
    "conda's yaml": ("environment.yml", f"{CONDA}  - yaml\n"),
    "the host": ("environment.yaml", "image: host\n"),
    "an image of a registry": ("environment.yaml", "image: {registry}/team/base:1\n"),
    "a pre-release": ("requirements.txt", "numpy>=2.0.0rc1\n"),
    "an older one": ("requirements.txt", "scipy==1.11.4\nnumpy==1.26.4\n"),
}

# Codes that predict a failure; other warnings are of style, age and repeatability.
PREDICTING = frozenset(
    (
        "base-refused",
        "base-unknown",
        "base-unreachable",
        "dockerfile-copies",
        "engine-missing",
        "import-name",
        "local-path",
        "local-version",
        "not-buildable",
        "package-unknown",
        "single-equals",
        "version-unknown",
    )
)
