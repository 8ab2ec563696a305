"""Files and folders that are written whole or not at all, and take the place of an older one in one step.

Everything is written beside its place under a name that begins with a dot, brought to the disk (fsync), and only then
given its name. A process that is killed leaves the old artefact or the new one, and perhaps the temporary one beside
it, which the next writer of the same place removes.

A folder that replaces one changes names with it in one step where the kernel can (Linux, on most file systems). Where
it cannot, the old folder is named ``.NAME.grfkit-old`` for the moment between two renames: a process killed within it
leaves no ``NAME``, and :func:`recovered`, which every reader and writer of such folders calls, puts the old one back.

What survives a power failure rests on what the disk does with fsync; it was proven by kills, not by cutting power.
"""

from __future__ import annotations

import errno
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from . import renames
from .errors import BadInputError

_LOG = logging.getLogger(__name__)

_MARK = "grfkit-"
_LONGEST_NAME_BYTES = 150
"""So many bytes of a name go into the name of its temporary file: file systems take 255 for all of it."""
_TRIES = 100
"""Names tried for a temporary file; each is one of 4 billion."""
_OF_SYSTEMS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
"""Files that systems leave in every folder they show: nobody's work."""


@dataclass(frozen=True)
class FolderKind:
    """A kind of artefact that is a folder.

    Attributes
    ----------
    name
        In messages: ``"grfkit model"``.
    mark
        File that every such folder has; a folder that holds something, but not this, is of another kind.
    files
        Gives the paths (relative, ``/``) of the files that belong to the artefact in a folder.
    """

    name: str
    mark: str
    files: Callable[[Path], frozenset[str]]

    def strange(self, folder: Path) -> list[str]:
        """Return the files in a folder that are not of the artefact, relative to it."""
        members = self.files(folder) | _OF_SYSTEMS
        inside = (p for p in sorted(folder.rglob("*")) if p.is_symlink() or not p.is_dir())
        return [name for p in inside if (name := p.relative_to(folder).as_posix()) not in members]


def check_file(path: Path, *, force: bool = False) -> Path:
    """Return where a file will be written, links followed; refuse a place that cannot be written.

    Raises
    ------
    BadInputError
        If something is there and ``force`` is false, it is no regular file or a mount point, or its folder is missing
        or cannot be written.
    """
    place = _followed(path)
    if place.is_dir():
        raise BadInputError(f"{path}: is a folder; name a file to write")
    if place.exists() and not force:
        raise BadInputError(f"{path}: exists; use --force (force=True in Python) to overwrite it")
    if place.exists() and not place.is_file():
        raise BadInputError(f"{path}: is no regular file (a pipe, socket or device); name another file to write")
    _check_parent(path, place)
    _refuse_mount(path, place)
    return place


def check_folder(path: Path, kind: FolderKind, *, force: bool = False) -> Path:
    """Return where a folder will be written, links followed; refuse a place that cannot be written or replaced.

    An empty folder may be replaced without ``force``.

    Raises
    ------
    BadInputError
        If something else is there, or files that are not of the artefact, or an artefact and ``force`` is false; if it
        is a mount point or the folder this process works in, or the folder around it is missing or cannot be written.
    """
    place = recovered(_followed(path))
    _check_parent(path, place)
    if not os.path.lexists(place):
        return place
    if not place.is_dir():
        raise BadInputError(f"{path}: is a file; name a folder to write")
    _refuse_mount(path, place)
    if place in (here := Path.cwd().resolve(), *here.parents):
        raise BadInputError(f"{path}: is the folder you are in, which cannot be replaced; name a folder in it")
    names = [p.name for p in place.iterdir() if p.name not in _OF_SYSTEMS]
    if names and not (place / kind.mark).is_file():
        raise BadInputError(f"{path}: exists and is no {kind.name}; name another folder")
    if names and not force:
        raise BadInputError(f"{path}: exists; use --force (force=True in Python) to overwrite it")
    if strange := kind.strange(place):
        more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
        raise BadInputError(
            f"{path}: holds {strange[0]}{more}, not written by grfkit as part of this {kind.name}, and nothing of yours"
            " is removed; move it away, or name another folder"
        )
    return place


