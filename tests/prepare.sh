#!/usr/bin/env bash
# prepare.sh PYTHON: installs what tests and checks need into PYTHON's environment; on Debian and Ubuntu with
# root also MariaDB, the headers for its driver, systemd-nspawn, and Chromium. Where that cannot be had, it says what is left out.
set -euo pipefail
python=$1

has() {
    for program in "$@"; do
        PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || return 1
    done
}
has_mariadb() { has mariadbd mariadb-install-db mariadb_config pkg-config cc; }

if ! { has_mariadb && has systemd-nspawn chromium; } && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing MariaDB, the headers of its driver, a systemd to throw away, and Chromium …"
    apt-get update -qq
    # The core packages bring the programs without a service that starts by itself.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        mariadb-server-core mariadb-client-core libmariadb-dev pkg-config build-essential systemd-container \
        chromium pocketsphinx-testdata >/dev/null  # the last: human speech with a known text, to listen to
fi

if ! has chromium && ! has chromium-browser && ! has google-chrome; then
    echo "Left out, because Chromium is not here: the tests that look at docs and admin in a browser."
fi

echo "Installing Python packages …"
if has_mariadb; then
    "$python" -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
else
    echo "Left out, because MariaDB and a C compiler are not here: mysqlclient, and the tests on MariaDB."
    all=$(mktemp)
    trap 'rm -f "$all"' EXIT
    sed '/^-[cr] /d; /^mysqlclient==/d' \
        requirements.txt requirements-worker.txt local/requirements.txt requirements-dev.txt >"$all"
    "$python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -r "$all"
fi
