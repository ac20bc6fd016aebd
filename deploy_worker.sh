#!/usr/bin/env bash
# Puts the worker on an Amazon Linux 2023 or Debian machine, keeps it there, and takes it away again.
# docs/worker.md explains it; `deploy_worker.sh --help` lists what it can do.
set -euo pipefail
umask 022
PATH=$PATH:/usr/sbin:/sbin

readonly USER_NAME=ytworker
readonly APP=/opt/yt-worker              # releases/ID, the links `current` and `previous`; belongs to root, so no job can change it
readonly CONFIG=/etc/yt-worker           # worker.env
readonly STATE=/var/lib/yt-worker        # the worker's own files, where no bucket or database is configured
readonly CACHE=/var/cache/yt-worker      # speech models from the hub, Deno's and yt-dlp's caches: all can be fetched again
readonly ENV_FILE=$CONFIG/worker.env
readonly UNITS=/etc/systemd/system
readonly UNIT=yt-worker@
readonly JOURNAL=ytworker                # a journal of its own, with a size of its own
readonly PARTS="manage.py requirements-build.lock requirements-worker.lock accounts transcripts videos ytbackend"
readonly START_SECONDS=${START_SECONDS:-60}

usage() {
    cat <<'TEXT'
usage: deploy_worker.sh [install|update] [--source DIR|TAR.GZ] [--env-file FILE] [--workers N] [--dry-run]
       deploy_worker.sh status
       deploy_worker.sh uninstall [--purge] [--dry-run]
       deploy_worker.sh pack FILE.tar.gz [--source DIR]

  install, update  the same: bring this machine to what is asked for; a second run changes nothing
  status           what runs, and whether database, queue, model and disk are there; exit 1 if something is amiss
  uninstall        ends the workers and removes all but their configuration and files
  pack             write the worker's source for another machine; the same source gives the same bytes

  --source         a checkout or what `pack` wrote (without it: the folder of this script, else the release that runs)
  --env-file       the environment, NAME=VALUE a line; kept as /etc/yt-worker/worker.env (needed the first time)
  --workers        how many run side by side (without it: as many as there are, at first 1)
  --dry-run        print every command and change nothing
  --purge          remove configuration, files and logs, too

A job in hand is finished if it is nearly done (GRACE_SECONDS in the environment), else given back at once. pip's own
variables (PIP_INDEX_URL, PIP_FIND_LINKS …) and HTTPS_PROXY work as usual. Needs root and systemd, except for pack.
TEXT
}

say() { printf '%s\n' "$*"; }
die() { printf 'deploy_worker.sh: %s\n' "$*" >&2; exit 1; }

# --- What changes something goes through `run`, `write` or `put`, which know --dry-run and count.

dry=
changes=0
run() {
    changes=$((changes + 1))
    if [ "$dry" ]; then printf '+'; printf ' %q' "$@"; echo; else "$@"; fi
}

quietly() {  # quietly COMMAND…: its output is shown only if it fails
    if [ "$dry" ]; then run "$@"; return; fi
    changes=$((changes + 1))
    "$@" >"$work/output" 2>&1 || { cat "$work/output" >&2; die "this failed (its output is above): $*"; }
}

put() {  # put FROM TO MODE OWNER: installs a file unless it is there already; what was there is kept for `roll_back`
    if cmp -s "$1" "$2" && [ "$(stat -c '%a %U:%G' "$2")" = "$3 $4" ]; then return; fi
    if [ -z "$dry" ] && [ ! -e "$work/before$2" ]; then
        mkdir -p "$work/before${2%/*}"
        if [ -e "$2" ]; then cp -p "$2" "$work/before$2"; else : >"$work/before$2"; fi
    fi
    run install -D -m "$3" -o "${4%:*}" -g "${4#*:}" "$1" "$2"
}

write() {  # write TO MODE OWNER, the text from standard input
    cat >"$work/text"
    if [ "$dry" ] && ! cmp -s "$work/text" "$1"; then sed "s|^|  $1: |" "$work/text"; fi
    put "$work/text" "$1" "$2" "$3"
}

# --- The machine

need_root() { [ "$(id -u)" = 0 ] || [ "$dry" ] || die "it must be run as root: sudo $0 $*"; }

