#!/bin/sh
# Install the libraries that uv.lock pins into .venv: `PYTHON=python3 sh scripts/venv.sh runtime|development`.
# An unchanged uv.lock costs nothing.
set -eu

PYTHON=${PYTHON:-python3}
DISTRIBUTION=${DISTRIBUTION:-/usr/bin/python3}

fail() {
    echo "$*" >&2
    exit 1
}

# Debian splits the venv module off; as root we may fetch it.
install_venv_module() {
    if [ "$(id -u)" = 0 ] && [ -f /etc/debian_version ] && command -v apt-get >/dev/null; then
        echo "Installing from Debian: python3-venv" >&2
        export DEBIAN_FRONTEND=noninteractive
        { apt-get -qq update && apt-get -qq -y --no-install-recommends install python3 python3-venv; } \
            </dev/null >/dev/null || fail "apt-get could not install python3-venv."
    fi
}

# A Python compiled without profile-guided optimization, as pyenv does by default, takes a fifth more time for everything:
# the distribution's own of the same version is taken instead. A PYTHON with a path is taken as it is.
fastest_python() {
    [ "$PYTHON" = python3 ] && [ -x "$DISTRIBUTION" ] && command -v python3 >/dev/null || return 0
    slow='import sys, sysconfig; sys.exit("--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""))'
    version='import sys, venv, ensurepip; print(sys.version_info[:2])'
    if python3 -c "$slow" && [ "$(python3 -c "$version")" = "$("$DISTRIBUTION" -c "$version" 2>/dev/null)" ]; then
        PYTHON=$DISTRIBUTION
    fi
}

make_venv() {
    fastest_python
    command -v "$PYTHON" >/dev/null || install_venv_module
    command -v "$PYTHON" >/dev/null ||
        fail "$PYTHON was not found. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "The studio needs Python 3.11 or newer, but $PYTHON is $("$PYTHON" --version 2>&1). Name a newer one: make PYTHON=/path/to/python3"
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || install_venv_module
    "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$PYTHON has no venv module. On Debian or Ubuntu: sudo apt-get install python3-venv"
    rm -rf .venv
    "$PYTHON" -m venv .venv || { rm -rf .venv; fail "$PYTHON -m venv .venv failed."; }
}

# uv is one of the locked libraries: pip brings it, and it brings the rest, several times faster.
install_uv() {
    version=$(sed -n '/^name = "uv"$/ { n; s/^version = "\(.*\)"$/\1/p; }' uv.lock)
    case $(.venv/bin/uv --version 2>/dev/null) in "uv $version"*) return ;; esac
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input "uv==$version" ||
        fail "pip could not install uv: see its message above. Then run the same command again."
}

# `uv sync` takes files only from the index that the lock names. Where pip is set up to use another index,
# that one has the same files, and the hashes of the lock hold it to that.
install_libraries() {
    index=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-$(.venv/bin/python -m pip config get global.index-url 2>/dev/null || true)}}
    .venv/bin/uv export --quiet --frozen "$@" --output-file .venv/requirements.txt &&
        UV_DEFAULT_INDEX=${index:-https://pypi.org/simple} .venv/bin/uv pip install --quiet --python .venv/bin/python \
            --compile-bytecode --require-hashes --requirements .venv/requirements.txt ||
        fail "uv could not install the libraries: see its message above. Then run the same command again."
}

export UV_PYTHON_DOWNLOADS=never
# A .venv whose interpreter has gone is made again.
.venv/bin/python -c '' 2>/dev/null || make_venv
cmp -s uv.lock ".venv/$1.lock" && exit 0

echo "Installing the libraries of uv.lock into .venv" >&2
install_uv
case $1 in
    runtime) install_libraries --no-dev ;;
    development)
        install_libraries
        cp uv.lock .venv/runtime.lock
        ;;
esac
cp uv.lock ".venv/$1.lock"
