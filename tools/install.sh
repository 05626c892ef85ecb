#!/usr/bin/env bash
# Makes the environment: a venv with everything pinned, and never gigabytes of CUDA onto a machine without a GPU.
# Each fault is one sentence with the command that mends it. Told again after a fault, it goes on where it was.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PYTHON=${PYTHON:-python3}
VENV=${VENV:-.venv}
TORCH_INDEX=${TORCH_INDEX:-}
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1  # a person's own settings for pip may say otherwise

say() { printf '%s\n' "$*"; }
fail() { printf 'install: %s\n' "$*" >&2; exit 1; }
apt_install() { [ "$(id -u)" = 0 ] && printf '`apt install %s`' "$*" || printf '`sudo apt install %s`' "$*"; }

command -v "$PYTHON" >/dev/null || fail "there is no '$PYTHON': $(apt_install python3 python3-venv), or name another with \`make install PYTHON=...\`."
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$PYTHON" --version 2>&1) is too old, 3.11 or newer is needed: install one and name it, as in \`make install PYTHON=python3.12\`."
command -v git >/dev/null || fail "git is missing: $(apt_install git)."

if [ ! -e "$VENV/bin/python" ]; then
  if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    fail "Python's venv module is missing: $(apt_install "python$version-venv") (where apt does not find it, \`apt update\` first)."
  fi
  say "making $VENV"
  "$PYTHON" -m venv "$VENV" || fail "$VENV could not be made; the lines above say why. Mend that, \`rm -rf $VENV\`, and type \`make install\` again."
fi
"$VENV/bin/python" -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
  fail "$VENV is broken, or of an older Python: \`rm -rf $VENV\`, then \`make install\` makes it again."
pip() { "$VENV/bin/python" -m pip -qq "$@"; }  # errors alone: what a machine's own settings make pip warn of is not ours

# The build of this package takes its setuptools from here, pinned too, instead of fetching the newest into a place of its own.
pip install -c constraints.txt setuptools ||
  fail "pip could not install even setuptools; its lines above say why. Behind a proxy or a mirror, name it: \`PIP_INDEX_URL=https://... make install\`."

# Where pip's report on torch names CUDA's libraries among what this machine would need, it exits with 1.
names_no_cuda='
import json, sys
from pip._vendor.packaging.requirements import Requirement
(torch,) = json.load(sys.stdin)["install"]
needed = [Requirement(text) for text in torch["metadata"].get("requires_dist", [])]
needed = [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
sys.exit(any(name.startswith(("nvidia-", "cuda-")) for name in needed))
'
torch=$(grep -E '^torch==' constraints.txt)
installed=$("$VENV/bin/python" -c 'from importlib.metadata import version; print(version("torch").split("+")[0])' 2>/dev/null || true)
if [ "torch==$installed" != "$torch" ]; then  # alone, so that nothing else comes from PyTorch's index
  if [ -n "$TORCH_INDEX" ]; then
    say "installing $torch from $TORCH_INDEX"
    pip install --no-deps --index-url "$TORCH_INDEX" "$torch" ||
      fail "pip found no $torch at $TORCH_INDEX; its lines above say why. Correct the address: \`make install TORCH_INDEX=https://...\`."
  else
    kind="with CUDA"
    if ! nvidia-smi >/dev/null 2>&1; then
      kind="for the CPU"
      # What pip would take is asked first: from an index that keeps metadata, no more than that is fetched.
      report=$(pip install --dry-run --no-deps --ignore-installed --report - "$torch") ||
        fail "pip cannot find $torch; its lines above say why. Behind a proxy or a mirror, name it: \`PIP_INDEX_URL=https://... make install\`."
      "$VENV/bin/python" -c "$names_no_cuda" <<<"$report" ||
        fail "this machine has no GPU, and pip would fetch gigabytes of CUDA with $torch. Name PyTorch's CPU index (its own install page shows it): \`make install TORCH_INDEX=https://...\`."
    fi
    say "installing $torch $kind"
    pip install --no-deps "$torch" || fail "pip could not install $torch; its lines above say why. Mend that, then type \`make install\` again."
  fi
fi

say "installing everything else (2.2 GB on the disk in all, one to three minutes)"
pip install -c constraints.txt --no-build-isolation -e '.[dev]' ||
  fail "pip could not install everything; its lines above say why. Mend that, then type \`make install\` again: it goes on where it was."
touch "$VENV/.installed"
