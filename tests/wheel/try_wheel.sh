#!/bin/sh
# Does the wheel alone do, in an empty environment far from the repository? Called by `make test-wheel`.
#
#   tests/wheel/try_wheel.sh [PYTHON ...]     default: python3.11 python3.12 python3.13, those that start
#
# For each Python: a new environment, the wheel installed into it with all that it asks for, and then what a new user types:
# init, demo, check, report, export. Every file of the wheel is compared with the tree that it was built from.
set -eu
repository=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM
unset PYTHONPATH
export WORKBENCH_STATE="$place/state" OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 MLFLOW_DISABLE_TELEMETRY=true

[ $# -gt 0 ] || set -- python3.11 python3.12 python3.13
tried=0 missing=""
for python in "$@"; do
  if ! version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null); then
    missing="$missing $python"
    continue
  fi
  trial="$place/$version"
  environment="$trial/environment"
  mkdir -p "$trial/wheel"
  start=$(date +%s)
  "$python" -m venv "$environment"
  pip="$environment/bin/python -m pip --disable-pip-version-check --no-input --quiet"
  $pip wheel --no-deps --wheel-dir "$trial/wheel" "$repository"
  "$environment/bin/python" "$repository/tests/wheel/compare_with_tree.py" "$trial"/wheel/*.whl
  $pip install "$trial"/wheel/*.whl
  installed=$(date +%s)
  (
    cd "$trial"
    PATH="$environment/bin:$PATH"
    workbench --version
    workbench init trial
    cd trial
    workbench demo --quiet > ../demo.txt
    workbench check > ../check.txt
    workbench report > ../report.txt
    workbench export latest --to supplement > ../export.txt
    test -s supplement/scores.json
  ) > "$trial/told.txt" 2>&1 || {
    echo "Python $version: FAILED"
    cat "$trial"/told.txt "$trial"/demo.txt
    exit 1
  }
  grep -q 'What was planted' "$trial/demo.txt" || { echo "Python $version: the demo has no end"; exit 1; }
  echo "Python $version: installed in $((installed - start)) s; init, demo, check, report, export in $(($(date +%s) - installed)) s"
  sed -n '/^SUPPORTED\|^EXPLORATORY\|^PREDICTION/p' "$trial/demo.txt"
  rm -rf "$trial"
  tried=$((tried + 1))
done
[ -z "$missing" ] || echo "not tried, since they do not start here:$missing"
[ $tried -gt 0 ]
