#!/usr/bin/env bash
# deploy/deploy.sh user@server [folder]      folder: in the user's home on the server, "digits" unless named
# Brings the last commit of this checkout to a server that has Docker, and runs deploy/up.sh there; if it does not become
# ready, puts back what was there. The first time it makes .env with a random database password: change other settings there.
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

image() { $compose config | sed -n '/^  app:/,/^  [a-z]/s/^ *image: *//p' | head -n 1; }

main() {
    cd "$1"
    export READY_SECONDS=$2
    if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi
    if [ -f current.tar ]; then remove_files_of current.tar; fi
    tar -xf next.tar
    local up running=
    up=$(cat deploy/up.sh)
    if [ -f .env ]; then running=$(docker image inspect -f '{{.Id}}' "$(image)" 2>/dev/null || true); fi

    if bash -c "$up" deploy/up.sh < /dev/null; then
        mv next.tar current.tar
        return
    fi

    # current.tar: the last commit that became ready here, and the image that ran of it.
    if [ -f current.tar ] && [ -n "$running" ]; then
        echo "==> Putting back what was there" >&2
        remove_files_of next.tar
        tar -xf current.tar
        docker tag "$running" "$(image)"
        if bash -c "$up" deploy/up.sh --no-build < /dev/null; then echo "==> The earlier state is ready again" >&2
        else echo "==> It is not ready either" >&2; fi
    fi
    return 1
}

main "$@"  # at the end, so that all of this has arrived before anything happens
ON_THE_SERVER
