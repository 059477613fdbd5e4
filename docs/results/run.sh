#!/usr/bin/env bash
# The studies behind docs/results.md, by name, or those of its first part (published, controls). Each goes on where it was stopped; its runs end up beside this file.
#
#   DATA=folder-with-the-fields WORKERS=2 docs/results/run.sh published
#   FIRST_SEED=3 SEEDS=1 docs/results/run.sh published  # one seed again: git diff shows what differs
#
# The numbers of a run do not depend on WORKERS; processors of another make may round them differently.
set -euo pipefail
set -f  # a variant's name may hold *
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python}
PUBLISHED=('W*D*C' 'WD*C' WDC 'WD*' WD W 'W*D*C*' 'WD*C*' 'W*DC*' 'W!D*C' 'W!D*C*')
FUNCTIONAL=('W*D*C' 'W*D*C*' 'W*DC*' 'W!D*C' 'W!D*C*')  # those of W* and W!, which diverge in no arm
CONTROLS=('W*[diagonal]D*C' 'W[diagonal]D*C' 'W*[shuffled]D*C' 'W*[no-diagonal]D*C' 'W[positive]D*C' 'WD*[shuffled]C' 'W*D*[shuffled]C')
CORE=('W*D*C' 'W*[diagonal]D*C' 'W*[shuffled]D*C' 'W*[no-diagonal]D*C' 'WD*C' 'WD*[shuffled]C' WDC W)

study() {  # NAME OPTIONS...
    "$PYTHON" -m graphcortex study ${DATA:+--data-root "$DATA"} --workers "${WORKERS:-1}" --out "results/$1" \
        ${FIRST_SEED:+--first-seed "$FIRST_SEED"} "${@:2}"
    keep "results/$1/runs.csv" "$here/$1.csv"
}

keep() {  # RUNS TABLE: in the table, rows of these runs are replaced, new ones are added, and all others stay
    "$PYTHON" - "$@" << 'END'
import csv, io, pathlib, sys
from graphcortex.study.store import write_text
from graphcortex.study.table import GROUP

table, rows = pathlib.Path(sys.argv[2]), {}
for path in [table] * table.is_file() + [sys.argv[1]]:
    for row in csv.DictReader(open(path, newline="")):
        rows[tuple(row[name] for name in (*GROUP, "seed"))] = row
text = io.StringIO()
writer = csv.DictWriter(text, list(row), lineterminator="\n")
writer.writeheader()
writer.writerows(rows.values())
write_text(table, text.getvalue())
END
}

published() {  # 1,320 runs: the study itself, with the paper's number of seeds
    study published --connectome 6_6_2 --protocol published --variants "${PUBLISHED[@]}" --recurrence free nonnegative --seeds "${SEEDS:-20}"
}

# 36 runs: swings that differ from the paper's, trained by Keras. It needs tensorflow-cpu, see examples/in_keras.py.
keras() {
    by_keras free one_choice_inference 'W*DC*' 'W!D*C*'
    by_keras free go_nogo WDC 'W*DC*'
    by_keras free perceptual_decision WDC 'W*D*C*' 'W*DC*' 'W!D*C*'
    by_keras nonnegative go_nogo 'W!D*C*'
    by_keras nonnegative perceptual_decision 'W*D*C*' 'W*DC*' 'W!D*C*'
}
by_keras() {  # ARM TASK VARIANT...
    "$PYTHON" "$here/../../examples/in_keras.py" ${DATA:+--data-root "$DATA"} --out "$here/keras.csv" --seeds "${SEEDS:-3}" \
        --recurrence "$1" --tasks "$2" --variants "${@:3}"
}

controls() {  # 420 runs: what carries the gains of W* and D*, under the same protocol
    study controls --connectome 6_6_2 --protocol published --variants "${CONTROLS[@]}" --seeds "${SEEDS:-20}"
}

tuning() {  # 540 runs: how much to pay, on validation trials and on seeds of its own, the same choice for all
    study tuning --connectome 6_6_2 --protocol corrected,penalty_scale={0.0001,0.001,0.01,0.1} corrected \
        --variants "${PUBLISHED[@]}" "${CONTROLS[@]}" --seeds 2 --first-seed 100
}

