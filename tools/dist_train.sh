#!/usr/bin/env bash
# Train on several GPUs: dist_train.sh CONFIG GPUS [options of train.py]
# Environment: NNODES, NODE_RANK, MASTER_ADDR, PORT, PYTHON (default: python).
set -euo pipefail
CONFIG=${1:?usage: dist_train.sh CONFIG GPUS [options]}
GPUS=${2:?usage: dist_train.sh CONFIG GPUS [options]}
TOOLS=$(cd "$(dirname "$0")" && pwd)
# Said once, before every process says it.
[[ $GPUS =~ ^[1-9][0-9]*$ ]] || { echo "dist_train.sh: error: GPUS is a number of processes, not '$GPUS'" >&2; exit 2; }
[[ -f $CONFIG ]] || { echo "dist_train.sh: error: the config $CONFIG does not exist" >&2; exit 2; }

PYTHONPATH="$TOOLS/..:${PYTHONPATH:-}" "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node_rank="${NODE_RANK:-0}" \
    --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" \
    --master_port="${PORT:-29500}" \
    "$TOOLS/train.py" "$CONFIG" --launcher pytorch "${@:3}"
