#!/usr/bin/env bash
# The studies behind docs/results.md, by name, or all that it shows. Each goes on where it was stopped; its runs end up beside this file.
#
#   DATA=folder-with-the-fields WORKERS=2 docs/results/run.sh published
#
# The numbers of a run do not depend on WORKERS; processors of another make may round them differently.
set -euo pipefail
set -f  # a variant's name may hold *
here=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python}
PUBLISHED=('W*D*C' 'WD*C' WDC 'WD*' WD W 'W*D*C*' 'WD*C*' 'W*DC*' 'W!D*C' 'W!D*C*')
CONTROLS=('W*[diagonal]D*C' 'W[diagonal]D*C' 'W*[shuffled]D*C' 'W*[no-diagonal]D*C' 'W[positive]D*C' 'WD*[shuffled]C' 'W*D*[shuffled]C')
CORE=('W*D*C' 'W*[diagonal]D*C' 'W*[shuffled]D*C' 'W*[no-diagonal]D*C' 'WD*C' 'WD*[shuffled]C' WDC W)

study() {  # NAME OPTIONS...
    "$PYTHON" -m graphcortex.cli study ${DATA:+--data-root "$DATA"} --workers "${WORKERS:-1}" --out "results/$1" "${@:2}"
    cp "results/$1/runs.csv" "$here/$1.csv"
}

published() {  # 660 runs: the study itself
    study published --field 6_6_2 --protocol published --variants "${PUBLISHED[@]}" --recurrence free nonnegative --seeds 10
}

data_sets() {  # 60 runs: what another data set changes, one for each seed
    study data_sets --field 6_6_2 --protocol published+trials --tasks go_nogo perceptual_decision --variants W 'W*D*C*' 'W*DC*' --seeds 10
}

controls() {  # 210 runs: what carries the gains of W* and D*, under the same protocol
    study controls --field 6_6_2 --protocol published --variants "${CONTROLS[@]}" --seeds 10
}

tuning() {  # 198 runs: how much to pay, on validation trials and on seeds of its own, the same choice for all
    study tuning --field 6_6_2 --protocol corrected,penalty_scale=0.01 corrected,penalty_scale=0.1 corrected \
        --variants "${PUBLISHED[@]}" --seeds 2 --first-seed 100
}

corrected() {  # 660 runs: the study with every correction, at the scales that tuning chose (chosen.csv, by examples/what_stands.py)
    while IFS=, read -r task scale variants; do
        [ "$task" = task ] || study corrected --field 6_6_2 --tasks "$task" --protocol "corrected,penalty_scale=$scale" \
            --variants $variants --recurrence free nonnegative --seeds "${SEEDS:-10}"
    done < "$here/chosen.csv"
}

corrections() {  # 1,590 runs: each correction alone, on the variants that it touches; the others change what is reported, not the run
    alone() { study corrections --field 6_6_2 --protocol "published+$1" --variants "${@:2}" --seeds 10; }
    local real=('W*D*C' 'WD*C' 'WD*' 'W*D*C*' 'WD*C*' 'W!D*C' 'W!D*C*') length=('WDC' 'WD' 'W*DC*')
    alone positions "${real[@]}"
    alone scale "${real[@]}" "${length[@]}"
    alone self_connections "${real[@]}" "${length[@]}"
    alone communicability+anatomy 'W*D*C' 'WD*C' WDC 'W!D*C' 'W*D*C*' 'WD*C*' 'W*DC*' 'W!D*C*'
    alone strength W
    alone trials "${PUBLISHED[@]}"
    alone test "${PUBLISHED[@]}"
}

fields() {  # 480 runs: the core of it in the other four fields, as 6_6_2 chose to pay
    study fields --field 4_7_2 5_3_2 5_3_8 9_3_2 --protocol "${PROTOCOL:-corrected}" --variants "${CORE[@]}" --seeds 5
}

scale() {  # 96 runs of 12,000 neurons; POSITIONS is a table with x_nm, y_nm, z_nm
    "$PYTHON" "$here/../../examples/scale_study.py" ${POSITIONS:+--positions "$POSITIONS"} --out "$here/scale.csv"
}

[ $# -gt 0 ] || set -- published controls data_sets  # those of the page
for name in "$@"; do "$name"; done