need_systemd() {
    # sd_booted(3): this folder is there exactly where systemd runs the machine.
    if [ -d /run/systemd/system ]; then return; fi
    [ "$dry" ] || die "systemd does not run this machine. In a container use the image of the Dockerfile's target \"worker\"."
}

lock() {
    if [ "$dry" ]; then return; fi
    exec 9>/run/yt-worker-deploy.lock
    flock -n 9 || die "another deploy_worker.sh is at work on this machine."
}

distribution() {
    local ID='' ID_LIKE='' VERSION_ID=''
    # shellcheck source=/dev/null
    if [ -r /etc/os-release ]; then . /etc/os-release; fi
    case "$ID $ID_LIKE " in
    amzn\ *) [ "$VERSION_ID" = 2023 ] || die "Amazon Linux $VERSION_ID is not known here, but 2023 is."; echo amazon ;;
    *debian\ *) echo debian ;;
    *) die "this distribution (${ID:-without /etc/os-release}) is not known here: use Amazon Linux 2023 or Debian 12." ;;
    esac
}

find_python() {  # the newest Python of the system from 3.11 on that can make environments and compile for them
    local path
    for path in /usr{,/local}/bin/python3.13 /usr{,/local}/bin/python3.12 /usr{,/local}/bin/python3.11; do
        if [ -x "$path" ] && "$path" -c '
import ensurepip, pathlib, sys, sysconfig, venv
sys.exit(not pathlib.Path(sysconfig.get_path("include"), "Python.h").exists())' 2>/dev/null; then
            echo "$path"
            return
        fi
    done
    return 1
}

has_compiler() {
    cc --version >/dev/null 2>&1 && pkg-config --version >/dev/null 2>&1 &&
        { pkg-config --exists libmariadb || pkg-config --exists mysqlclient; }
}

is_ready() { find_python >/dev/null && has_compiler && [ -n "$(type -P dbus-daemon dbus-broker)" ]; }

install_packages() {
    if is_ready; then return; fi
    say "Installing Python, a compiler and the headers of the database driver …"
    local name
    case $distribution in
    amazon)  # a machine may be held at an older release, which has no 3.13 yet
        for name in python3.13 python3.12 python3.11; do
            if [ "$dry" ] || dnf -q list "$name" >/dev/null 2>&1; then break; fi
        done
        # No curl here: Amazon Linux comes with curl-minimal, which conflicts with it.
        quietly dnf install -y -q "$name" "$name-devel" "$name-pip" gcc mariadb-connector-c-devel \
            pkgconf-pkg-config tar gzip util-linux shadow-utils ;;
    debian)
        quietly apt-get update -qq
        quietly env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
            python3 python3-venv python3-dev gcc libc6-dev libmariadb-dev pkg-config ca-certificates dbus ;;
    esac
    if [ "$dry" ]; then return; fi
    find_python >/dev/null || die "there is no Python 3.11, 3.12 or 3.13 with venv and headers. Install one."
    has_compiler || die "there is no C compiler with MariaDB's headers, which mysqlclient is compiled with. Install them."
}

make_user() {
    if ! getent passwd "$USER_NAME" >/dev/null; then
        run useradd --system --user-group --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin "$USER_NAME"
    fi
}

# --- The source and its releases

unpack_source() {  # sets $source to a folder with the worker's source
    local given=$source
    [ -e "$source" ] || die "--source $source is not there."
    if [ -f "$source" ]; then
        mkdir "$work/source"
        tar -xzf "$source" -C "$work/source" --no-same-owner || die "--source $source is no archive that \`pack\` wrote."
        source=$work/source
        # An archive of a whole checkout has one folder around it.
        if [ ! -e "$source/manage.py" ]; then source=$(find "$source" -mindepth 1 -maxdepth 1 -type d | head -1); fi
    fi
    local part
    for part in $PARTS; do
        [ -e "$source/$part" ] || die "$given has no $part: it is not the worker's source. Give one with --source."
    done
    source=$(cd "$source" && pwd)
}

files_of_source() {  # relative names, sorted alike everywhere
    # shellcheck disable=SC2086 # the parts are separate words
    (cd "$source" && find $PARTS -type f -not -name '*.py[co]' | LC_ALL=C sort)
}

