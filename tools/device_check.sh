#!/usr/bin/env bash
# Everything that needs a GPU, on a machine without a network, in at most 8 minutes.
#
#   tools/device_check.sh prepare [PYTHON]   where there is a network: what such a machine may lack, into .device/
#   tools/device_check.sh [FOLDER]           on the machine with the GPU: logs and figures into FOLDER (device-check)
#
# .device/ is ignored by git; it travels beside the checkout. PYTHON is that machine's version (3.12). A step that
# fails or runs out of its time does not keep the next from running; the exit code is 1 if one did.
set -uo pipefail
cd "$(dirname "$0")/.."
packages=(pydantic pydantic-core annotated-types typing-inspection typing-extensions rich markdown-it-py mdurl pygments
    click threadpoolctl beartype jaxtyping wadler-lindig pytest iniconfig pluggy packaging hatchling pathspec
    trove-classifiers h5netcdf diffrax equinox lineax optimistix safetensors python-flint)

prepare() {
    rm -rf .device && mkdir .device
    python3 -m pip download --quiet --only-binary=:all: --no-deps --dest .device --python-version "${1:-3.12}" \
        --implementation cp --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --platform any "${packages[@]}" || exit
    if [ -f ../shared/tools/check_golden.py ]; then cp ../shared/tools/check_golden.py .device/; fi
    du -sh .device
}

# What is installed here already stays: only missing packages come from .device/. pcsim itself is built from this tree,
# which brings its command and the entry points of its backends.
install() {
    local missing=() flags=(--quiet --no-index --no-deps --no-compile)
    for wheel in .device/*.whl; do
        name=$(basename "$wheel" | cut -d- -f1 | tr _ -)
        python3 -c "import importlib.metadata as m, sys; m.version(sys.argv[1])" "$name" 2>/dev/null || missing+=("$wheel")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        python3 -m pip install "${flags[@]}" --target "$work/packages" "${missing[@]}" || return
    fi
    python3 -m pip install "${flags[@]}" --no-build-isolation --target "$work/pcsim" . &&
        pcsim --version
}

# step NAME SECONDS COMMAND…: runs a step within its time, keeps what it prints, notes how it ended.
step() {
    local name=$1 limit=$2 start=$SECONDS
    shift 2
    timeout --kill-after=5 "$limit" "$@" >"$out/$name.log" 2>&1
    local code=$?
    [ $code -eq 0 ] || failed=1
    printf '%-22s %4d s of %3d  exit %d  %s\n' "$name" $((SECONDS - start)) "$limit" $code \
        "$(grep -v '^$' "$out/$name.log" | tail -n 1 | cut -c1-120)" | tee -a "$out/summary.txt"
}

if [ "${1:-}" = prepare ]; then
    prepare "${2:-}"
    exit
fi
out=$(realpath -m "${1:-device-check}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
mkdir -p "$out"
: >"$out/summary.txt"
export PYTHONUNBUFFERED=1 PATH=$work/pcsim/bin:$PATH PYTHONPATH=$work/pcsim:$work/packages XLA_PYTHON_CLIENT_PREALLOCATE=false
export -f install
export work
step install 45 bash -c install
step machine 20 pcsim backends
step gpu-tests 130 python3 -m pytest -q -m gpu -p no:cacheprovider
checker=.device/check_golden.py
[ -f "$checker" ] || checker=../shared/tools/check_golden.py
for backend in cupy jax; do
    step "golden-$backend" 45 python3 "$checker" --cases tests/golden --backend "$backend"
done
scenario=(python3 -m pcsim run signal-decay --backend cupy --set network.hidden.layers=3 --set inference.steps=4 --quiet)
step sanitizer 50 compute-sanitizer --error-exitcode 9 "${scenario[@]}" --force -o "$work/s.h5"
step bench-gpu 25 python3 tools/bench_gpu.py --rounds 9
step bench 110 python3 tools/bench.py --backend cupy --backend jax --rounds 3
exit $failed
