#!/usr/bin/env bash
# Stop what start.sh started, by the process numbers that it left, with the jobs that are still there. A munged that
# was there before is left to whoever needs it.
home=${DLTH_SLURM_HOME:-/tmp/dlth-slurm}
PATH=$PATH:/usr/sbin:/sbin
[ -d "$home" ] || { echo "no Slurm of the tests in $home" >&2; exit 1; }
export SLURM_CONF=$home/slurm.conf
timeout 10 scancel --user="$(id -un)" --quiet 2>/dev/null
for _ in $(seq 20); do
    timeout 5 squeue --noheader 2>/dev/null | grep -q . || break
    sleep 0.5
done
for file in "$home"/n1.pid "$home"/n2.pid "$home"/slurmctld.pid "$home"/munged.pid; do
    [ -s "$file" ] || continue
    number=$(cat "$file")
    kill "$number" 2>/dev/null
    for _ in $(seq 40); do kill -0 "$number" 2>/dev/null || break; sleep 0.25; done
done
rm -rf "$home"
