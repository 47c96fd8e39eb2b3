"""Command that exports labelled drawings to a zip file, or imports them and other people's labelled pictures.

python -m mnist.transfer export labelled.zip
python -m mnist.transfer import labelled.zip
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from mnist.archive.export import BadArchive, write_archive
from mnist.archive.importing import take_over
from mnist.archive.labelled_files import FORMS, labelled_in


def main(arguments: list[str] | None = None) -> int:
    from mnist.drawing import StorageUnavailable
    from mnist.model.weights_file import UnusableWeights
    from mnist.settings import BadSetting
    from mnist.store.timeouts import patiently

    parser = argparse.ArgumentParser(prog="python -m mnist.transfer", description="Carry labelled drawings elsewhere.")
    parser.add_argument("action", choices=("export", "import"))
    parser.add_argument("file", type=Path, help=f"a zip file; to import: {FORMS}")
    options = parser.parse_args(arguments)
    try:
        with patiently():  # no visitor waits here, and a timeout would cost a restart of the whole transfer
            print(_export(options.file) if options.action == "export" else _import(options.file))
    except (BadArchive, BadSetting, StorageUnavailable, UnusableWeights, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _export(path: Path) -> str:
    from mnist import services

    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        # Other people's handwriting: for whoever exports it alone.
        with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            for piece in write_archive(services.administration().labelled()):
                file.write(piece)
        unfinished.replace(path)  # replaces an earlier export only when this one is complete
    finally:
        unfinished.unlink(missing_ok=True)
    return f"{path}: {path.stat().st_size / 2**20:.1f} MB"


def _import(path: Path) -> str:
    from tqdm import tqdm

    from mnist import services

    with labelled_in(path) as labelled, tqdm(total=labelled.total, unit="drawing", disable=None) as bar:
        return take_over(
            labelled,
            services.recogniser().reread,
            services.administration(),
            on_progress=lambda done: bar.update(done - bar.n),
        ).summary


if __name__ == "__main__":
    from mnist.web import logs

    os.umask(os.umask(0) | 0o027)  # as app.py: a database that it makes is nobody else's
    logs.configure()
    raise SystemExit(main())
