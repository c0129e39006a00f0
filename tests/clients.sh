#!/usr/bin/env bash
# Run the tests that need other people's programs; `make test` skips them.
#
# Each group gets an environment of its own over the one of the tests ($VENV), because their
# versions clash with ours or with each other's. A test that is skipped here is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
main=$(readlink -f "${VENV:-.venv}")
python=${PYTHON:-python3}

environment() { # NAME INSTALL-ARGUMENTS…: an environment of its own, made once
  local folder=.venv-$1
  shift
  [ -e "$folder/.installed" ] && return
  echo "Installing into $folder: $*"
  [ -e "$folder" ] || "$python" -m venv "$folder"
  "$folder/bin/pip" install "$@"
  touch "$folder/.installed"
}

overlay() { # the same, with the packages of the tests' environment below its own
  local folder=.venv-$1
  if [ ! -e "$folder" ]; then
    "$python" -m venv "$folder"
    for packages in "$main"/lib/python*/site-packages; do
      echo "import site; site.addsitedir('$packages')" >"$(echo "$folder"/lib/python*/site-packages)/below.pth"
    done
  fi
  environment "$@"
}

run() { # PYTHON PYTEST-ARGUMENTS…
  local log
  log=$(mktemp)
  "$1" -m pytest -rs -p no:cacheprovider "${@:2}" | tee "$log"
  if grep -qE '[0-9]+ skipped' "$log"; then
    echo "A test was skipped, so nothing was proved: see above." >&2
    exit 1
  fi
}

overlay crosscheck 'fieldtrial>=0.3' 'pydoe>=1.6'
run .venv-crosscheck/bin/python tests/analysis/test_crosscheck.py tests/analysis/test_design.py

overlay trackers 'mlflow>=3,<4' 'wandb>=0.22,<1'
run .venv-trackers/bin/python tests/training/test_curves.py -k 'mlflow or wandb'
run .venv-trackers/bin/python tests/evidence/test_scan_clients.py -k 'mlflow or wandb'

overlay trackio 'trackio>=0.43,<1' 'aim>=3.29,<4'
run .venv-trackio/bin/python tests/evidence/test_scan_clients.py -k 'trackio or aim'

overlay vla-eval 'vla-eval>=0.8,<0.9'
run .venv-vla-eval/bin/python tests/evaluation/test_vla_eval.py

environment openpi openpi-client==0.1.2 typing-extensions  # which it imports and does not name
run .venv-vla-eval/bin/python tests/serving/test_clients.py

overlay roslibpy 'roslibpy>=2,<3'
run .venv-roslibpy/bin/python tests/serving/test_roslibpy.py

overlay inspect-robots 'inspect-robots>=0.60,<0.61'
run .venv-inspect-robots/bin/python tests/serving/test_inspect_robots.py

environment lerobot lerobot-doctor==0.2.0 verdikt-eval==0.3.1
environment croissant 'mlcroissant[parquet]==1.1.1'
environment lerobot-dataset torch==2.13.0 lerobot-dataset==0.4.4
.venv-lerobot-dataset/bin/python -c 'import torchvision' 2>/dev/null ||
  .venv-lerobot-dataset/bin/pip install --no-deps torchvision
run "$main/bin/python" tests/episodes/test_lerobot.py

axe=.venv-axe/package/axe.min.js
if [ ! -e "$axe" ]; then
  mkdir -p .venv-axe
  npm pack --silent --pack-destination .venv-axe axe-core@4.14.1
  tar -xzf .venv-axe/axe-core-4.14.1.tgz -C .venv-axe
fi
AXE=$PWD/$axe run "$main/bin/python" tests/dashboard/test_browser.py

overlay seal in-toto-attestation==0.9.3
environment model-signing model-signing==1.1.1 pyopenssl  # which it imports and does not name
MODEL_SIGNING=$PWD/.venv-model-signing/bin/model_signing \
  run .venv-seal/bin/python tests/seal/test_seal_clients.py

overlay ray 'ray>=2.50,<3'
run .venv-ray/bin/python tests/cluster/test_ray.py

environment crate roc-validator==0.13.0 rocrate==0.16.0
ROCRATE_PYTHON=$PWD/.venv-crate/bin/python run "$main/bin/python" tests/report/test_run_crate.py
