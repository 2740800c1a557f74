# Sourced by the scripts beside it: sets ROOT, and makes ROOT/.venv with all that
# mvhg_tf needs (pyproject.toml says what); with OLDEST=true, ROOT/.venv-oldest with the oldest
# versions of it. Needs bash, and Python 3.10 to 3.13.

set -euo pipefail

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
OLDEST="${OLDEST:-false}"
VENV="$ROOT/.venv"
if "$OLDEST"; then VENV="$ROOT/.venv-oldest"; fi

fail() {
    echo "$(basename "$0"): $1" >&2
    exit 2
}

python_version() {
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 python3.10; do
        if [[ "$(python_version "$candidate")" =~ ^3\.1[0-3]$ ]]; then
            echo "$candidate"
            return
        fi
    done
    fail "There is no Python 3.10 to 3.13: install one, or set PYTHON to its path."
}

# What the environment was made from; when it changes, it is brought up to date.
environment_stamp() {
    cat "$ROOT/pyproject.toml" "${BASH_SOURCE[0]}" | cksum
    echo "$ROOT"
}

# The oldest versions that pyproject.toml allows, as pip's constraints.
oldest_versions() {
    sed -n '/^dependencies = \[/,/^\]/ s/^    "\([a-z0-9-]*\)>=\(.*\)",$/\1==\2/p' \
        "$ROOT/pyproject.toml"
}

# Runs a command with its output in a log; shows a running clock on a terminal.
with_clock() {
    local log="$1" what="$2" start=$SECONDS pid
    shift 2
    echo "$what" >&2
    "$@" >>"$log" 2>&1 &
    pid=$!
    # Bash shields background commands from Ctrl-C.
    trap 'kill "$pid" 2>/dev/null; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
        if [ -t 2 ]; then printf '\r  %d s ' "$((SECONDS - start))" >&2; fi
        sleep 1
    done
    if [ -t 2 ]; then printf '\r        \r' >&2; fi
    if ! wait "$pid"; then
        tail -n 15 "$log" >&2
        fail "This failed: $what The whole log is in $log."
    fi
    trap - INT TERM
}

prepare_environment() {
    local stamp="$VENV/mvhg_tf.stamp" log="$VENV/install.log" python pip
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(environment_stamp)" ] &&
        "$VENV/bin/python" -c '' 2>/dev/null
    then
        return
    fi
    if ! "$VENV/bin/python" -c '' 2>/dev/null; then
        python="$(find_python)"
        if [ -e "$VENV" ] && [ ! -e "$VENV/pyvenv.cfg" ]; then
            fail "$VENV is in the way of the environment: move it."
        fi
        echo "Making the environment $VENV with $("$python" --version)." >&2
        "$python" -m venv --clear "$VENV" ||
            fail "$python can't make a virtual environment: install its venv module."
    fi
    rm -f "$stamp"
    # -E: a PYTHONPATH must not pass for what is installed.
    pip=("$VENV/bin/python" -E -m pip install --disable-pip-version-check)
    if "$OLDEST"; then
        oldest_versions >"$VENV/oldest.txt"
        pip+=(--constraint "$VENV/oldest.txt")
    fi
    # Without its requirements, which are those of TensorFlow 1: ours are the rest.
    with_clock "$log" "Installing disentanglement_lib." \
        "${pip[@]}" --no-deps disentanglement-lib==1.5
    with_clock "$log" "Installing mvhg_tf and what it needs (once; some minutes, 2 GB)." \
        "${pip[@]}" --editable "$ROOT[test]"
    with_clock "$log" "Putting our programs in place of disentanglement_lib's." \
        "$VENV/bin/mvhg_setup_programs"
    environment_stamp >"$stamp"
}
