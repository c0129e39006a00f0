#!/usr/bin/env bash
# Build sdist and wheel, and try both installs of the wheel in clean environments.
#
#     tests/installs.sh          both
#     tests/installs.sh small    the evidence side alone, which brings no torch
set -euo pipefail
cd "$(dirname "$0")/.."
tests_python=$(readlink -f "${VENV:-.venv}")/bin/python
python=${PYTHON:-python3}
limit_mb=250
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mb_of() { # FOLDER [OPTION]: its size without what every environment holds
  du -sm --exclude='pip*' --exclude='setuptools*' --exclude=pkg_resources "${@:2}" "$1" | cut -f1
}

"$tests_python" -m build --outdir "$work/dist" # the wheel is built of the sdist
wheel=$(echo "$work"/dist/*.whl)

"$python" -m venv "$work/small"
"$work/small/bin/pip" install --constraint constraints.txt "$wheel"
packages=$(echo "$work"/small/lib/python*/site-packages)
for package in torch transformers peft lightning mujoco matplotlib pandas statsmodels h5py PIL; do
  [ ! -e "$packages/$package" ] || { echo "The small install brings $package." >&2; exit 1; }
done
unpacked=$(mb_of "$packages" --exclude=__pycache__)
echo "The small install takes $unpacked MB, $(mb_of "$packages") MB with pip's bytecode."
[ "$unpacked" -lt "$limit_mb" ] || { echo "That is not under $limit_mb MB." >&2; exit 1; }
MVLA="$work/small/bin/mvla" "$tests_python" -m pytest -p no:cacheprovider tests/installed.py
[ "${1:-}" = small ] && exit 0

"$python" -m venv "$work/big"
"$work/big/bin/pip" install --constraint constraints.txt "$wheel[train,sim,figures]"
cd "$work"
big/bin/python -c 'import torch; assert torch.__version__.startswith("2.13.0"), torch.__version__'
big/bin/mvla episodes simulate data --left 1 --right 1
big/bin/mvla weights inspect "$(echo big/lib/python*/site-packages/mobile_vla/policy/assets/robovlms-tiny.pt)"
big/bin/mvla plan