def _followed(path: Path) -> Path:
    """Return the path with links followed, so that a link stays and what it leads to is replaced."""
    try:
        place = Path(os.path.realpath(path))
    except ValueError as error:
        raise BadInputError(f"{str(path)!r}: is no name of a file or folder ({error})") from error
    if place.is_symlink():
        raise BadInputError(f"{path}: is a link that leads to itself; remove it, or name another place")
    return place


def _check_parent(path: Path, place: Path) -> None:
    folder = place.parent
    if not folder.is_dir():
        raise BadInputError(f"{path}: cannot be written (its folder does not exist); make it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(f"{path}: cannot be written (its folder {_why_not(folder)})")


def _why_not(folder: Path) -> str:
    """Return why nothing can be written in a folder."""
    read_only = getattr(os, "ST_RDONLY", 0)
    with suppress(OSError, AttributeError):
        if os.statvfs(folder).f_flag & read_only:
            return "is on a read-only file system"
    return "cannot be written to: you have no right to"


def _refuse_mount(path: Path, place: Path) -> None:
    if place.exists() and renames.is_mount_point(place):
        inside = "; name a folder in it" if place.is_dir() else "; name another file"
        raise BadInputError(f"{path}: is a mount point, which cannot be replaced as a whole{inside}")


@contextmanager
def written_whole(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that becomes ``path`` only if the block ends well.

    A link is followed: what it leads to is replaced. A file that is replaced leaves its rights to the new one.

    Raises
    ------
    BadInputError
        If ``path`` exists and ``force`` is false, or cannot be written, synced or replaced: what stood there stands.
    """
    with written_together((path,), force=force) as (temporary,):
        yield temporary


@contextmanager
def written_together(paths: Sequence[Path], *, force: bool = False) -> Iterator[list[Path]]:
    """Give a temporary path for each of several files that become them only if the block ends well: all or none.

    Each is replaced in one step; a process killed between two of these leaves some new and some old.

    Raises
    ------
    BadInputError
        As :func:`written_whole`.
    """
    places = [check_file(path, force=force) for path in paths]
    with ExitStack() as stack:
        temporaries = [stack.enter_context(_temporary(path, place)) for path, place in zip(paths, places)]
        with _refused(paths[0], temporaries):
            yield temporaries
            for temporary, place in zip(temporaries, places):
                _keep_rights(place, temporary)
                renames.sync_file(temporary)
            _place_files(temporaries, places, force=force)
        _sync_parents(paths, places)
    _LOG.info("written: %s", ", ".join(str(path) for path in paths))


@contextmanager
def written_folder(path: Path, kind: FolderKind, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside ``path`` that becomes ``path`` only if the block ends well.

    Raises
    ------
    BadInputError
        As :func:`check_folder`, before the block and after it, or if it cannot be written, synced or replaced: what
        stood there stands.
    """
    place = check_folder(path, kind, force=force)
    with _temporary(path, place, folder=True) as temporary:
        with _refused(path, [temporary]):
            yield temporary
            _keep_rights(place, temporary)
            renames.sync_tree(temporary)
            # once more: the work may have taken hours, and somebody may have put files there
            check_folder(path, kind, force=force)
            _place_folder(temporary, place)
        _sync_parents([path], [place])
    _LOG.info("written: %s", path)


def replace_file(source: Path, target: Path) -> None:
    """Give a finished file the place of another in one step, both in one folder; links are followed.

    Raises
    ------
    BadInputError
        If it cannot; what stood there stands.
    """
    place = check_file(target, force=True)
    with _refused(target, [source]):
        os.replace(source, place)
    _sync_parents([target], [place])


def recovered(folder: Path) -> Path:
    """Return the folder, put back if a process was killed between the two renames of its replacement.

    That can only be where the system cannot exchange two names in one step; see this module.
    """
    # ValueError: what is no path at all is left to whoever reads it
    with suppress(OSError, ValueError):
        place = Path(os.path.realpath(folder))
        old = _old_name(place)
        if not os.path.lexists(place) and old.is_dir():
            old.rename(place)
    return folder


def _old_name(place: Path) -> Path:
    return place.with_name(f".{place.name}.{_MARK}old")


@contextmanager
def _temporary(path: Path, place: Path, *, folder: bool = False) -> Iterator[Path]:
    """Give a new file or folder beside a place, removed at the end if it still is there; abandoned ones go first."""
    stem = place.name.encode("utf-8", "surrogateescape")[:_LONGEST_NAME_BYTES].decode("utf-8", "ignore")
    start = f".{stem}.{_MARK}"
    for other in [p for p in place.parent.iterdir() if p.name.startswith(start)] if _readable(place.parent) else []:
        if other != _old_name(place) or os.path.lexists(place):
            renames.remove_abandoned(other)
    try:
        temporary, held = _created(place.parent, start, place.suffix if not folder else "", folder=folder)
    except OSError as error:
        raise BadInputError(f"{path}: cannot be written ({error.strerror or error})") from error
    try:
        yield temporary
    finally:
        try:
            renames.remove(temporary)
        finally:
            held.free()


def _readable(folder: Path) -> bool:
    return os.access(folder, os.R_OK)


def _created(parent: Path, start: str, suffix: str, *, folder: bool) -> tuple[Path, renames.Held]:
    for _ in range(_TRIES):
        # beside what it becomes: a rename is one step only within one file system; a name that nobody can guess
        temporary = parent / f"{start}{secrets.token_hex(4)}{suffix}"
        try:
            if folder:
                os.mkdir(temporary)
            else:
                os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except FileExistsError:
            continue
        held = renames.Held(temporary)
        if held.is_at(temporary):
            return temporary, held
        held.free()
    raise OSError(errno.EEXIST, os.strerror(errno.EEXIST), str(parent))


@contextmanager
def _refused(path: Path, temporaries: Sequence[Path]) -> Iterator[None]:
    """Turn what the system says against writing into a refusal that names the artefact."""
    try:
        yield
    except OSError as error:
        name = None if error.filename is None else os.fsdecode(error.filename)
        places = [str(t) for t in temporaries] + [os.path.realpath(path)]
        # another file's error, such as that of an input which is read meanwhile, is none of writing
        if name is not None and not any(name == place or name.startswith(place + os.sep) for place in places):
            raise
        raise BadInputError(
            f"{path}: cannot be written ({error.strerror or error}); what was there before is unchanged"
        ) from error


def _keep_rights(place: Path, temporary: Path) -> None:
    """Give the rights of what is replaced to what takes its place."""
    with suppress(FileNotFoundError):
        temporary.chmod(place.stat().st_mode & 0o7777)


def _place_files(temporaries: Sequence[Path], places: Sequence[Path], *, force: bool) -> None:
    """Give files their names, all or none."""
    # one file alone needs nothing to be put back
    several = len(places) > 1
    before = {place: _second_name(place) for place in places if several and place.exists()}
    try:
        for temporary, place in zip(temporaries, places):
            if force:
                os.replace(temporary, place)
            else:
                renames.rename_new(temporary, place)
    except BaseException:
        for temporary, place in zip(temporaries, places):
            if several and not os.path.lexists(temporary):
                with suppress(OSError):
                    os.replace(before[place], place) if place in before else place.unlink()
        raise
    finally:
        for name in before.values():
            renames.remove(name)


def _second_name(place: Path) -> Path:
    """Return a second name of a file, or a copy where the file system has no links."""
    name = place.with_name(f".{place.name}.{_MARK}{secrets.token_hex(4)}")
    try:
        os.link(place, name)
    except (OSError, NotImplementedError):
        shutil.copy2(place, name)
    return name


def _place_folder(temporary: Path, place: Path) -> None:
    """Give a folder its name, of the system in one step; what had it before has the temporary name then."""
    if not os.path.lexists(place):
        temporary.rename(place)
        return
    if renames.exchange(temporary, place):
        return
    old = _old_name(place)
    renames.remove(old)
    place.rename(old)
    try:
        temporary.rename(place)
    except BaseException:
        recovered(place)
        raise
    renames.remove(old)


def _sync_parents(paths: Sequence[Path], places: Sequence[Path]) -> None:
    for folder in dict.fromkeys(place.parent for place in places):
        try:
            renames.sync_folder(folder)
        except OSError as error:
            raise BadInputError(
                f"{paths[0]}: was written, but its name could not be brought to the disk ({error.strerror or error}):"
                " it may be gone after a power failure; look after the disk, and write it again"
            ) from error
