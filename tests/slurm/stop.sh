#!/usr/bin/env bash
# Stop what start.sh started, by the process numbers that it left. munged is left to whoever else needs it.
home=${DLTH_SLURM_HOME:-/tmp/dlth-slurm}
for file in "$home"/n1.pid "$home"/n2.pid "$home"/slurmctld.pid; do
    [ -s "$file" ] && kill "$(cat "$file")"
done
rm -rf "$home"