id_of_release() {  # the same source under the same Python is the same release
    (cd "$source" && files_of_source | tr '\n' '\0' | xargs -0 sha256sum && { "$python" -VV 2>/dev/null || true; }) | sha256sum | cut -c1-16
}

build() {  # build FOLDER: a release with an environment of its own; the file `complete` comes last
    if [ -e "$1/complete" ]; then return; fi
    say "Building the release ${1##*/} …"
    run rm -rf "$1"
    run mkdir -p "$1"
    files_of_source >"$work/files"
    run tar -cf "$work/source.tar" -C "$source" -T "$work/files" --mode=u=rwX,go=rX  # also of a checkout that is root's alone
    run tar -xf "$work/source.tar" -C "$1" --no-same-owner --no-same-permissions
    quietly "$python" -m venv "$1/venv"
    # The files that the locks name by their hashes, and no other. The first has what compiles the database's driver.
    local lock
    for lock in requirements-build.lock requirements-worker.lock; do
        quietly "$1/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
            --require-hashes --no-deps --no-build-isolation -r "$1/$lock"
    done
    # Nothing can be compiled later: the folder is read-only for the worker.
    quietly "$1/venv/bin/python" -m compileall -q "$1/accounts" "$1/transcripts" "$1/videos" "$1/ytbackend"
    # Names the release and not `current`: a worker that still runs when the link moves must not mix two releases.
    write "$1/manage" 755 root:root <<TEXT
#!/bin/sh
cd $1 && PATH=$1/venv/bin:\$PATH exec venv/bin/python manage.py "\$@"
TEXT
    run touch "$1/complete"
}

pack() {
    [ -n "$target" ] || die "pack needs the name of a file: deploy_worker.sh pack dist/worker.tar.gz"
    if [ -d "$target" ]; then die "$target is a folder: pack needs the name of a file."; fi
    unpack_source
    mkdir -p "$(dirname "$target")"
    { files_of_source; if [ -f "$source/deploy_worker.sh" ]; then echo deploy_worker.sh; fi; } >"$work/files"
    tar -cf - -C "$source" -T "$work/files" --owner=0 --group=0 --numeric-owner --mtime=@0 --mode=u=rwX,go=rX --format=ustar |
        gzip -9n >"$target"
    say "$target: $(wc -l <"$work/files") files, $(stat -c %s "$target") bytes, sha256 $(sha256sum "$target" | cut -d' ' -f1)"
}

# --- The units

of_environment() {  # of_environment NAME DEFAULT: a value of the environment file in force
    local value
    value=$(sed -n "s/^$1=[\"']\\{0,1\\}\\([^\"']*\\).*/\\1/p" "$wanted_env" 2>/dev/null | tail -1)
    echo "${value:-$2}"
}

# What both the service and the checks before it run under (systemd.exec(5)). Left out, because they were tried and
# break the worker: MemoryDenyWriteExecute (Deno and the speech engine compile to machine code as they run: both die of
# it), ProcSubset=pid (the engine reads in /proc/cpuinfo what the processor can do, and is slower without).
sandbox() {
    cat <<TEXT
User=$USER_NAME
Group=$USER_NAME
EnvironmentFile=${1:-$ENV_FILE}
StateDirectory=yt-worker
CacheDirectory=yt-worker
UMask=0077
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
PrivateTmp=yes
PrivateDevices=$([ -e /dev/nvidiactl ] && echo no || echo yes)
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RemoveIPC=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
LimitCORE=0
TEXT
}

variables() {  # what the environment file may change
    cat <<TEXT
PYTHONUNBUFFERED=1
PYTHONDONTWRITEBYTECODE=1
HOME=$STATE
DATA_DIR=$STATE
HF_HOME=$CACHE/huggingface
XDG_CACHE_HOME=$CACHE
DENO_DIR=$CACHE/deno
TMPDIR=/var/tmp
TEXT
}

