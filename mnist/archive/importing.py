"""Imports labelled drawings: each is read by the network that answers now, and keeps its label."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mnist.archive.labelled_files import Labelled
from mnist.drawing import Drawing, plural
from mnist.store.drawings import in_portions
from mnist.vision.image_files import BadImage
from mnist.vision.ink import BlankDrawing

TOGETHER = 100  # drawings per transaction; fewer if they are large
NAMED = 20  # refused drawings whose reasons are listed


@dataclass(slots=True)
class Imported:
    """Counts of an import."""

    added: int = 0
    known: int = 0  # already in the database, left unchanged
    refused: int = 0
    reasons: list[str] = field(default_factory=list)  # of the first NAMED refused ones

    def refuse(self, reason: str) -> None:
        self.refused += 1
        if self.refused <= NAMED:
            self.reasons.append(reason)

    @property
    def summary(self) -> str:
        """The counts as one line of text."""
        text = f"{plural(self.added, 'drawing')} added"
        text += f", {plural(self.known, 'was', 'were')} here already"
        return f"{text}, {self.refused} could not be used: {'; '.join(self.reasons)}" if self.refused else text


class Shelf(Protocol):
    """Where imported drawings go: Administration."""

    def known(self, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]: ...

    def add_new(self, drawings: Sequence[Drawing]) -> int: ...


def take_over(
    labelled: Labelled,
    reread: Callable[[Drawing], Drawing],
    shelf: Shelf,
    on_progress: Callable[[int], object] = lambda done: None,
) -> Imported:
    """Import labelled pictures: each new drawing gets the active network's prediction and keeps its label.

    reread: Recogniser.reread. on_progress: called now and then with how many are done.
    Drawings already in the database are left unchanged and not read again, so a second import is quick.
    Raises BadArchive or StorageUnavailable; drawings stored until then stay, and another import adds the rest.
    """
    imported = Imported()
    for batch in in_portions(_usable(labelled, imported), lambda entry: len(entry[1].image), most=TOGETHER):
        known = shelf.known([drawing.id for _, drawing in batch])
        new = [(name, drawing) for name, drawing in batch if drawing.id not in known]
        imported.known += len(batch) - len(new)
        # In portions again: what is stored of a small file may be large.
        for read in in_portions(_read(new, reread, imported), lambda drawing: len(drawing.image)):
            added = shelf.add_new(read)
            imported.added += added
            imported.known += len(read) - added
        on_progress(imported.added + imported.known + imported.refused)
    return imported


def _usable(labelled: Labelled, imported: Imported) -> Iterator[tuple[str, Drawing]]:
    """Yield the entries with a picture and a label; count the others in `imported`."""
    for entry in labelled.entries:
        if isinstance(entry, str):
            imported.refuse(entry)
        else:
            yield entry


def _read(
    entries: Iterable[tuple[str, Drawing]], reread: Callable[[Drawing], Drawing], imported: Imported
) -> Iterator[Drawing]:
    """Yield the drawings with a new prediction; count those that can't be read in `imported`."""
    for name, drawing in entries:
        try:
            yield reread(drawing)
        except (ValueError, BlankDrawing, BadImage) as error:
            imported.refuse(f"{name}: {error}")
