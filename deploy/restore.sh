#!/usr/bin/env bash
# deploy/restore.sh FILE            Makes the database what it was when FILE was dumped; first dumps what is there now.
# deploy/restore.sh --test [FILE]   Restores FILE (the newest dump) into a scratch database and says what came back.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,3s/^# //p' "$0"; exit 2; }
test=
if [ "$1" = --test ]; then test=yes; shift; fi
file=${1:+$(realpath "$1")}
if [ -n "$file" ] && [ ! -f "$file" ]; then echo "There is no file $file." >&2; exit 2; fi
cd "$(dirname "$0")/.."
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi

backup() { $compose run --rm -T --no-deps ${file:+-v "$file:/restore.dump:ro"} backup "$@" < /dev/null; }

if [ -n "$test" ]; then backup test ${file:+/restore.dump}; exit; fi
$compose up -d db
until $compose exec -T db pg_isready -q -h 127.0.0.1 < /dev/null; do sleep 1; done
$compose stop app retrain-schedule 2>/dev/null || $compose stop app
# Whatever happens next, the application comes back.
trap '$compose up -d' EXIT
backup now || echo "==> What is there now can't be dumped; going on" >&2
backup restore /restore.dump
