"""What the snapshot machine asks of the native core: each step in a worker, each answer back as an input."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from hansa._native import NativeError, Snapshot
from hansa.consensus import effects as fx
from hansa.consensus import inputs as ins
from hansa.io.worker import Worker
from hansa.node.errors import native_code
from hansa.sync.snapshot_values import SnapshotStep

log = logging.getLogger("hansa.snapshot")

REPLACED = "quarantine/before-snapshot"  # below the data folder: the ledger before the latest snapshot
PEERS_FAULT = ("SNAPSHOT-", "BLOCK-", "WIRE-", "TX-")  # codes of answers that do not hold


class SnapshotPlace(msgspec.Struct, frozen=True):
    """Where a snapshot is taken over to."""

    data: Path  # the node's data folder
    genesis: bytes  # genesis.json


class Shell(Protocol):
    """What snapshot work needs of the runtime."""

    def push(self, event: ins.Input) -> None:
        """Queue an answer."""


class SnapshotWork:
    """Performs the steps. Lives on the event loop; `_work_now` runs in the worker.

    Parameters
    ----------
    on_complete: called on the event loop once the ledger that was taken over only needs to be opened.
    """

    def __init__(self, worker: Worker, shell: Shell, on_complete: Callable[[], None]) -> None:
        self.place: SnapshotPlace | None = None  # none: this node keeps nothing on disk, and takes nothing over
        self._worker = worker
        self._shell = shell
        self._on_complete = on_complete
        self._store: Snapshot | None = None

    def perform(self, effect: fx.WorkOnSnapshot) -> None:
        """Do a step."""
        self._worker.submit("take over a snapshot", lambda: self._work_now(effect), self._done)

    def close(self) -> None:
        """Make what was taken over durable; called after the worker ended."""
        self._store = None

    def _done(self, answer: ins.SnapshotWorked) -> None:
        if answer.step == SnapshotStep.FINISH and not answer.error:
            log.info("the snapshot is complete; this node begins anew with it and sets its ledger aside: %s", REPLACED)
            self._on_complete()
            return
        self._shell.push(answer)

    def _work_now(self, effect: fx.WorkOnSnapshot) -> ins.SnapshotWorked:
        try:
            return self._step_now(SnapshotStep(effect.step), effect)
        except NativeError as error:
            code = native_code(error)
            if not code.startswith(PEERS_FAULT):
                raise
            reason = f"{code}: {error.args[1]}"
            whose = "the snapshot" if effect.peer < 0 else f"what validator {effect.peer} sent of the snapshot"
            log.warning("%s does not hold: %s", whose, error.args[1], extra={"code": code})
            return ins.SnapshotWorked(effect.step, effect.request, error=reason)

    def _step_now(self, step: SnapshotStep, effect: fx.WorkOnSnapshot) -> ins.SnapshotWorked:
        store = self._open_now()
        if store is None:
            return ins.SnapshotWorked(step, effect.request, error="this node keeps nothing on disk")
        match step:
            case SnapshotStep.OPEN:
                log.warning("far behind the other nodes: taking over a snapshot of the state", extra={"code": "SYNC-1"})
                return ins.SnapshotWorked(step, effect.request, store.height, missing=tuple(store.missing()))
            case SnapshotStep.HEAD:
                height, face, before = store.check_head(effect.peer, effect.ask, effect.answer)
                return ins.SnapshotWorked(step, effect.request, height, face, tuple(before))
            case SnapshotStep.BEGIN:
                missing = tuple(store.begin(effect.peer, effect.answer))
                log.info("taking over the state after block %d", store.height)
                return ins.SnapshotWorked(step, effect.request, store.height, missing=missing)
            case SnapshotStep.ADD:
                return ins.SnapshotWorked(step, effect.request, missing=tuple(store.add(effect.ask, effect.answer)))
            case SnapshotStep.FINISH:
                store.finish()
                return ins.SnapshotWorked(step, effect.request)

    def _open_now(self) -> Snapshot | None:
        if self._store is None and self.place is not None:
            self._store = Snapshot.open(str(self.place.data), self.place.genesis)
        return self._store
