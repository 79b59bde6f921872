#!/bin/bash
# A driver that is a job itself, small and long: for sites that kill long processes on their login nodes and let
# compute nodes submit. When its own walltime ends, it stops its workers and submits itself again, and goes on.
#
#     sbatch examples/slurm/driver.sh edges.graph.zarr -o edges.model.zarr -c config.toml
#
#SBATCH --job-name=daskgraph-driver
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --no-requeue

script=$(scontrol show job "$SLURM_JOB_ID" --oneliner | sed 's/.* Command=\([^ ]*\) .*/\1/')

daskgraph train "$@" --cluster slurm &
driver=$!
trap 'kill -TERM $driver' TERM

wait $driver
status=$?
# A trap ends the first `wait` early.
while kill -0 $driver 2>/dev/null; do
    wait $driver
    status=$?
done

# 143: it was stopped by the signal. A wrong config would only fail again.
if [ $status = 143 ]; then
    sbatch "$script" "$@"
fi
exit $status
