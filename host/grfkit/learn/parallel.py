"""Folds and trials over local processes or a dask cluster: the same results in any number, kept across a kill."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ..cluster import Logged, connected, log_level, with_log
from ..errors import BadInputError, GrfError
from .result_cache import ResultCache, fingerprint_of, plain

_LOG = logging.getLogger(__name__)

THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class Job:
    """One call: its name in reports, and the keyword arguments of the function."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


class JobReport(NamedTuple):
    """Progress after one job; ``eta_s`` is None until one has been run here, ``reused`` says it was not run."""

    name: str
    done: int
    total: int
    seconds: float
    eta_s: float | None
    reused: bool


class _Outcome(NamedTuple):
    value: Any
    seconds: float
    refused: str = ""


def map_folds(
    function: Callable[..., Any],
    jobs: Sequence[Job],
    *,
    workers: int | Executor = 1,
    cluster: Any = None,
    results: Path | None = None,
    progress: Callable[[JobReport], None] | None = None,
) -> list[Any]:
    """Return what ``function(**job.arguments)`` gives for every job, in the order of the jobs.

    Every job runs with one torch thread in a process where no other job runs, so that neither the number of workers
    nor the kind of cluster changes a bit of the results. A job's own random numbers must come from its arguments.

    Parameters
    ----------
    function
        Defined in a module that another process can import; gives JSON values and numpy arrays, nested in mappings
        and lists (tuples come back as lists).
    workers
        Local processes, started anew (spawn); 0 runs the jobs here, one after another, where numpy keeps the threads
        it was loaded with; or an open :func:`local_processes`.
    cluster
        Address of a running dask scheduler, or a ``Client`` or ``LocalCluster`` of ``distributed``; instead of local
        processes.
    results
        Folder that keeps each result under the fingerprint of function and arguments (and of the tool's version).
        Jobs found there are not run again; a run that was killed goes on where it stopped. Empty it after changing
        the code of ``function``.

    Raises
    ------
    BadInputError
        If two jobs share a name, a result is neither JSON nor array, a file in ``results`` is not what was written,
        or jobs refuse their input: the others are run first and kept.
    """
    names = [job.name for job in jobs]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise BadInputError(f"two jobs are named '{twice[0]}'; give every job a name of its own")
    cache = None if results is None else ResultCache(results)
    reports = _Reports(len(jobs), progress)
    values: dict[int, Any] = {}
    digests: dict[int, str] = {}
    keys = ["" if cache is None else fingerprint_of(function, job.arguments, digests) for job in jobs]
    for i, job in enumerate(jobs):
        if cache is not None and keys[i] in cache:
            values[i] = cache.read(keys[i])
            reports.add(job.name, 0.0, reused=True)
    refused: dict[int, str] = {}
    todo = [i for i in range(len(jobs)) if i not in values]
    for i, outcome in _run(function, [(i, jobs[i].arguments) for i in todo], workers, cluster):
        if outcome.refused:
            refused[i] = outcome.refused
            continue
        values[i] = plain(outcome.value, where=f"job '{names[i]}'")
        if cache is not None:
            cache.write(keys[i], values[i], name=names[i], seconds=outcome.seconds)
        reports.add(names[i], outcome.seconds, reused=False)
    if refused:
        first = min(refused)
        others = "; the others are kept" if results is not None else ""
        raise BadInputError(f"{len(refused)} of {len(jobs)} jobs refused{others}; '{names[first]}': {refused[first]}")
    return [values[i] for i in range(len(jobs))]


