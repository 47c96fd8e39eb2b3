#!/usr/bin/env bash
# deploy/deploy.sh user@server [folder]      folder: in the user's home on the server, "digits" unless named
# Brings the last commit of this checkout to a server that has Docker, and waits until it is ready; if it is not in time,
# puts back what was there. The first time it makes .env with a random database password; other settings: change it there.
# SSH="ssh -p 2222": how to get there. READY_SECONDS=180: how long to wait. The user must be allowed to use Docker.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,5s/^# //p' "$0"; exit 2; }
server=$1 folder=${2:-digits}
read -ra ssh <<< "${SSH:-ssh}"
cd "$(dirname "$0")/.."

echo "==> Sending $(git rev-parse --short HEAD) to $server:$folder"
# The umask: files as a checkout has them, so that Docker finds its earlier layers again.
git -c tar.umask=0022 archive HEAD | "${ssh[@]}" "$server" "mkdir -p '$folder' && cat > '$folder/next.tar'"

"${ssh[@]}" "$server" bash -s -- "$folder" "${READY_SECONDS:-180}" <<'ON_THE_SERVER'
set -euo pipefail

remove_files_of() { tar -tf "$1" | grep -v '/$' | tr '\n' '\0' | xargs -0 rm -f; }

image() { $compose config | sed -n 's/^ *image: *\(mnist-digits:.*\)/\1/p' | head -n 1; }

start() {  # $@: options of `up`
    $compose up -d --remove-orphans "$@"
    # A changed Caddyfile is seen by a new start only.
    if [ -n "$($compose ps -q caddy 2>/dev/null)" ]; then $compose restart caddy; fi
}

is_ready() {  # every container of the application becomes healthy within $1 seconds
    local until=$((SECONDS + $1)) ids
    while [ $SECONDS -lt $until ]; do
        ids=$($compose ps -q app)
        if [ -n "$ids" ] && ! docker inspect -f '{{.State.Health.Status}}' $ids | grep -qv '^healthy$'; then return 0; fi
        sleep 2
    done
    return 1
}

main() {
    cd "$1"
    if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi
    if [ -f current.tar ]; then remove_files_of current.tar; fi
    tar -xf next.tar
    if [ ! -f .env ]; then
        password=$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')
        (umask 077; sed "s/^DB_PASSWORD=.*/DB_PASSWORD=$password/" .env.example > .env)
        echo "==> Made $PWD/.env with a random database password"
    fi
    running=$(docker image inspect -f '{{.Id}}' "$(image)" 2>/dev/null || true)

    if start --build && is_ready "$2"; then
        mv next.tar current.tar
        echo "==> Ready"
        return
    fi

    echo "==> Not ready. The application's last words:" >&2
    $compose logs --tail 20 app >&2 || true
    # current.tar: the last commit that became ready here, and the image that ran of it.
    if [ -f current.tar ] && [ -n "$running" ]; then
        echo "==> Putting back what was there" >&2
        remove_files_of next.tar
        tar -xf current.tar
        docker tag "$running" "$(image)"
        start
        if is_ready "$2"; then echo "==> The earlier state is ready again" >&2; else echo "==> It is not ready either" >&2; fi
    fi
    return 1
}

main "$@"  # at the end, so that all of this has arrived before anything happens
ON_THE_SERVER
