#!/usr/bin/env bash
# run.sh [PYTEST OPTION …]: all tests on SQLite, then those that touch a database once more on MariaDB; and beside them,
# because they mostly wait, those that kill processes and cut connections.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
rm -f .coverage

if "$python" -c 'import MySQLdb' 2>/dev/null; then
    has_mariadb=yes
elif [ -n "${CI:-}" ]; then
    echo "MariaDB is not here, and a build must not leave it out." >&2
    exit 1
else
    has_mariadb=
    echo "Left out: the tests on MariaDB (see tests/prepare.sh)."
fi

if [ "$has_mariadb" ]; then
    log=$(mktemp) cache=$(mktemp -d)
    "$python" -m pytest --faults -o cache_dir="$cache" "$@" >"$log" 2>&1 &
    faults=$!
    trap 'kill "$faults" 2>/dev/null || true; rm -rf "$log" "$cache"' EXIT
fi
"$python" -m pytest --cov --cov-report= "$@"
if [ "$has_mariadb" ]; then
    "$python" -m tests.mariadb "$python" -m pytest --cov --cov-append --cov-report= --database-only "$@"
fi
"$python" -m coverage report
if [ "$has_mariadb" ]; then
    wait "$faults" && failed= || failed=yes
    cat "$log"
    if [ "$failed" ]; then
        echo "Rows have failed that shared the machine with the other tests. They count if they fail by themselves, too."
        "$python" -m pytest --faults --last-failed --last-failed-no-failures=none -o cache_dir="$cache" "$@"
    fi
fi
