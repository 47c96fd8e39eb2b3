#!/usr/bin/env bash
# deploy/up.sh [--no-build]      On the server: builds and starts what .env asks for, and waits until it is ready.
# Makes .env with a random database password where there is none. Behind Caddy (profile https) the containers of the
# application are replaced one after another, each when the new one is healthy, so nobody sees an error; without Caddy the
# page is away for the seconds of a start. IMAGE in .env: that published image is fetched, and nothing is built.
# Exit 0: ready. 1: not ready; behind Caddy what ran before goes on. READY_SECONDS=180: how long to wait for each.
set -euo pipefail

say() { echo "==> $*"; }

use_compose() { if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi; }

make_settings() {
    [ ! -f .env ] || return 0
    local password
    password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
    (umask 077; sed "s/^DB_PASSWORD=.*/DB_PASSWORD=$password/" .env.example > .env)
    say "Made $PWD/.env with a random database password"
}

image() { $compose config | sed -n '/^  app:/,/^  [a-z]/s/^ *image: *//p' | head -n 1; }

containers() { $compose ps -q "$1" 2>/dev/null || true; }

get_image() {
    if grep -q '^IMAGE=.' .env; then $compose pull app; else $compose build app; fi
}

is_healthy() {  # every container of the rest of the arguments becomes healthy within $1 seconds
    local until=$((SECONDS + $1)) states
    shift
    [ $# -gt 0 ] || return 1
    while [ $SECONDS -lt "$until" ]; do
        states=$(docker inspect -f '{{.State.Health.Status}}' "$@" 2>/dev/null) || return 1
        if ! grep -qv '^healthy$' <<< "$states"; then return 0; fi
        sleep 2
    done
    return 1
}

is_current() {  # container $1 was made from today's image and settings
    [ "$(docker inspect -f '{{.Image}} {{index .Config.Labels "com.docker.compose.config-hash"}}' "$1")" \
        = "$(docker image inspect -f '{{.Id}}' "$(image)") $($compose config --hash app | awk '{print $2}')" ]
}

can_take_turns() {  # Caddy is in front, and no container holds a fixed port of this machine
    [ -n "$(containers caddy)" ] && ! docker inspect -f '{{json .HostConfig.PortBindings}}' "$@" | grep -q '"HostPort":"[1-9]'
}

replace_in_turn() {  # $@: the containers of the application
    local old new id count=$#
    for old in "$@"; do
        if is_current "$old"; then continue; fi
        $compose up -d --no-deps --no-recreate --scale app=$((count + 1)) app || return 1
        new=
        for id in $(containers app); do if [[ " $* $made " != *" $id "* ]]; then new=$id; fi; done
        if ! is_healthy "$ready_seconds" $new; then
            logs
            [ -z "$new" ] || docker rm -f "$new" >/dev/null
            return 1
        fi
        made+=" $new"
        docker stop -t 40 "$old" >/dev/null  # an upload that is under way may take 30 seconds
        docker rm "$old" >/dev/null
        say "One of $count is replaced"
    done
}

reread() {  # services that read their files at a start only, where these have changed
    local id
    id=$(containers caddy)
    if [ -n "$id" ] && ! docker exec "$id" cat /etc/caddy/Caddyfile | cmp -s - deploy/Caddyfile; then $compose restart caddy; fi
    if [ -n "$(containers prometheus)" ]; then $compose kill -s HUP prometheus || true; fi
}

logs() {
    echo "==> Not ready. The application's last words:" >&2
    $compose logs --tail 20 app >&2 || true
}

main() {
    cd "$(dirname "$0")/.."
    ready_seconds=${READY_SECONDS:-180} made=
    use_compose
    make_settings
    if [ "${1:-}" != --no-build ] && ! get_image; then
        echo "==> The image could not be built or fetched; what ran before goes on" >&2
        return 1
    fi
    local running
    running=$(containers app)
    # `set -e` is off in conditions: each step that may fail is asked for.
    if [ -n "$running" ] && can_take_turns $running; then replace_in_turn $running || return 1; fi
    if ! $compose up -d --remove-orphans || ! reread; then logs; return 1; fi
    if ! is_healthy "$ready_seconds" $(containers app); then logs; return 1; fi
    say "Ready"
}

main "$@"  # at the end: all of this has been read before an update replaces the file