at_chosen() {  # NAME FIELD TASKS VARIANT... -- OPTIONS...: each variant at the scale that tuning chose (chosen.csv, by examples/what_stands.py)
    local name=$1 field=$2 tasks=$3 wanted=' ' task scale chosen variant some
    shift 3
    while [ "$1" != -- ]; do
        wanted+="$1 "
        shift
    done
    shift
    while IFS=, read -r task scale chosen <&3; do
        [[ $tasks = all || $tasks = "$task" ]] || continue
        some=()
        for variant in $chosen; do
            [[ "$wanted" != *" $variant "* ]] || some+=("$variant")
        done
        [ ${#some[@]} -eq 0 ] || study "$name" --connectome "$field" --tasks "$task" --protocol "corrected,penalty_scale=$scale" \
            --variants "${some[@]}" "$@"
    done 3< "$here/chosen.csv"
}

corrected() {  # 660 runs: the study with every correction
    at_chosen corrected 6_6_2 all "${PUBLISHED[@]}" -- --recurrence ${ARMS:-free nonnegative} --seeds "${SEEDS:-10}"
}

corrected_controls() {  # 210 runs: what carries the gains of W* and D*, with every correction
    at_chosen corrected_controls 6_6_2 all "${CONTROLS[@]}" -- --seeds "${SEEDS:-10}"
}

# Each correction alone, on the variants that it touches; the others change what is reported, not the run. 1,890 runs.
REAL=('W*D*C' 'WD*C' 'WD*' 'W*D*C*' 'WD*C*' 'W!D*C' 'W!D*C*') GRID=('WDC' 'WD' 'W*DC*')
COMMUNICABLE=('W*D*C' 'WD*C' WDC 'W!D*C' 'W*D*C*' 'WD*C*' 'W*DC*' 'W!D*C*')
alone() {  # CORRECTION VARIANT...
    study "only_${1//+/_}" --connectome 6_6_2 --protocol "published+$1" --variants "${@:2}" --seeds "${SEEDS:-10}"
}
only_positions() { alone positions "${REAL[@]}"; }
only_scale() { alone scale "${REAL[@]}" "${GRID[@]}"; }
only_self_connections() { alone self_connections "${REAL[@]}" "${GRID[@]}"; }
only_communicability_anatomy() { alone communicability+anatomy "${COMMUNICABLE[@]}"; }
only_strength() { alone strength W; }
only_trials() {  # a data set for each seed, in both arms where networks do not diverge: what the one data set decides
    alone trials "${PUBLISHED[@]}"
    alone trials "${FUNCTIONAL[@]}" --recurrence nonnegative
}
only_test() { alone test "${PUBLISHED[@]}"; }

# The core of it in the other four fields, at the scales that 6_6_2 chose. 480 runs, of which the last 120 take one to two minutes each.
core() {  # FIELD, or FIELD TASK
    at_chosen "field_$1${2:+_$2}" "$1" "${2:-all}" "${CORE[@]}" -- --seeds "${SEEDS:-5}"
}
field_4_7_2() { core 4_7_2; }
field_5_3_2() { core 5_3_2; }
field_5_3_8() { core 5_3_8; }
field_9_3_2_go_nogo() { core 9_3_2 go_nogo; }
field_9_3_2_one_choice_inference() { core 9_3_2 one_choice_inference; }
field_9_3_2_perceptual_decision() { core 9_3_2 perceptual_decision; }

cheaper_9_3_2() {  # 20 runs: is it what they pay that stops networks of this size?
    study cheaper_9_3_2 --connectome 9_3_2 --tasks go_nogo perceptual_decision --protocol corrected,penalty_scale=0.000001 \
        --variants 'W*D*C' W --seeds "${SEEDS:-5}"
}

# 12,000 neurons, 56 runs for each task; POSITIONS is a table with x_nm, y_nm, z_nm.
scale() {
    "$PYTHON" "$here/../../examples/scale_study.py" ${POSITIONS:+--positions "$POSITIONS"} --tasks "$1" --out "$here/scale_$1.csv"
}
scale_go_nogo() { scale go_nogo; }
scale_perceptual_decision() { scale perceptual_decision; }

[ $# -gt 0 ] || set -- published controls
for name in "$@"; do "$name"; done
