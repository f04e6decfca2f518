#!/usr/bin/env bash
# Builds the CUDA kernels on a machine with a GPU, runs the tests marked `gpu` and the kernel benchmark, and leaves the
# logs in a folder:   scripts/gpu_check.sh OUT_DIR
# PYTHON names an interpreter with torch (CUDA), pytest and the test dependencies; the default is .venv, then python3.
# Where some of these are missing, the modules that need them are counted as errors and the others run.
set -euo pipefail

if [ $# -ne 1 ]; then
  echo "usage: scripts/gpu_check.sh OUT_DIR" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)
fi
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"

{
  nvidia-smi
  "$PYTHON" -c 'import sys, torch; print(sys.version); print("torch", torch.__version__, torch.version.cuda)'
} > "$out/machine.txt" 2>&1 || true

# The machine's own architecture is enough for a check and builds in a fraction of the time.
build=build/gpu-check
cmake -S cuda -B "$build" -DD3D_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=native > "$out/build.txt" 2>&1
cmake --build "$build" -j "$(nproc)" >> "$out/build.txt" 2>&1
"$PYTHON" -c 'from dream3d.ops._library import kernel_backends; print(*kernel_backends(), sep="\n")' \
  | tee "$out/backends.txt"

status=0
"$PYTHON" -m pytest -m gpu tests --continue-on-collection-errors -p no:cacheprovider --junitxml "$out/tests.xml" 2>&1 | tee "$out/tests.txt" || status=1
"$PYTHON" scripts/bench_ops.py --device cuda 2>&1 | tee "$out/bench_cuda.txt" || status=1
"$PYTHON" scripts/bench_ops.py --device cpu 2>&1 | tee "$out/bench_cpu.txt" || status=1
exit $status