write_units() {
    local grace
    grace=$(of_environment GRACE_SECONDS 25)
    write "$UNITS/$UNIT.service" 644 root:root <<TEXT
# Written by deploy_worker.sh; changes of your own belong in a drop-in: systemctl edit ${UNIT}.service
[Unit]
Description=Worker %i: YouTube videos into transcripts
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=$APP/current/manage run_worker
# For ever, but never in a tight circle. A stop by SIGTERM ends it for good.
Restart=always
RestartSec=15
# SIGTERM to the worker alone: idle it ends at once; busy it finishes within GRACE_SECONDS or gives the job back, for
# which it waits a minute for a database that is down. What is left after that is killed, its children with it.
KillMode=mixed
TimeoutStopSec=$((grace + 90))
Slice=ytworker.slice
TasksMax=512
LimitNOFILE=4096
Nice=5
# Where memory runs out it is a decoder that goes first, and that costs an attempt; the worker is started again if it was it.
OOMPolicy=continue
LogNamespace=$JOURNAL
$(variables | sed 's/^/Environment=/')
$(sandbox)

[Install]
WantedBy=multi-user.target
TEXT
    write "$UNITS/ytworker.slice" 644 root:root <<TEXT
# Written by deploy_worker.sh. All workers together: a job that wants more memory than there is ends, not the machine.
[Slice]
MemoryMax=90%
CPUWeight=50
TEXT
    write "/etc/systemd/journald@$JOURNAL.conf" 644 root:root <<TEXT
# Written by deploy_worker.sh. The workers' log rotates by itself (journald.conf(5)).
[Journal]
Storage=persistent
SystemMaxUse=200M
MaxRetentionSec=30day
RateLimitBurst=0
TEXT
}

instances() { find "$UNITS/multi-user.target.wants" -name "$UNIT*.service" -printf '%f\n' 2>/dev/null | sort -V; }

# --- Checks, in the same sandbox as the service

sandboxed() {  # sandboxed RELEASE ENVIRONMENT-FILE ARGUMENT…: manage.py of a release
    local options=() line
    while IFS= read -r line; do options+=(-p "$line"); done < <(sandbox "$2")
    while IFS= read -r line; do options+=(-E "$line"); done < <(variables)
    systemd-run --quiet --wait --collect --pipe --slice=ytworker.slice "${options[@]}" "$1/manage" "${@:3}"
}

check() {  # check RELEASE: would it work? What is only away for a while does not stop a first installation.
    say "Checking the release: settings, database, speech model …"
    if [ "$dry" ]; then run systemd-run --wait "$1/manage" check; return; fi
    sandboxed "$1" "$work/env" check || die "the release refuses its settings (above): mend $wanted_env. What runs was not touched."
    if ! sandboxed "$1" "$work/env" shell --no-imports -c 'from transcripts.worker import speech, youtube; speech.engine()'; then
        passing "the speech model cannot be loaded: SPEECH_MODEL must be a name on the hub, which this machine can reach" \
            "(or HF_HOME holds it), or a folder below /opt or /srv that $USER_NAME can read."
    fi
    if ! sandboxed "$1" "$work/env" shell --no-imports -c \
        'import sys; from transcripts.worker import decoding; sys.exit(decoding.lacking() or None)'; then
        say "Warning: this machine does not keep the decoder from all that it should (above). It works all the same."
    fi
    if ! sandboxed "$1" "$work/env" migrate --check >"$work/output" 2>&1; then
        if grep -q Error "$work/output"; then
            passing "the database does not answer ($(tail -1 "$work/output")): look at DATABASE_URL and the security group."
        else
            passing "the database lacks migrations of this release: run them first (docs/deploy.md)."
        fi
    fi
}

passing() {
    if [ -e "$APP/current" ]; then die "$* The workers go on with the release they have."; fi
    say "Warning: $* The worker is started all the same and tries again by itself."
}

property() { systemctl show -P "$2" "$1"; }

has_started() {  # has_started UNIT: it says so itself, or it has run for START_SECONDS without falling over
    local deadline=$((SECONDS + START_SECONDS)) id
    id=$(property "$1" InvocationID)
    while ((SECONDS < deadline)); do
        if [ "$(property "$1" NRestarts)" != 0 ] || [ "$(property "$1" ActiveState)" != active ]; then return 1; fi
        if journalctl --namespace="$JOURNAL" -q -o cat "_SYSTEMD_INVOCATION_ID=$id" 2>/dev/null |
            grep -q 'waiting for messages'; then return; fi
        sleep 1
    done
    return 0
}

