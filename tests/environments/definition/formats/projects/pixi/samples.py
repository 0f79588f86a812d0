"""A small lock in every format of pixi.lock, with its manifest: what the tests of pixi's files read."""

from __future__ import annotations

FORGE = "https://conda.anaconda.org/conda-forge"
PYTHON = f"{FORGE}/linux-64/python-3.12.3-hab00c5b_0_cpython.conda"
TZ = f"{FORGE}/noarch/tzdata-2024.07.02-0.conda"
FLASK = "https://files.pythonhosted.org/packages/aa/flask-3.0.0-py3-none-any.whl"
SHA, OTHER = "ab" * 32, "cd" * 32
MD5 = "01" * 16
MANIFEST = """[workspace]
channels = ["conda-forge"]
platforms = ["linux-64"]

[dependencies]
python = "3.12.*"

[pypi-dependencies]
flask = ">=3"

[feature.test.dependencies]
tzdata = "*"

[environments]
test = ["test"]
"""
V1 = f"""metadata:
  content_hash: {{}}
  channels:
  - url: {FORGE}/
    used_env_vars: []
  platforms: [linux-64, osx-64]
  sources: []
package:
- name: python
  version: 3.12.3
  manager: conda
  platform: osx-64
  dependencies: {{}}
  url: {PYTHON.replace("linux", "osx")}
  hash:
    md5: {MD5}
  category: main
- name: python
  version: 3.12.3
  manager: conda
  platform: linux-64
  dependencies:
    tzdata: '*'
  url: {PYTHON}
  hash:
    md5: {MD5}
    sha256: {SHA}
  optional: false
  category: main
  build: hab00c5b_0_cpython
  arch: x86_64
  subdir: linux-64
  build_number: 0
- name: flask
  version: 3.0.0
  manager: pip
  platform: linux-64
  dependencies: {{}}
  url: {FLASK}
  hash:
    sha256: {OTHER}
  category: main
version: 1
"""
V5 = f"""version: 5
environments:
  default:
    channels:
    - url: {FORGE}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {PYTHON}
      - pypi: {FLASK}
      osx-64:
      - conda: {PYTHON.replace("linux", "osx")}
  test:
    channels:
    - url: {FORGE}/
    packages:
      linux-64:
      - conda: {PYTHON}
      - conda: {TZ}
packages:
- kind: conda
  name: python
  version: 3.12.3
  build: hab00c5b_0_cpython
  subdir: linux-64
  url: {PYTHON}
  sha256: {SHA}
  md5: {MD5}
  depends:
  - tzdata
  license: Python-2.0
  size: 31000000
- kind: conda
  name: python
  version: 3.12.3
  build: hab00c5b_0_cpython
  subdir: osx-64
  url: {PYTHON.replace("linux", "osx")}
  sha256: {OTHER}
- kind: conda
  name: tzdata
  version: 2024.07.02
  build: '0'
  subdir: noarch
  noarch: generic
  url: {TZ}
  sha256: {SHA}
- kind: pypi
  name: flask
  version: 3.0.0
  url: {FLASK}
  sha256: {OTHER}
  requires_dist:
  - werkzeug>=3 ; python_version >= '3.8'
  - asgiref ; extra == 'async'
  requires_python: '>=3.8'
"""
V4 = V5.replace("version: 5", "version: 4").replace("    indexes:\n    - https://pypi.org/simple\n", "")
V6 = f"""version: 6
environments:
  default:
    channels:
    - url: {FORGE}/
    indexes:
    - https://pypi.org/simple
    packages:
      linux-64:
      - conda: {PYTHON}
      - pypi: {FLASK}
  test:
    channels:
    - url: {FORGE}/
    packages:
      linux-64:
      - conda: {PYTHON}
      - conda: {TZ}
packages:
- conda: {PYTHON}
  sha256: {SHA}
  md5: {MD5}
  depends:
  - tzdata
  purls: []
  size: 31000000
- conda: {TZ}
  sha256: {SHA}
  purls: []
- pypi: {FLASK}
  name: flask
  version: 3.0.0
  sha256: {OTHER}
  requires_dist:
  - werkzeug>=3
"""
V7 = V6.replace(
    "version: 6\n",
    """version: 7
platforms:
- name: p1
  subdir: linux-64
  virtual-packages:
  - __cuda=12.4
  - __glibc=2.28
  - __archspec=0=x86_64_v3
- name: win-64
""",
    1,
).replace("linux-64:", "p1:")
ALL = {
    1: V1,
    2: V1.replace("version: 1\n", "version: 2\n"),
    3: V1.replace("version: 1\n", "version: 3\n"),
    4: V4,
    5: V5,
    6: V6,
    7: V7,
}
