#!/usr/bin/env bash
# Start a Slurm of two nodes on this machine for the tests, beside any other there is. As root, on Debian or Ubuntu.
#
#     eval "$(tests/slurm/start.sh)"     sets SLURM_CONF, by which Slurm's commands and the tests find it
#
# No accounting, on purpose: the engine must do without it.
set -euo pipefail
home=${DLTH_SLURM_HOME:-/tmp/dlth-slurm}
PATH=$PATH:/usr/sbin:/sbin
{ command -v slurmctld && command -v munged; } >/dev/null || DEBIAN_FRONTEND=noninteractive apt-get install -y -qq slurm-wlm munge >&2
mkdir -p "$home"/{state,n1,n2} /run/munge
chmod 755 "$home"
chown munge:munge /run/munge
if ! pgrep -x munged >/dev/null; then
    runuser -u munge -- munged >&2
    ln -sf /run/munge/munged.pid "$home/munged.pid"  # ours to stop
fi

cat >"$home/slurm.conf" <<CONF
ClusterName=dlth
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=16817
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdTimeout=15
SlurmdParameters=config_overrides
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/%n
SlurmctldPidFile=$home/slurmctld.pid
SlurmdPidFile=$home/%n.pid
SlurmctldLogFile=$home/slurmctld.log
SlurmdLogFile=$home/%n.log
NodeName=n1 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16821 CPUs=2 RealMemory=4000
NodeName=n2 NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=16822 CPUs=2 RealMemory=4000
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE
CONF

export SLURM_CONF=$home/slurm.conf
slurmctld -c >&2
for node in n1 n2; do slurmd -N "$node" >&2; done
for _ in $(seq 60); do
    [ "$(sinfo --noheader --Node --states idle | wc -l)" = 2 ] && echo "export SLURM_CONF=$SLURM_CONF" && exit
    sleep 0.5
done
echo "the nodes did not come up; see $home/*.log" >&2
exit 1
