#!/bin/bash
# What the service `backup` of docker-compose.yml runs, in the image of PostgreSQL, whose tools it needs:
#   now             one dump into /backups, readable by its owner only; keeps the newest $KEEP
#   nightly         that every day at $AT (UTC), and on the first of a month a test of the newest dump
#   test [FILE]     restores a dump into a scratch database, says how many rows came back, and drops it again
#   restore FILE    makes the database what it was (deploy/restore.sh stops the application meanwhile)
# A failure goes to Alertmanager, where that runs (profile alerts).
set -euo pipefail
umask 077
folder=${BACKUPS:-/backups}

newest() { ls -1 "$folder"/digits-*.dump 2>/dev/null | tail -n 1; }

is_fresh() { find "$folder" -maxdepth 1 -name 'digits-*.dump' -mmin -1560 | grep -q .; }  # of the last 26 hours

rows() { psql -d "$1" -qAtc "SELECT count(*) FROM predictions"; }

now() {
    local file unfinished=$folder/unfinished.dump
    file=$folder/digits-$(date -u +%Y-%m-%dT%H%M%S).dump
    pg_dump -Fc -f "$unfinished"
    pg_restore --list "$unfinished" > /dev/null  # it can be read to the end of its list
    chown --reference="$folder" "$unfinished" 2>/dev/null || true
    mv "$unfinished" "$file"
    [ -z "${MARK:-}" ] || touch "$MARK"  # its age is a metric of the application
    ls -1 "$folder"/digits-*.dump | head -n "-${KEEP:-14}" | xargs -r rm --
    echo "$(date -u +%FT%TZ) dumped $(rows "$PGDATABASE") drawings to $(basename "$file"), $(stat -c %s "$file") bytes"
}

test_restore() {
    local file=${1:-$(newest)} scratch=restore_test
    [ -n "$file" ] || { echo "There is no dump in $folder yet." >&2; return 1; }
    dropdb --if-exists "$scratch"
    createdb -T template0 "$scratch"
    pg_restore -d "$scratch" --no-owner --exit-on-error "$file" || { dropdb "$scratch"; return 1; }
    echo "$(date -u +%FT%TZ) $(basename "$file") restored in a scratch database: $(rows "$scratch") drawings," \
        "$(psql -d "$scratch" -qAtc "SELECT count(*) FROM models") versions of the network"
    dropdb "$scratch"
}

restore() {
    pg_restore -d "$PGDATABASE" --clean --if-exists --exit-on-error --single-transaction "$1"
    echo "$(basename "$1") restored: $(rows "$PGDATABASE") drawings"
}

tell() {  # $1: what happened; on Alertmanager until the next night
    echo "$(date -u +%FT%TZ) $1 docker-compose logs backup says why." >&2
    local body where=${ALERTMANAGER:-alertmanager:9093}
    body=$(printf '[{"labels": {"alertname": "Backup"}, "annotations": {"summary": "%s"}, "endsAt": "%s"}]' \
        "$1" "$(date -u -d '+26 hours' +%FT%TZ)")
    if { exec 3<> "/dev/tcp/${where%:*}/${where#*:}"; } 2>/dev/null; then
        printf 'POST /api/v2/alerts HTTP/1.1\r\nHost: alertmanager\r\nContent-Type: application/json\r\n' >&3
        printf 'Content-Length: %d\r\nConnection: close\r\n\r\n%s' "${#body}" "$body" >&3
        timeout 20 cat <&3 > /dev/null || true
        exec 3>&-
    fi
}

nightly() {
    trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM
    local seconds
    # At the first start, too, so that a folder without a fresh dump always means trouble (the container's health check).
    is_fresh || bash "$0" now || tell "The first dump of the digits database failed."
    while :; do
        seconds=$(($(date -u -d "$AT" +%s) - $(date -u +%s)))
        [ "$seconds" -gt 0 ] || seconds=$((seconds + 86400))
        sleep "$seconds" & wait $!
        # Commands of their own: within a condition `set -e` is off.
        bash "$0" now || tell "The nightly dump of the digits database failed."
        if [ "$(date -u +%d)" = 01 ]; then
            bash "$0" test || tell "The newest dump of the digits database can't be restored."
        fi
    done
}

case "${1:-}" in
    now) now ;;
    nightly) AT=${AT:-02:15} nightly ;;
    test) test_restore "${2:-}" ;;
    restore) restore "$2" ;;
    is-fresh) is_fresh ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
