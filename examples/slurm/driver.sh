#!/bin/bash
# A driver that is a job itself, small and long: for sites that kill long processes on their login nodes and let
# compute nodes submit. When its own walltime ends, it stops its workers, goes back into the queue, as the same job
# with the same options, and goes on; so it does when its node fails. To end it: scancel JOB.
#
#     sbatch examples/slurm/driver.sh edges.graph.zarr -o edges.model.zarr -c config.toml
#
#SBATCH --job-name=daskgraph-driver
#SBATCH --cpus-per-task=2
#SBATCH --mem=8G
#SBATCH --time=1-00:00:00
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

daskgraph train "$@" --cluster slurm &
driver=$!
again=
trap 'again=yes; kill -TERM $driver' USR1
trap 'kill -TERM $driver' TERM

wait $driver
status=$?
# A trap ends `wait` early.
while kill -0 $driver 2>/dev/null; do
    wait $driver
    status=$?
done

# 143: it was stopped by the signal. What has ended by itself would only do so again.
if [ "$again" ] && [ $status = 143 ]; then
    trap - TERM
    scontrol requeue "$SLURM_JOB_ID"
    sleep 60
fi
exit $status
