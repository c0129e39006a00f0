#!/usr/bin/env bash
# Start a SLURM of one node on this machine, for tests/cluster/test_slurm.py; as root on Debian or
# Ubuntu, where it installs slurm-wlm and munge if they are missing.
#
#   tests/cluster/slurm.sh start    prints the line to paste: export SLURM_CONF=…
#   tests/cluster/slurm.sh stop
set -euo pipefail
folder=${SLURM_FOLDER:-/tmp/mvla-slurm}
conf=$folder/slurm.conf

if [ "${1:-}" = stop ]; then
  for daemon in slurmd slurmctld; do
    [ -e "$folder/$daemon.pid" ] && kill "$(cat "$folder/$daemon.pid")" || true
  done
  exit 0
fi
[ "${1:-}" = start ] || { sed -n '2,7p' "$0" >&2; exit 2; }

command -v slurmctld >/dev/null && command -v munged >/dev/null ||
  DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends slurm-wlm munge >&2
mkdir -p "$folder/state" "$folder/spool" /run/munge
chown munge /run/munge
pgrep -x munged >/dev/null || runuser -u munge -- munged
host=$(hostname -s)
cat >"$conf" <<CONF
ClusterName=small
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
SlurmctldPort=16817
SlurmdPort=16818
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=requeue_delay=1,batch_sched_delay=1,sched_interval=2
JobRequeue=1
ReturnToService=2
MinJobAge=3600
KillWait=30
MpiDefault=none
AccountingStorageType=accounting_storage/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$conf
pgrep -x slurmctld >/dev/null || slurmctld -f "$conf"
pgrep -x slurmd >/dev/null || slurmd -f "$conf"
for _ in $(seq 100); do
  sinfo --noheader --format=%T 2>/dev/null | grep -q idle && break
  sleep 0.2
done
echo "export SLURM_CONF=$conf"
