#!/usr/bin/env bash
# worker_machine.sh install|tend: what makes a machine of the auto-scaling group a worker, and what it owes the group.
# It lies in the artifacts bucket beside worker.tar.gz; the launch template of infrastructure.yaml fetches it, writes
# /etc/yt-machine.env and runs `install`. A timer runs `tend` every minute.
set -euo pipefail
umask 077
readonly CONFIG=${YT_MACHINE_ENV:-/etc/yt-machine.env}
readonly FOLDER=${YT_WORKER_FOLDER:-/etc/yt-worker}
readonly STATE=${YT_MACHINE_STATE:-/run/yt-machine-protected}
readonly UNITS=${YT_UNITS:-/etc/systemd/system}
readonly METADATA=${YT_METADATA:-http://169.254.169.254/latest} # https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
readonly GROUP=yt-backend-worker
set -a
# shellcheck source=/dev/null
. "$CONFIG"
set +a
export AWS_DEFAULT_REGION=$AWS_REGION

secret() { aws secretsmanager get-secret-value --secret-id "$1" --query SecretString --output text; }

metadata() {
    local token
    token=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$METADATA/api/token")
    curl -sf -m 5 -H "X-aws-ec2-metadata-token: $token" "$METADATA/meta-data/$1"
}

# RDS changes the password every seven days. MySQL's driver reads this file with each new connection, so a worker goes
# on with its job; the password in its environment would be the old one until it starts anew.
write_password() {
    install -d -m 0755 "$FOLDER" # the files in it are for their group
    secret "$DATABASE_SECRET" | python3 -c '
import json, sys

secret = json.load(sys.stdin)
print("[client]")
for option, name in (("user", "username"), ("password", "password")):
    escaped = secret[name].replace("\\", "\\\\").replace("\"", "\\\"")
    print(f"{option}=\"{escaped}\"")' >"$FOLDER/database.cnf.new"
    if getent group ytworker >/dev/null; then
        chown root:ytworker "$FOLDER/database.cnf.new"
        chmod 0640 "$FOLDER/database.cnf.new"
    fi
    mv "$FOLDER/database.cnf.new" "$FOLDER/database.cnf"
}

# A worker that is told to stop finishes what is nearly done and gives the rest back.
leave() {
    systemctl stop 'yt-worker@*.service' || true
    aws autoscaling complete-lifecycle-action --auto-scaling-group-name $GROUP --instance-id "$1" \
        --lifecycle-hook-name yt-backend-worker-leaves --lifecycle-action-result CONTINUE
}

# While any job is in hand, nobody is scaled in: which machine has it is not asked.
protect() {
    local in_hand wanted=--protected-from-scale-in
    in_hand=$(aws sqs get-queue-attributes --queue-url "$QUEUE_URL" --output text \
        --attribute-names ApproximateNumberOfMessagesNotVisible --query 'Attributes.ApproximateNumberOfMessagesNotVisible')
    if [ "$in_hand" = 0 ]; then wanted=--no-protected-from-scale-in; fi
    if [ "$(cat "$STATE" 2>/dev/null)" = "$wanted" ]; then return; fi
    aws autoscaling set-instance-protection --auto-scaling-group-name $GROUP --instance-ids "$1" $wanted
    echo "$wanted" >"$STATE"
}

tend() {
    local id
    id=$(metadata instance-id)
    if [ "$(metadata autoscaling/target-lifecycle-state)" = Terminated ]; then
        leave "$id"
        return
    fi
    protect "$id" || echo "protection from scaling in stays as it is" >&2
    write_password
}

install_timer() {
    cat >"$UNITS"/yt-machine.service <<'END'
[Unit]
Description=The worker's database password, and what its machine owes the auto-scaling group
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/yt-machine tend
END
    cat >"$UNITS"/yt-machine.timer <<'END'
[Unit]
Description=Every minute
[Timer]
OnBootSec=60
OnUnitActiveSec=60
AccuracySec=5
[Install]
WantedBy=timers.target
END
    systemctl daemon-reload
    systemctl enable --now yt-machine.timer
}

# The environment file holds no secret: the password stands in database.cnf, and the worker reads the proxy's address
# from its secret, anew every minute.
write_environment() {
    aws ssm get-parameter --name /yt-backend/worker --query Parameter.Value --output text
    echo "DATABASE_URL=mysql://$DATABASE_HOST:3306/ytbackend?$DATABASE_OPTIONS&read_default_file=$FOLDER/database.cnf"
    echo "DJANGO_SECRET_KEY=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" # Django wants one; a worker signs nothing
    if [ "$PROXY_SECRET" ]; then echo "YOUTUBE_PROXY_URL=secretsmanager:$PROXY_SECRET"; fi
}

install_worker() {
    work=$(mktemp -d) # not local: the trap needs it after the function's end
    trap 'rm -rf "$work"' EXIT
    write_password
    aws s3 cp --only-show-errors "s3://$ARTIFACTS/worker.tar.gz" "$work/worker.tar.gz"
    tar -xzf "$work/worker.tar.gz" -C "$work" deploy_worker.sh
    write_environment >"$work/worker.env"
    install_timer # before the worker: what follows takes minutes
    bash "$work/deploy_worker.sh" install --source "$work/worker.tar.gz" --env-file "$work/worker.env"
    write_password # once more: its group exists now
}

case ${1:-} in
install) install_worker ;;
tend) tend ;;
*)
    echo "usage: worker_machine.sh install|tend" >&2
    exit 2
    ;;
esac
