#!/usr/bin/env bash
# Test under Slurm:
# slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of test.py]
# Environment: see slurm_launch.sh.
set -euo pipefail
USAGE='usage: slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options]'
exec bash "$(dirname "$0")/slurm_launch.sh" "${1:?$USAGE}" "${2:?$USAGE}" \
    test.py "${3:?$USAGE}" "${4:?$USAGE}" "${@:5}"
