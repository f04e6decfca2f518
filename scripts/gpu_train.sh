#!/usr/bin/env bash
# Trains the built-in prior and the judge on a machine with a GPU, one after the other, and leaves both in a folder:
#   scripts/gpu_train.sh OUT_DIR MINUTES_OF_PRIOR MINUTES_OF_JUDGE
# Call it again and the prior goes on from runs/gpu/prior; ANNEAL=1 ends it: its learning rate goes to zero over the call.
# The prior comes in parts of 15 MB (cat prior.tar.part-* | tar -x), for transports that bound files. DEVICE=cpu tries it
# all out. PYTHON names an interpreter with the training's dependencies; the default is .venv, then python3.
set -euo pipefail

if [ $# -ne 3 ]; then
  echo "usage: scripts/gpu_train.sh OUT_DIR MINUTES_OF_PRIOR MINUTES_OF_JUDGE" >&2
  exit 2
fi
mkdir -p "$1"
out=$(cd "$1" && pwd)
prior_minutes=$2 judge_minutes=$3
cd "$(dirname "$0")/.."
if [ -z "${PYTHON:-}" ]; then
  PYTHON=$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)
fi
device=${DEVICE:-cuda}
workers=$(($(nproc) > 3 ? $(nproc) - 2 : 1))
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=2
if [ ! -e dream3d/_kernels/libdream3d_cpu.so ]; then # the renderer of the training data
  cmake -S cuda -B build/gpu-train -DD3D_CUDA=OFF > "$out/build.txt" 2>&1
  cmake --build build/gpu-train -j "$(nproc)" >> "$out/build.txt" 2>&1
fi

work=runs/gpu/prior
start=$([ -e "$work/state.safetensors" ] && echo --resume || echo --start-from assets/priors/props)
if [ "$prior_minutes" != 0 ]; then
  # shellcheck disable=SC2086
  "$PYTHON" scripts/train_prior.py --work "$work" --minutes "$prior_minutes" $start $([ "${ANNEAL:-0}" = 1 ] && echo --anneal) \
    --device "$device" --batch "${BATCH:-256}" --rate "${RATE:-2}" --workers "$workers" > "$out/prior.txt" 2>&1
  touch "$work/log.jsonl" # the first line comes after half a minute
  rm -f "$out"/prior.tar.part-*
  tar -cf - -C "$work" release facts.json log.jsonl | split -b 15000000 - "$out/prior.tar.part-"
fi
if [ "$judge_minutes" != 0 ]; then
  "$PYTHON" scripts/train_judge.py --work runs/gpu/judge --start-from assets/judges/props \
    --minutes "$judge_minutes" --device "$device" --workers "$workers" > "$out/judge.txt" 2>&1
  touch runs/gpu/judge/log.jsonl
  tar -cf "$out/judge.tar" -C runs/gpu/judge release facts.json log.jsonl
fi
