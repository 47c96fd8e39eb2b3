"""A `docker` for tests of deploy/*.sh: images, containers and `docker compose` as entries of one JSON file.

An image is the text of app.py at its build; one with "no build" can't be built, "not ready" never gets healthy.
Run as: standin_docker.py STATE ARGUMENTS… in the folder of a docker-compose.yml. Every change is a line of STATE.log.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

STATE = Path(sys.argv[1])


def settings() -> dict[str, str]:
    return dict(line.split("=", 1) for line in Path(".env").read_text().splitlines() if "=" in line and line[0] != "#")


def image_name() -> str:
    return f"{settings().get('IMAGE', 'mnist-digits')}:{settings().get('TAG', 'latest')}"


def compose(world: dict[str, Any], verb: str, *arguments: str) -> int:
    apps = [name for name, each in world["containers"].items() if each["service"] == "app" and each["runs"]]
    if verb == "config":
        print("app " + settings().get("API_KEY", "") if arguments else f"services:\n  app:\n    image: {image_name()}")
    elif verb == "ps":
        service = arguments[-1]
        print("\n".join(name for name, each in world["containers"].items() if each["service"] == service))
    elif verb in ("build", "pull"):
        text = Path("app.py").read_text().strip()
        if "no build" in text:
            print("Service 'app' failed to build", file=sys.stderr)
            return 1
        world["images"][image_name()] = text
    elif verb == "up":
        wanted = int(settings().get("REPLICAS", "1"))
        if "--scale" in arguments:
            wanted = int(arguments[arguments.index("--scale") + 1].split("=")[1])
        if "--no-recreate" not in arguments:
            for name in apps:
                if world["containers"][name]["image"] != world["images"][image_name()]:
                    change(world, "remove", name)
                    apps.remove(name)
        for _ in range(wanted - len(apps)):
            change(world, "start", f"app{len(STATE.with_suffix('.log').read_text().splitlines())}")
        if "https" in settings().get("COMPOSE_PROFILES", ""):
            world["containers"]["caddy"] = {"service": "caddy", "runs": True}
        world["containers"]["db"] = {"service": "db", "runs": True}
    elif verb == "logs":
        print("ModuleNotFoundError")
    return 0


def change(world: dict[str, Any], what: str, name: str) -> None:
    if what == "start":
        text = world["images"][image_name()]
        world["containers"][name] = {
            "service": "app",
            "runs": True,
            "image": text,
            "hash": settings().get("API_KEY", ""),
        }
    elif what == "stop":
        world["containers"][name]["runs"] = False
    else:
        text = world["containers"].pop(name)["image"]
    running = sum(
        each["runs"] and "not ready" not in each["image"] for each in world["containers"].values() if "image" in each
    )
    with STATE.with_suffix(".log").open("a") as log:
        log.write(f"{what} {name} {running}\n")


def main(command: str, *arguments: str) -> int:
    world: dict[str, Any] = json.loads(STATE.read_text())
    code = 0
    if command == "compose":
        code = compose(world, *arguments)
    elif command == "image":
        if arguments[-1] not in world["images"]:
            return 1
        print(world["images"][arguments[-1]])
    elif command == "inspect":
        for name in arguments[2:]:
            each = world["containers"][name]
            if "Health" in arguments[1]:
                print("unhealthy" if "not ready" in each["image"] else "healthy")
            elif "PortBindings" in arguments[1]:
                print('{"8501/tcp":[{"HostIp":"127.0.0.1","HostPort":"0"}]}')
            else:
                print(each["image"], each["hash"])
    elif command == "tag":
        world["images"][arguments[1]] = world["images"].get(arguments[0], arguments[0])  # a name, or an id: the text
    elif command in ("stop", "rm"):
        change(world, "stop" if command == "stop" else "remove", arguments[-1])
    elif command == "exec":
        print(Path("deploy/Caddyfile").read_text(), end="")
    partial = STATE.with_suffix(".new")
    partial.write_text(json.dumps(world))
    os.replace(partial, STATE)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[2:]))