start() {  # start UNIT: with what is there now; false, with its last words, if it falls over
    if [ "$dry" ]; then run systemctl restart "$1"; return; fi
    changes=$((changes + 1))
    systemctl reset-failed "$1" 2>/dev/null || true
    if systemctl restart "$1" && has_started "$1"; then return; fi
    journalctl --namespace="$JOURNAL" -q -o cat -n 8 -u "$1" >&2 || true
    return 1
}

# --- Commands

install_or_update() {
    local previous='' earlier='' restart='' release unit first wanted
    need_root "$@"
    need_systemd
    distribution=$(distribution)
    unpack_source
    wanted_env=${env_file:-$ENV_FILE}
    [ -f "$wanted_env" ] && [ -r "$wanted_env" ] || die "there is no $wanted_env. Give the environment with --env-file (see .env.example)."
    if grep -nvE '^[[:space:]]*(#.*)?$|^[A-Za-z_][A-Za-z0-9_]*=' "$wanted_env" | cut -d: -f1 | grep -q .; then
        die "$wanted_env has lines that are not NAME=VALUE: $(grep -nvE '^[[:space:]]*(#.*)?$|^[A-Za-z_][A-Za-z0-9_]*=' "$wanted_env" | cut -d: -f1 | xargs)."
    fi
    for name in DJANGO_SECRET_KEY DATABASE_URL SQS_QUEUE_URL; do
        [ -n "$(of_environment $name '')" ] || die "$name is not set in $wanted_env."
    done
    [[ $(of_environment GRACE_SECONDS 25) =~ ^[0-9]+$ ]] ||
        die "GRACE_SECONDS is '$(of_environment GRACE_SECONDS 25)' in $wanted_env, but must be a number of seconds."
    case $(of_environment SPEECH_MODEL small) in
    /home/* | /root/* | /tmp/* | /var/tmp/*) die "SPEECH_MODEL is in a folder that the worker cannot see. Move it to /opt or /srv." ;;
    esac

    lock
    install_packages
    python=$(find_python || { [ "$dry" ] && echo /usr/bin/python3.13; })
    make_user
    release=$APP/releases/$(id_of_release)
    build "$release"
    if [ -L "$APP/current" ]; then previous=$(readlink "$APP/current"); fi
    if [ -L "$APP/previous" ]; then earlier=$(readlink "$APP/previous"); fi
    mapfile -t present < <(instances)
    wanted=${workers:-${#present[@]}}
    if [ "$wanted" = 0 ]; then wanted=1; fi

    if [ -e "$APP/unfinished" ]; then restart=yes; fi
    cp "$wanted_env" "$work/env"
    if [ "$previous" != "$release" ] || ! cmp -s "$work/env" "$ENV_FILE"; then check "$release"; fi
    put "${BASH_SOURCE[0]}" "$APP/deploy_worker.sh" 755 root:root
    local before=$changes
    if [ -z "$dry" ]; then touch "$APP/unfinished"; fi
    put "$work/env" "$ENV_FILE" 640 root:$USER_NAME
    write_units
    if [ "$changes" != "$before" ]; then run systemctl daemon-reload; restart=yes; fi
    if [ "$previous" != "$release" ]; then restart=yes; fi
    # All at once, and the link moves only then: a job that is given back goes to the new release, and is given back once.
    if [ "$restart" ] && [ "${#present[@]}" != 0 ]; then
        stopped=("${present[@]}")
        run systemctl stop "${present[@]}"
    fi
    if [ "$previous" != "$release" ]; then
        switch "$release"
        if [ "$previous" ]; then run ln -sfn "$previous" "$APP/previous"; fi
    fi

    stopped=()
    first=yes
    for ((number = 1; number <= wanted; number++)); do
        unit=$UNIT$number.service
        if [ ! -L "$UNITS/multi-user.target.wants/$unit" ]; then run systemctl enable --quiet "$unit"; fi
        if [ -z "$restart" ] && [ "$(property "$unit" ActiveState 2>/dev/null)" = active ]; then continue; fi
        if ! start "$unit"; then
            if [ "$first" ] && [ "$previous" ]; then roll_back "$previous"; fi
            die "$unit does not start (its last words are above). See: journalctl --namespace=$JOURNAL -u $unit"
        fi
        first=
    done
    for unit in "${present[@]}"; do
        number=${unit#"$UNIT"}
        if [ "${number%.service}" -gt "$wanted" ]; then run systemctl disable --quiet --now "$unit"; fi
    done
    prune
    if [ -z "$dry" ]; then rm -f "$APP/unfinished"; fi
    local active="$wanted workers active"
    if [ "$wanted" = 1 ]; then active="1 worker active"; fi
    if [ "$changes" = 0 ]; then
        say "Nothing to change: release ${release##*/}, $active."
    elif [ -z "$dry" ]; then
        say "Done: release ${release##*/}, $active."
    fi
}

