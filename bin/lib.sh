# shellcheck shell=sh
# Set-up that bin/run and bin/test share; they source it with `project`, the absolute path of the
# project, as the current folder.
#
# What is installed is compared with the requirements word for word, so a start with nothing to
# install costs one start of python3 and reaches for no network.

# Modules of the caller's own must not stand in for the pinned ones. Every variable of Python's goes
# (PYTHONPATH, PYTHONHOME, PYTHONUSERBASE, PYTHONWARNINGS and more name code) but those about output.
for name in $(env | sed -n 's/^\(PYTHON[A-Z0-9_]*\)=.*/\1/p'); do
    case $name in
        PYTHONDONTWRITEBYTECODE | PYTHONUNBUFFERED) ;;
        *) unset "$name" ;;
    esac
done

: "${project:?}"
venv=.venv
python=$venv/bin/python
step_log=
trap 'rm -f -- "$step_log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() {
    printf '%s\n' "$*" >&2
}

fail() {
    say "${0##*/}: $*"
    exit 1
}

# step WHAT ADVICE COMMAND...: run it silently; when it fails, show the end of what it printed.
step() {
    step_what=$1 step_advice=$2
    shift 2
    printf '%s ... ' "$step_what" >&2
    step_log=$(mktemp)
    step_began=$(date +%s)
    if "$@" >"$step_log" 2>&1 </dev/null; then
        say "done ($(($(date +%s) - step_began)) s)"
        rm -f -- "$step_log"
        return
    fi
    say "failed"
    say
    tail -n 20 -- "$step_log" | sed 's/^/    /' >&2
    say
    fail "$step_advice"
}

# The first of the usual names that is Python 3.11 or later becomes `base_python`.
find_python() {
    python_found=
    for base_python in python3 python3.14 python3.13 python3.12 python3.11; do
        version=$("$base_python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' \
            2>/dev/null) || continue
        case $version in
            3.1[1-9] | 3.[2-9][0-9]) return ;;
        esac
        python_found="${python_found:-python3 here is Python $version. }"
    done
    fail "Python 3.11 or later is needed. ${python_found:-There is no python3 on the PATH. }Install it\
 (Debian, Ubuntu: apt-get install python3 python3-venv; macOS: brew install python3), then try again."
}

# Descriptor 9 holds the lock; the kernel lets go of it however this shell ends.
take_set_up_lock() {
    mkdir -p -- "$venv" || fail "This folder cannot be written to: $project"
    exec 9>"$venv/set-up.lock"
    if ! lock_set_up LOCK_EX+fcntl.LOCK_NB 2>/dev/null; then
        say "Another set-up of this folder is at work; waiting for it."
        lock_set_up LOCK_EX || fail "The set-up lock of $project cannot be taken."
    fi
}

lock_set_up() {
    "$base_python" -c "import fcntl; fcntl.flock(9, fcntl.$1)" 9>&9
}

release_set_up_lock() {
    exec 9>&-
}

# requirements KIND: what is to be installed, to run (`run`) or to check as well (`dev`).
requirements() {
    cat requirements.txt constraints.txt
    [ "$1" = run ] || cat requirements-dev.txt
}

python_wanted() {
    "$python" -I -c 'import sys; print("python %d.%d" % sys.version_info[:2])' 2>/dev/null || return
    requirements "$1"
}

python_is_set_up() {
    [ -x "$python" ] && python_wanted "$1" | cmp -s - "$venv/installed-$1"
}

npm_packages_wanted() {
    cat package.json package-lock.json
}

npm_packages_are_set_up() {
    npm_packages_wanted | cmp -s - "node_modules/.installed-$1"
}

is_set_up() {
    python_is_set_up "$1" && npm_packages_are_set_up "$1"
}

# set_up KIND: afterwards .venv and node_modules hold what is wanted.
set_up() {
    is_set_up "$1" && return
    find_python
    take_set_up_lock
    python_is_set_up "$1" || set_up_python "$1"
    npm_packages_are_set_up "$1" || set_up_npm_packages "$1"
    release_set_up_lock
}

set_up_python() {
    # An environment made by another Python, or half made, is made anew.
    if ! "$python" -I -c 'import sys, django; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        find "$venv" -mindepth 1 -maxdepth 1 ! -name set-up.lock -exec rm -rf -- {} +
        make_environment
    fi
    file=requirements.txt
    [ "$1" = run ] || file=requirements-dev.txt
    step "Installing Python packages" \
        "Python's packages could not be installed. Look at the lines above: without network, or
behind a proxy, tell pip about it (pip config), then run this again." \
        pip_install -r "$file"
    python_wanted run >"$venv/installed-run"
    [ "$1" = run ] || python_wanted dev >"$venv/installed-dev"
}

# Debian keeps what brings pip into an environment in a package of its own; pip installed for the
# system does as well.
make_environment() {
    if "$base_python" -c 'import ensurepip, venv' 2>/dev/null; then
        step "Making the Python environment" \
            "The folder .venv could not be made. Look at the lines above, then run this again." \
            "$base_python" -m venv "$venv"
        return
    fi
    if ! "$base_python" -c 'import venv' 2>/dev/null || ! "$base_python" -m pip --version \
        >/dev/null 2>&1; then
        fail "This Python cannot make environments. Install what is missing (Debian, Ubuntu:
apt-get install python3-venv), then run this again."
    fi
    step "Making the Python environment with the system's pip" \
        "The folder .venv could not be made. Install python3-venv, then run this again." \
        "$base_python" -m venv --without-pip "$venv"
}

pip_install() {
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m pip install --no-input --disable-pip-version-check --progress-bar off "$@"
    else
        "$base_python" -m pip --python "$python" install --no-input --disable-pip-version-check \
            --progress-bar off "$@"
    fi
}

set_up_npm_packages() {
    find_npm
    omitted=
    [ "$1" = dev ] || omitted=--omit=dev
    # No package of ours needs an install script, so none gets to run one.
    step "Installing front-end packages" \
        "The front-end packages could not be installed. Look at the lines above: without network,
or behind a proxy, tell npm about it (npm config), then run this again." \
        env PATH="$npm_path" npm ci $omitted --ignore-scripts --no-audit --no-fund --loglevel=error
    npm_packages_wanted >node_modules/.installed-run
    [ "$1" = run ] || npm_packages_wanted >node_modules/.installed-dev
}

# `npm_path` becomes the PATH with an npm on it: the system's if it is recent enough, else PyPI's.
# The PATH itself is left alone, for the server hands it on to the programs that it runs.
find_npm() {
    npm_path=$PATH
    npm_version=$(npm --version 2>/dev/null) || npm_version=0
    [ "${npm_version%%.*}" -lt 9 ] || return 0
    npm_path=$project/$venv/bin:$PATH
    [ ! -x "$venv/bin/npm" ] || return 0
    step "Installing Node.js, which brings npm" \
        "npm could not be installed. Install Node.js 20 or later, then run this again." \
        pip_install -r requirements-node.txt
}
