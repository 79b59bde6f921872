#!/bin/bash
# Scheduler, workers and driver in one allocation: one wait in the queue, all workers at once, nothing else is
# submitted. The walltime ends all of them together; submit the same again to go on.
#
#     sbatch --nodes=4 examples/slurm/one_allocation.sh edges.graph.zarr -o edges.model.zarr -c config.toml
#
#SBATCH --job-name=daskgraph
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=4
#SBATCH --mem=16G
#SBATCH --time=12:00:00
set -eu

# The network between the nodes, such as ib0; empty: the one that leads outside.
interface=${DASKGRAPH_INTERFACE:-}

# On a file system that all nodes share; nobody else may read the key.
umask 077
run=$(mktemp -d "$PWD/daskgraph-run-XXXXXX")
trap 'rm -rf "$run"' EXIT

# Whoever reaches a scheduler without this may run code as you.
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=daskgraph \
    -keyout "$run/key.pem" -out "$run/certificate.pem" 2>/dev/null
export DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION=True
export DASK_DISTRIBUTED__COMM__TLS__CA_FILE="$run/certificate.pem"
for role in SCHEDULER WORKER CLIENT; do
    export "DASK_DISTRIBUTED__COMM__TLS__${role}__CERT=$run/certificate.pem"
    export "DASK_DISTRIBUTED__COMM__TLS__${role}__KEY=$run/key.pem"
done
# What Dask tells of workers that come and go is not worth a line.
export DASK_LOGGING__DISTRIBUTED=critical
# A worker may use all memory of its node's part of the job; Dask would give it one CPU's share.
memory=${SLURM_MEM_PER_NODE:+${SLURM_MEM_PER_NODE}MiB}
# What workers hold is ours, and Dask knows nothing of it.
for limit in TARGET SPILL PAUSE; do
    export "DASK_DISTRIBUTED__WORKER__MEMORY__${limit}=False"
done

python3 -m distributed.cli.dask_scheduler --protocol tls --port 0 ${interface:+--interface "$interface"} \
    --dashboard-address 127.0.0.1:0 --scheduler-file "$run/scheduler.json" &
# Workers end with their scheduler.
scheduler=$!
trap 'kill $scheduler; wait; rm -rf "$run"' EXIT
until [ -s "$run/scheduler.json" ]; do sleep 1; done

srun --cpus-per-task="$SLURM_CPUS_PER_TASK" bash -c '
    scratch=${SLURM_TMPDIR:-${TMPDIR:-/tmp}}/daskgraph-$SLURM_JOB_ID-$SLURM_PROCID
    mkdir -p "$scratch"
    trap "rm -rf \"$scratch\"" EXIT
    python3 -m distributed.cli.dask_worker --local-directory "$scratch" --death-timeout 120 "$@"
' worker --scheduler-file "$run/scheduler.json" --nthreads 1 --memory-limit "${memory:-0}" \
    --no-dashboard --dashboard-address 127.0.0.1:0 ${interface:+--interface "$interface"} &

daskgraph train "$@" --cluster "$run/scheduler.json"
