#!/usr/bin/env bash
# The workflow on a real SLURM of one machine, started here and stopped again: `make slurm`. The machine pretends to be
# two nodes with a GPU each; all but one training is for the first, whose cores they share.
#
# As root on Debian or Ubuntu, nothing else using SLURM:
#   apt-get install --no-install-recommends munge slurmctld slurmd slurm-client
#
# memory      a job that needs more memory than it asked for is killed and submitted again with more
# time_limit  so is a training that runs out of time; it goes on from its checkpoint
# nodes       one training on two nodes gives the curves that it gives on one
# workflow    `birds` up to Table 1, each stage a job with partition, GPUs, memory and time
#
# Name one or more of them to run these alone.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
export PATH="$repository/.venv/bin:$PATH"
scratch=$(mktemp -d)
conf=/etc/slurm

fail() { echo "slurm.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || fail "needs root, to start SLURM's daemons."
for program in munged slurmctld slurmd sbatch; do
    command -v "$program" > /dev/null || fail "no $program: apt-get install munge slurmctld slurmd slurm-client"
done
[ ! -e "$conf/slurm.conf" ] || fail "$conf/slurm.conf exists: this machine has a SLURM already."
python -c "import snakemake_executor_plugin_slurm" 2> /dev/null || fail "no snakemake-executor-plugin-slurm: make slurm installs it."

stop() {
    local daemon
    for daemon in slurmctld slurmd munged; do
        pkill -x "$daemon" || continue
        for _ in $(seq 20); do pgrep -x "$daemon" > /dev/null || break; sleep 1; done
    done
    # A configuration without a controller would slow down each later start of Snakemake.
    rm -f "$conf/slurm.conf" "$conf/gres.conf"
    rm -rf "$scratch"
}
trap stop EXIT

# Pretended GPUs: SLURM hands them out and counts them; torch finds none and takes the CPU.
mknod "$scratch/gpu0" c 1 3
mkdir -p "$conf" "$scratch/state" "$scratch/spool"
cpus=$(nproc)
memory=$(awk '/MemAvailable/ {print int($2 / 1024 * 0.45)}' /proc/meminfo) # of each node
host=$(hostname -s)
cat > "$conf/slurm.conf" << EOF
ClusterName=one
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/affinity
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=500
GresTypes=gpu
MinJobAge=300
ReturnToService=2
SchedulerParameters=sched_interval=2,bf_interval=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
KillWait=5
OverTimeLimit=0
StateSaveLocation=$scratch/state
SlurmdSpoolDir=$scratch/spool/%n
SlurmdParameters=config_overrides
SlurmctldLogFile=$scratch/slurmctld.log
SlurmdLogFile=$scratch/slurmd.%n.log
SlurmctldPidFile=$scratch/slurmctld.pid
SlurmdPidFile=$scratch/slurmd.%n.pid
NodeName=node[1-2] NodeHostname=$host NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=$cpus RealMemory=$memory Gres=gpu:1 State=UNKNOWN
PartitionName=cpu Nodes=node1 Default=YES State=UP
PartitionName=gpu Nodes=node1 State=UP
PartitionName=both Nodes=node[1-2] State=UP
EOF
echo "Name=gpu File=$scratch/gpu0" > "$conf/gres.conf"
mkdir -p /run/munge && chown munge: /run/munge
[ -e /etc/munge/munge.key ] || mungekey
runuser -u munge -- munged --force
slurmctld -c
slurmd -N node1
slurmd -N node2
idle() { [ "$(sinfo -h -N -p both -o %t | grep -c idle)" = 2 ]; }
for _ in $(seq 60); do idle && break; sleep 1; done
idle || { tail "$scratch"/*.log; fail "the nodes did not become idle."; }

# Without SLURM's accounting the state of jobs comes from squeue.
run() {
    snakemake --snakefile "$repository/Snakefile" --directory "$scratch/run" \
        --workflow-profile "$repository/profiles/slurm" --slurm-status-command squeue \
        --slurm-init-seconds-before-status-checks 5 --slurm-keep-successful-logs --latency-wait 10 \
        --max-threads "$cpus" --default-resources slurm_partition=cpu "mem_mb=attempt*3000" "runtime=attempt*20" \
        --set-resources "${resources[@]}" "$@"
}
attempts() { find "$scratch/run/.snakemake/slurm_logs/rule_$1" -name '*.log' | wc -l; }

resources=()
for stage in similarity classifier plain features segmenter maps topk; do
    resources+=("$stage:slurm_partition=gpu" "$stage:mem_mb=attempt*4000")
done

workflow() {
    run -- results/birds/table1.csv
    cat "$scratch/run/results/birds/table1.csv"
    grep -q "ISIC (this run)" "$scratch/run/results/birds/table1.csv" || fail "Table 1 has no ISIC row."
}

memory() {
    run index:mem_mb='60 if attempt == 1 else 3000' -- results/birds/index.csv
    [ "$(attempts index)" -ge 2 ] || fail "the job was not submitted again."
}

time_limit() {
    echo "datasets: {birds: {classifier: {epochs: 60}}}" > "$scratch/long.yaml"
    # Two minutes: in one the first checkpoint may not be written yet.
    run classifier:runtime='2 if attempt == 1 else 30' --configfile "$scratch/long.yaml" -- \
        "results/birds/lambda~0_seed~7/classifier.safetensors"
    [ "$(attempts classifier)" -ge 2 ] || fail "the training was not submitted again."
    grep -q "goes on from epoch" "$scratch/run/results/birds/logs/lambda~0_seed~7/classifier.log" \
        || fail "the training did not go on from its checkpoint."
}

# As docs/cluster.md has it, but for the address: these nodes have no names of their own.
nodes() {
    local network=results/birds/lambda~0_seed~8
    # Slowly: from random weights, at the usual rate, the last digits of the first steps decide what comes of the tenth.
    local slowly="epochs: 2, dropout: 0, precision: float32, learning_rate: 0.00001, backbone_learning_rate: 0.00001"
    echo "datasets: {birds: {gpus: 2, classifier: {$slowly}}}" > "$scratch/two.yaml"
    local torchrun="torchrun --nnodes 2 --nproc-per-node 1 --rdzv-id \$SLURM_JOB_ID --rdzv-backend c10d"
    torchrun="$torchrun --rdzv-endpoint 127.0.0.1:29531 --no-python "
    run classifier:slurm_partition=both classifier:nodes=2 classifier:tasks=2 classifier:tasks_per_gpu=0 classifier:mpi=srun \
        classifier:launch="'srun --nodes 2 --ntasks 2 --ntasks-per-node 1 $torchrun'" \
        --configfile "$scratch/two.yaml" -- "$network/classifier.safetensors"
    grep -q "2 processes on 2 nodes" "$scratch/run/results/birds/logs/lambda~0_seed~8/classifier.log" \
        || fail "the training did not run on two nodes."
    mv "$scratch/run/$network/curves.csv" "$scratch/two.csv"
    rm "$scratch/run/$network/classifier.safetensors"
    echo "datasets: {birds: {classifier: {$slowly}}}" > "$scratch/one.yaml"
    run --configfile "$scratch/one.yaml" -- "$network/classifier.safetensors"
    python - "$scratch/two.csv" "$scratch/run/$network/curves.csv" <<- EOF
		import sys, numpy, pandas
		two, one = (pandas.read_csv(path) for path in sys.argv[1:])
		print(two, one, sep="\n")
		numpy.testing.assert_allclose(two, one, rtol=1e-4)
	EOF
}

[ $# -gt 0 ] || set -- memory time_limit nodes workflow
for part in "$@"; do
    echo "== $part"
    rm -rf "$scratch/run" && mkdir "$scratch/run"
    "$part"
done
echo "slurm.sh: passed"
