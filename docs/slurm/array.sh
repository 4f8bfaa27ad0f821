#!/bin/bash
# A sweep as a Slurm array: every task runs its share, and no server is needed.
#
#     sbatch array.sh sweep.toml [further options of pcsim run]
#     pcsim merge sweep-part*of8.h5
#
# Whatever ends a task (its time, a node, a signal), the same sbatch again goes on where each stood; what is finished stays.
#SBATCH --job-name=pcsim
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@60
#SBATCH --output=pcsim-%A-%a.log
set -euo pipefail

scenario=$1
shift
part=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT
name=$(basename "${scenario%.toml}")-part${SLURM_ARRAY_TASK_ID}of${SLURM_ARRAY_TASK_COUNT}.h5
before=()
if [[ -e $name || -e $name.rows ]]; then
    before=(--resume "$name")
fi
# exec: the signal before the time is up then reaches pcsim, which writes what there is.
exec pcsim run "$scenario" --part "$part" --jobs "${SLURM_CPUS_PER_TASK:-1}" "${before[@]}" "$@"
