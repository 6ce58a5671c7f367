"""Checks what happens while the disk of the database is full."""

import contextlib
import itertools
import pathlib
import subprocess
import threading
import types

from fleet import ORDERS, Fleet, Load
from processes import NAMES, Database, wait_until

# Enough for an empty database, and for some thousand keys.
DISK_SIZE = "96m"
MAX_CALLS_UNTIL_FULL = 5_000


@contextlib.contextmanager
def small_disk(folder):
    """A file system of its own, in memory."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_SIZE}", "tmpfs", folder], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder):
    """Fills a file system to the last byte. Returns the file that does."""
    filler = folder / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def full_disk(site):
    """The tables of the database are on a disk that fills up under load, and has room again later."""
    folder = pathlib.Path(site.folder, "full_disk_of_database")
    folder.mkdir()
    try:
        with small_disk(folder / "disk") as disk, Database.running(folder, disk) as database:
            return keyed_writes_on(disk, types.SimpleNamespace(folder=folder, database=database))
    except subprocess.CalledProcessError as error:
        assert error.cmd[0] == "mount", error
        return "not checked: this user may not mount a file system"


def not_ready(replica):
    """What `/readyz` answers, if it is not ready."""
    report = replica.ready()
    return report if report.get("ready") is False else None


def keyed_writes_on(disk, site):
    numbers, sent, lock = itertools.count(), {}, threading.Lock()

    def order(client, call):
        with lock:
            item = f"item-{next(numbers):06}"
        sent[item] = answer = call(client, {"item": item}, f"full-disk-{item}")
        return item, answer

    def settle(client, arguments, key):
        return client.settle("order", arguments, key)

    def once(client, arguments, key):
        return client.call("order", arguments, key)

    with Fleet(site, ORDERS, "full_disk") as fleet:
        pids = [site.database.server.pid, *(replica.process.pid for replica in fleet.replicas.values())]
        load = Load(4, lambda *_: order(fleet.client(), settle))
        filler = fill(disk)
        for name in NAMES:
            for _ in range(MAX_CALLS_UNTIL_FULL):
                item, answer = order(fleet.client(name), once)
                if not answer.is_ok:
                    break
            assert answer.reason == "idempotency_unavailable" and answer.is_transient, answer
            assert item not in fleet.effects(), "a refused call ran"
            assert fleet.client(name).call("version", {}).is_ok
        reports = []
        for replica in fleet.replicas.values():
            # The changes of old rows that fit into their pages go on, so that a replica may be ready again for a moment.
            reports.append(wait_until(lambda r=replica: not_ready(r), f"replica {replica.name} is not ready"))
            assert "is full" in replica.stderr(), replica.stderr()
        before = len(sent)
        filler.unlink()
        wait_until(lambda: all(replica.is_ready() for replica in fleet.replicas.values()), "all are ready again")
        for name in NAMES:
            assert order(fleet.client(name), settle)[1].is_ok
        load.end()
        assert pids == [site.database.server.pid, *(replica.process.pid for replica in fleet.replicas.values())]
        assert site.database.server.poll() is None
        effects, refused = fleet.effects(), 0
        assert len(effects) == len(set(effects)), "an order was placed twice"
        for item, answer in sent.items():
            if answer.is_ok:
                assert item in effects, (item, answer)
            elif answer.reason == "idempotency_outcome_unknown":
                pass
            else:
                assert answer.reason == "idempotency_unavailable" and item not in effects, (item, answer)
                refused += 1
        orders = [record for record in fleet.records() if record.get("tool") == "order"]
        intents = [record["call_id"] for record in orders if record["kind"] == "intent"]
        outcomes = [record["call_id"] for record in orders if record["kind"] == "outcome"]
        assert sorted(intents) == sorted(outcomes) and len(intents) >= len(effects)
    return (
        f"{len(effects)} of {len(sent)} orders done once, 0 twice, {refused} refused and not run, all recorded; not ready: "
        f"{reports[0]['failed']}; {len(sent) - before} more once there was room, without a restart"
    )
