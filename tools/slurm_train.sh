#!/usr/bin/env bash
# Train under Slurm:
# slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of train.py]
# Environment: see slurm_launch.sh.
set -euo pipefail
USAGE='usage: slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options]'
exec bash "$(dirname "$0")/slurm_launch.sh" "${1:?$USAGE}" "${2:?$USAGE}" \
    train.py "${3:?$USAGE}" --work-dir "${4:?$USAGE}" "${@:5}"
