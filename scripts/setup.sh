#!/usr/bin/env bash
# Make or mend the virtual environment of the project. `make setup` calls this; it can be interrupted and called again at any step.
#
#   VENV     where the environment goes             (default .venv)
#   PYTHON   the interpreter that makes it           (default python3)
#   SCATTER  0 leaves torch-scatter out              (default 1)
#   MAX_JOBS compilers that run at once              (default: as many as cores and memory allow, at most 4)
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
case $venv in /*) bin=$venv/bin ;; *) bin=$PWD/$venv/bin ;; esac
python=${PYTHON:-python3}
constraints=requirements/constraints.txt
log=$venv/setup.log
tick_s=30
child=

say() { printf '[setup] %s\n' "$*"; }
die() { printf '[setup] ERROR: %s\n' "$*" >&2; exit 1; }

stop_child() { [ -z "$child" ] || kill -- "-$child" 2>/dev/null || true; }
trap 'stop_child; say "interrupted; call it again to go on from here"; exit 130' INT TERM

# The noise of pip is no news, but an error must never be lost among it: everything goes to the log, errors to the screen too.
show_errors() {
    grep -v -e "^WARNING: Location .* is ignored" "$1" | tail -n 25 | sed 's/^/[setup] | /' >&2
}

# attempt WHAT COMMAND...: run it into the log, and say every half minute that it is going on.
attempt() {
    local what=$1 part=$venv/setup.part.log started=$SECONDS told=0 elapsed status=0
    shift
    say "$what"
    set -m    # a process group of its own, so that an interrupt ends the compilers as well
    "$@" >"$part" 2>&1 </dev/null &
    child=$!
    set +m
    while kill -0 "$child" 2>/dev/null; do
        sleep 0.5
        elapsed=$((SECONDS - started))
        if [ $((elapsed / tick_s)) -gt "$told" ]; then
            told=$((elapsed / tick_s))
            say "  ... still going on, $elapsed s"
        fi
    done
    wait "$child" || status=$?
    child=
    { printf '\n=== %s\n=== %s\n' "$what" "$*"; cat "$part"; } >>"$log"
    [ "$status" -eq 0 ] && rm -f "$part"
    return "$status"
}

must() {
    attempt "$@" && return
    show_errors "$venv/setup.part.log"
    die "this step failed (the whole log: $log). Mend the cause and call 'make setup' again; what is done is kept."
}

supported() { "$1" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }
version_of() { "$1" -c 'import platform; print(platform.python_version())' 2>/dev/null || "$1" --version 2>&1; }
pin() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" "$constraints"; }
pip() { "$venv/bin/python" -m pip "$@"; }
install() { pip install --disable-pip-version-check --constraint "$constraints" "$@"; }

make_venv() {
    if [ -x "$venv/bin/python" ] && supported "$venv/bin/python"; then
        if pip --version >/dev/null 2>&1; then
            say "using the environment that is there: $venv, Python $(version_of "$venv/bin/python")"
            return
        fi
    fi
    command -v "$python" >/dev/null 2>&1 ||
        die "no interpreter '$python'. Install Python 3.10, 3.11, 3.12 or 3.13, or name it: make setup PYTHON=/path/to/python3.11"
    supported "$python" ||
        die "Python 3.10 to 3.13 is needed, '$python' is $(version_of "$python"). Name another: make setup PYTHON=python3.11"
    say "creating $venv with Python $(version_of "$python")"
    "$python" -m venv --clear "$venv" ||
        die "'$python -m venv' failed. On Debian and Ubuntu the package python3-venv brings it."
}

# Importing loads the compiled operators, so a build against another torch is found out here.
scatter_works() {
    "$venv/bin/python" -c '
import sys, torch, torch_scatter
torch_scatter.scatter_add(torch.ones(1), torch.zeros(1, dtype=torch.long))
sys.exit(torch_scatter.__version__ != sys.argv[1])' "$(pin torch-scatter)" >/dev/null 2>&1
}

build_scatter() { PATH=$bin:$PATH DIST_EXTRA_CONFIG=$bin/../build.cfg install --no-build-isolation "$@" torch-scatter; }

add_scatter() {
    if [ "${SCATTER:-1}" = 0 ]; then
        say "torch-scatter is left out (SCATTER=0); the tests of its backend will skip"
        return
    fi
    if scatter_works; then
        say "torch-scatter $(pin torch-scatter) is there"
        return
    fi
    local jobs
    # It has four extensions to compile; each compiler takes up to 2 GB of memory.
    jobs=$("$venv/bin/python" -c '
import os
memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
print(max(1, min(os.cpu_count() or 1, 4, int(memory_gb / 2.5))))')
    jobs=${MAX_JOBS:-$jobs}
    # Left to itself, setuptools compiles them one after the other.
    printf '[build_ext]\nparallel = %s\n' "$jobs" >"$venv/build.cfg"
    if attempt "torch-scatter $(pin torch-scatter): compiling against this torch, $jobs at a time; this takes 3 to 6 minutes" build_scatter; then
        scatter_works && return
        # pip keys the wheels it keeps by version alone, so it may have taken one that was built against another torch.
        if attempt "torch-scatter: the wheel pip kept does not fit this torch; compiling it anew" \
            build_scatter --no-cache-dir --force-reinstall --no-deps && scatter_works; then
            return
        fi
    fi
    cp "$venv/setup.part.log" "$venv/torch-scatter.log" 2>/dev/null || cp "$log" "$venv/torch-scatter.log"
    pip uninstall --yes torch-scatter >>"$log" 2>&1 || true
    say "WARNING: torch-scatter could not be built; its log is $venv/torch-scatter.log"
    command -v "${CXX:-c++}" >/dev/null 2>&1 || command -v g++ >/dev/null 2>&1 ||
        say "WARNING: there is no C++ compiler here (on Debian and Ubuntu: the package g++), and that is most likely why"
    say "WARNING: going on without it. It is optional: the other backends do the same work, and its tests will skip"
    say "WARNING: to try again: make setup --always-make"
}

make_venv
: >"$log"
must "pip, setuptools, wheel" install pip setuptools wheel
must "torch $(pin torch) (the largest download)" install torch
# torch looks for numpy when it is imported, which compiling against it does.
must "numpy $(pin numpy)" install numpy
add_scatter
must "graphcortex and the packages it works with" install --no-build-isolation --editable '.[functional,cave,nwb,study,test,dev]'
say "done: $("$venv/bin/python" -c '
import importlib.util, platform, torch
scatter = "with" if importlib.util.find_spec("torch_scatter") else "without"
print(f"Python {platform.python_version()}, torch {torch.__version__}, {scatter} torch-scatter")') (log: $log)"
