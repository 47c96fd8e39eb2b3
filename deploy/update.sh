#!/usr/bin/env bash
# deploy/update.sh [--back]      On the server, in a git clone: a backup, `git pull`, and deploy/up.sh.
# If the new release does not become ready, the earlier commit and image are put back by themselves.
# --back: goes back to what ran before the last update. Exit 0: the update runs; 1: what was there before runs.
set -euo pipefail

say() { echo "==> $*"; }

image() { $compose config | sed -n '/^  app:/,/^  [a-z]/s/^ *image: *//p' | head -n 1; }

put_back() {  # commit $1, image $2
    git reset -q --keep "$1" || return 1  # keeps local changes; `git pull` brings the release again
    docker tag "$2" "$(image)"
    bash -c "$up" deploy/up.sh --no-build  # of the newer release: an older one may have none
}

main() {
    cd "$(dirname "$0")/.."
    if docker compose version >/dev/null 2>&1; then compose="docker compose"; else compose=docker-compose; fi
    local before id
    before=$(git rev-parse HEAD) up=$(cat deploy/up.sh)

    if [ "${1:-}" = --back ]; then
        git rev-parse -q --verify refs/deploy/previous >/dev/null || { echo "No earlier update is known here." >&2; return 2; }
        say "Going back to $(git rev-parse --short refs/deploy/previous)"
        put_back refs/deploy/previous mnist-digits:previous && return
        echo "==> The earlier release does not become ready. If its log says that the tables are newer, restore the dump that" >&2
        echo "    was made before the update: deploy/restore.sh FILE. Forward again: deploy/update.sh" >&2
        return 1
    fi

    id=$(docker image inspect -f '{{.Id}}' "$(image)" 2>/dev/null || true)
    if [ -n "$($compose ps -q db 2>/dev/null)" ]; then deploy/backup.sh; fi
    git pull -q --ff-only
    say "Updating from $(git rev-parse --short "$before") to $(git rev-parse --short HEAD)"
    if deploy/up.sh; then
        if [ -n "$id" ] && [ "$before" != "$(git rev-parse HEAD)" ]; then
            git update-ref refs/deploy/previous "$before"
            docker tag "$id" mnist-digits:previous
        fi
        return
    fi
    [ -n "$id" ] || return 1
    say "Putting back what was there"
    up=$(cat deploy/up.sh)
    if put_back "$before" "$id"; then say "The earlier release is ready again"; else echo "==> It is not ready either" >&2; fi
    return 1
}

main "$@"  # at the end: all of this has been read before `git pull` replaces the file