switch() {  # switch RELEASE: the link moves in one step
    run ln -sfn "$1" "$APP/next"
    run mv -T "$APP/next" "$APP/current"
}

roll_back() {  # roll_back RELEASE: to the release and the files there were before
    local file unit
    say "Going back to the release ${1##*/}: the new one does not start." >&2
    while IFS= read -r file; do
        if [ -s "$work/before$file" ]; then cp -p "$work/before$file" "$file"; else rm -f "$file"; fi
    done < <(cd "$work/before" 2>/dev/null && find . -type f -path './etc/*' -printf '/%P\n')
    systemctl daemon-reload
    switch "$1"
    if [ "$earlier" ]; then ln -sfn "$earlier" "$APP/previous"; else rm -f "$APP/previous"; fi
    for unit in "${present[@]}"; do
        start "$unit" || die "the old release does not start either. See: journalctl --namespace=$JOURNAL -u $unit"
    done
    die "the new release does not start (its last words are above). The old one, ${1##*/}, is running again."
}

prune() {  # all releases but those that run now and ran before
    local folder
    for folder in "$APP"/releases/*; do
        if [ -d "$folder" ] && ! [[ $folder -ef $APP/current || $folder -ef $APP/previous || -n $dry ]]; then
            run rm -rf "$folder"
        fi
    done
}

readonly REPORT='
import shutil, sys
from django.conf import settings
from django.db import connection
from transcripts.worker import speech
failed = False
def tell(what, ask):
    global failed
    try:
        print(f"{what:10}{ask()}")
    except Exception as error:
        failed = True
        print(f"{what:10}FAILED: {error}")
def database():
    connection.ensure_connection()
    return f"{connection.vendor} answers"
def schema():
    from django.db.migrations.executor import MigrationExecutor
    executor = MigrationExecutor(connection)
    if missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise ValueError(f"{len(missing)} migrations are missing: run them (docs/deploy.md)")
    return "has all migrations"
def queue():
    import boto3
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    found = boto3.client("sqs", region_name=settings.AWS_REGION).get_queue_attributes(
        QueueUrl=settings.SQS_QUEUE_URL, AttributeNames=names)["Attributes"]
    return "{} waiting, {} in hand, {} delayed".format(*(found[name] for name in names))
def model():
    speech.check()
    return settings.SPEECH_MODEL
def disk():
    free = shutil.disk_usage("/var/tmp").free >> 20
    if free < 2 * settings.MAX_AUDIO_MEGABYTES:
        raise OSError(f"{free} MB free, and one job may need {2 * settings.MAX_AUDIO_MEGABYTES}")
    return f"{free} MB free"
tell("database", database), tell("schema", schema), tell("queue", queue), tell("model", model), tell("disk", disk)
sys.exit(failed)'

status() {
    local unit memory amiss=
    need_root status
    need_systemd
    [ -e "$APP/current/complete" ] || die "the worker is not installed here."
    say "release   $(basename "$(readlink "$APP/current")")"
    mapfile -t present < <(instances)
    if [ "${#present[@]}" = 0 ]; then amiss=yes; say "workers   FAILED: none is enabled"; fi
    for unit in "${present[@]}"; do
        memory=$(property "$unit" MemoryCurrent)
        if [[ $memory =~ ^[0-9]+$ ]] && ((memory < 1 << 50)); then memory=", $((memory >> 20)) MB"; else memory=; fi
        say "worker ${unit//[^0-9]/}  $(property "$unit" ActiveState) since $(property "$unit" ActiveEnterTimestamp)," \
            "$(property "$unit" NRestarts) restarts$memory"
        if [ "$(property "$unit" ActiveState)" != active ]; then amiss=yes; fi
    done
    sandboxed "$APP/current" "$ENV_FILE" shell --no-imports -c "$REPORT" || amiss=yes
    say "log       journalctl --namespace=$JOURNAL -u '$UNIT*' -f"
    [ -z "$amiss" ]
}

uninstall() {
    local unit path
    need_root uninstall
    need_systemd
    lock
    mapfile -t present < <(instances)
    for unit in "${present[@]}"; do run systemctl disable --quiet --now "$unit"; done
    if [ -e "$UNITS/ytworker.slice" ]; then run systemctl stop ytworker.slice; fi
    if systemctl is-active --quiet "systemd-journald@$JOURNAL.service" 2>/dev/null; then
        run systemctl stop "systemd-journald@$JOURNAL.socket" "systemd-journald-varlink@$JOURNAL.socket" \
            "systemd-journald@$JOURNAL.service"
    fi
    local gone=("$UNITS/$UNIT.service" "$UNITS/$UNIT.service.d" "$UNITS/ytworker.slice" "/etc/systemd/journald@$JOURNAL.conf" "$APP" "$CACHE")
    if [ "$purge" ]; then gone+=("$CONFIG" "$STATE"); for path in /var/log/journal/*."$JOURNAL"; do gone+=("$path"); done; fi
    for path in "${gone[@]}"; do if [ -e "$path" ]; then run rm -rf "$path"; fi; done
    if [ "$changes" != 0 ]; then run systemctl daemon-reload; fi
    if [ -e "$ENV_FILE" ] && [ "$(stat -c %a "$ENV_FILE")" != 600 ]; then
        run chown root:root "$ENV_FILE"  # the group goes with the user
        run chmod 600 "$ENV_FILE"
    fi
    if [ -e "$STATE" ] && ! [ "$(stat -c %U "$STATE")" = root ]; then run chown -R root:root "$STATE"; fi
    if getent passwd "$USER_NAME" >/dev/null; then run userdel "$USER_NAME"; fi
    if [ "$changes" = 0 ]; then say "Nothing to remove."; elif [ -z "$dry" ]; then
        say "Removed. Packages of the system stay$([ "$purge" ] || echo ", and so do $CONFIG and $STATE (--purge)")."
    fi
}

# --- Arguments

command=install
case ${1:-} in install | update | status | uninstall | pack) command=$1; shift ;; esac
source=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ ! -e "$source/manage.py" ] && [ -e "$APP/current" ]; then source=$APP/current; fi
env_file='' workers='' purge='' target=''
while [ $# -gt 0 ]; do
    case $1 in
    --source | --env-file | --workers) [ $# -gt 1 ] || die "$1 needs a value." ;;&
    --source) source=$2; shift ;;
    --env-file) env_file=$2; shift ;;
    --workers) workers=$2; shift ;;
    --dry-run) dry=yes ;;
    --purge) purge=yes ;;
    -h | --help) usage; exit ;;
    *) if [ "$command" = pack ] && [ -z "$target" ] && [[ $1 != -* ]]; then target=$1; else
        die "$1 is not known. See: $0 --help"; fi ;;
    esac
    shift
done
if [ -n "$workers" ] && ! [[ $workers =~ ^[1-9][0-9]?$ ]]; then die "--workers is '$workers', but must be a number from 1 to 99."; fi

work=$(mktemp -d)
stopped=()  # workers that wait for their release; they run again, whatever ends this script
finish() {
    if [ "${#stopped[@]}" != 0 ] && [ -z "$dry" ]; then systemctl start "${stopped[@]}" || true; fi
    rm -rf "$work"
}
trap finish EXIT
trap '' HUP  # a terminal that goes away leaves no worker stopped
case $command in
install | update) install_or_update "$command" ;;
*) "$command" ;;
esac
