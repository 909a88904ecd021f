#!/usr/bin/env bash
# Run a tool under Slurm, one process per GPU; slurm_train.sh and
# slurm_test.sh call it: slurm_launch.sh PARTITION JOB_NAME TOOL [options]
# Environment: GPUS, GPUS_PER_NODE, CPUS_PER_TASK, SRUN_ARGS, PYTHON.
set -euo pipefail
USAGE='usage: slurm_launch.sh PARTITION JOB_NAME TOOL [options]'
PARTITION=${1:?$USAGE}
JOB_NAME=${2:?$USAGE}
TOOL=${3:?$USAGE}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
TOOLS=$(cd "$(dirname "$0")" && pwd)

# SRUN_ARGS holds several words.
# shellcheck disable=SC2086
PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" srun -p "$PARTITION" \
    --job-name="$JOB_NAME" \
    --gres="gpu:$GPUS_PER_NODE" \
    --ntasks="${GPUS:-8}" \
    --ntasks-per-node="$GPUS_PER_NODE" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" \
    --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$TOOLS/$TOOL" "${@:4}" --launcher slurm
