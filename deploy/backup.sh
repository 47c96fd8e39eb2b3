#!/usr/bin/env bash
# deploy/backup.sh      One dump of docker-compose's database into BACKUPS of .env (../digits-backups beside this folder).
set -euo pipefail
cd "$(dirname "$0")/.."
if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi
exec $compose run --rm -T --no-deps backup now < /dev/null