class _Reports:
    """Counts finished jobs, and estimates the time left from the pace so far."""

    def __init__(self, total: int, progress: Callable[[JobReport], None] | None) -> None:
        self.total, self.progress = total, progress
        self.done, self.run, self.began = 0, 0, time.perf_counter()

    def add(self, name: str, seconds: float, *, reused: bool) -> None:
        """Count one job and report it."""
        self.done += 1
        self.run += 0 if reused else 1
        _LOG.info("%d of %d: %s, %s", self.done, self.total, name, "kept" if reused else f"{seconds:.1f} s")
        pace = (time.perf_counter() - self.began) / self.run if self.run else None
        eta = None if pace is None else pace * (self.total - self.done)
        if self.progress is not None:
            self.progress(JobReport(name, self.done, self.total, seconds, eta, reused))


_Todo = Sequence[tuple[int, Mapping[str, Any]]]


def _run(
    function: Callable[..., Any], todo: _Todo, workers: int | Executor, cluster: Any
) -> Iterator[tuple[int, _Outcome]]:
    if not todo:
        return
    if cluster is not None:
        yield from _on_dask(function, todo, cluster)
    elif isinstance(workers, Executor):
        yield from _submitted(workers, function, todo)
    elif workers == 0:
        for i, arguments in todo:
            yield i, _called(function, arguments)
    else:
        with local_processes(min(workers, len(todo))) as pool:
            yield from _submitted(pool, function, todo)


def _submitted(pool: Executor, function: Callable[..., Any], todo: _Todo) -> Iterator[tuple[int, _Outcome]]:
    futures: dict[Future[Logged[_Outcome]], int] = {
        pool.submit(with_log, log_level(), _called, function, dict(a)): i for i, a in todo
    }
    try:
        for future in as_completed(futures):
            yield futures[future], future.result().told()
    finally:
        for future in futures:
            future.cancel()


@contextmanager
def local_processes(workers: int) -> Iterator[Executor]:
    """Give processes for :func:`map_folds`, to be used by several calls; they end with the block or with this process.

    Raises
    ------
    BadInputError
        If fewer than one is asked for.
    """
    if workers < 1:
        raise BadInputError(f"workers is {workers}; expected 1 or more, or 0 to run the jobs here")
    before = {name: os.environ.get(name) for name in THREAD_SETTINGS}
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    context = get_context("spawn")
    together = context.Barrier(workers)
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(together,))
    try:
        # a pool starts a process for a job that no idle process can take: none is idle before all have met
        for future in [pool.submit(os.getpid) for _ in range(workers)]:
            future.result()
        _restore(before)
        yield pool
    finally:
        _restore(before)
        pool.shutdown(wait=True, cancel_futures=True)


def _restore(settings: Mapping[str, str | None]) -> None:
    for name, value in settings.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _begin(together: Barrier) -> None:
    """Wait for the other processes of the pool, so that all are started under the settings that hold now."""
    _end_with_parent()
    together.wait()


def _end_with_parent() -> None:
    """Let this process end when the one that started it has been killed."""
    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        """End with the parent."""
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _called(function: Callable[..., Any], arguments: Mapping[str, Any]) -> _Outcome:
    """Return a job's value or its refusal; one job at a time, with one torch thread."""
    # a dask worker may run jobs in threads, and torch has one number of threads for all of them
    with _ONE_AT_A_TIME:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        began = time.perf_counter()
        try:
            value = function(**arguments)
        # as a value: raised here, it would stop the jobs that can still be run and kept
        except GrfError as error:
            return _Outcome(None, time.perf_counter() - began, str(error))
        finally:
            torch.set_num_threads(threads)
        return _Outcome(value, time.perf_counter() - began)


def _on_dask(function: Callable[..., Any], todo: _Todo, cluster: Any) -> Iterator[tuple[int, _Outcome]]:
    distributed = importlib.import_module("distributed")
    opened = not isinstance(cluster, distributed.Client)
    client = connected(cluster) if opened else cluster
    try:
        # not pure: dask would read all arguments, whole sets among them, to tell equal calls apart
        futures = {client.submit(with_log, log_level(), _called, function, dict(a), pure=False): i for i, a in todo}
        for future in distributed.as_completed(list(futures)):
            yield futures[future], future.result().told()
    finally:
        if opened:
            client.close()
