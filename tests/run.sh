#!/usr/bin/env bash
# run.sh [PYTEST OPTION …]: all tests on SQLite, then those that touch a database once more on MariaDB, and those that
# kill processes and cut connections.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
rm -f .coverage

"$python" -m pytest --cov --cov-report= "$@"
if "$python" -c 'import MySQLdb' 2>/dev/null; then
    "$python" -m tests.mariadb "$python" -m pytest --cov --cov-append --cov-report= --database-only "$@"
    "$python" -m pytest --faults "$@"
elif [ -n "${CI:-}" ]; then
    echo "MariaDB is not here, and a build must not leave it out." >&2
    exit 1
else
    echo "Left out: the tests on MariaDB (see tests/prepare.sh)."
fi
"$python" -m coverage report
