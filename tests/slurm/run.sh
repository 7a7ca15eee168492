#!/usr/bin/env bash
# The tests on a real Slurm of two nodes, which lives as long as they take:
#
#     tests/slurm/run.sh [PYTHON]        as root, with Slurm and munge installed; says why it does nothing otherwise
set -euo pipefail
cd "$(dirname "$0")/../.."
PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" != 0 ]; then
    echo "skipped the tests on a real Slurm: its daemons need root here"
    exit
fi
for daemon in slurmctld slurmd munged; do
    if ! command -v "$daemon" >/dev/null; then
        echo "skipped the tests on a real Slurm: no $daemon here (apt-get install slurm-wlm munge)"
        exit
    fi
done
DLTH_SLURM_HOME=${DLTH_SLURM_HOME:-$(mktemp -d)}
export DLTH_SLURM_HOME
trap tests/slurm/stop.sh EXIT
eval "$(tests/slurm/start.sh)"
"${1:-python3}" -m pytest -m slow tests/engines/test_slurm_cluster.py
