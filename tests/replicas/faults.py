"""Checks what happens while the database fails, and between replicas whose clocks differ."""

import collections
import itertools
import threading
import time

from calls import confirmation_between_replicas, exact_rate
from client import Unanswered
from fleet import ORDERS, PRICES, Fleet, Load
from network import Exchange
from processes import NAMES, wait_until

# No call may take longer, however the database fails: the tools of `prices` have a timeout of 30 s.
CALL_TIMEOUT = 35


def database(site):
    """The database is stopped, paused, restarted, and cut off from one replica, under load."""
    prices, sent = itertools.count(1), {}
    lock = threading.Lock()

    def write(fleet):
        with lock:
            price = next(prices)
        key = f"database-{price:012}"
        answer = fleet.client().settle("set_alert", {"symbol": "IBM", "when": "below", "price": price}, key)
        sent[price] = answer
        return answer

    with Fleet(site, PRICES, "database", linked=True) as fleet:
        pids = [replica.process.pid for replica in fleet.replicas.values()]
        load = Load(4, lambda *_: write(fleet))
        notes = []
        for fault in (stopped, paused, restarted, cut_off, frozen):
            time.sleep(1)
            notes.append(fault(site, fleet))
            wait_until(lambda: all(replica.is_ready() for replica in fleet.replicas.values()), "all are ready again")
        time.sleep(1)
        load.end()
        assert [replica.process.pid for replica in fleet.replicas.values()] == pids, "a replica was restarted"
        assert all(replica.process.poll() is None for replica in fleet.replicas.values())
        set_here = [alert for alert in fleet.alerts() if alert["symbol"] == "IBM"]
        alerts = collections.Counter(int(alert["price"]) for alert in set_here)
        twice = [price for price, count in alerts.items() if count > 1]
        assert not twice, f"these ran twice: {twice}"
        unknown = [price for price, answer in sent.items() if answer.reason == "idempotency_outcome_unknown"]
        for price, answer in sent.items():
            assert answer.is_ok or price in unknown, answer
            assert price in alerts or price in unknown, f"{price} was acknowledged and is not there"
        calls = [record for record in fleet.records() if record.get("tool") == "set_alert"]
        intents = sum(record["kind"] == "intent" for record in calls)
        outcomes = sum(record["kind"] == "outcome" for record in calls)
        assert intents == outcomes >= len(alerts), (intents, outcomes, len(alerts))
    return (
        f"{len(sent)} writes under load: {len(alerts)} done once, 0 twice, {len(unknown)} unknown, all recorded; "
        + "; ".join(notes)
    )


def refused_write(fleet, name, key):
    """Sends a write to a replica without its database, which must refuse it and do nothing."""
    before, begin = count_alerts(fleet, name), time.monotonic()
    arguments = {"symbol": "MSFT", "when": "above", "price": 1}
    answer = fleet.client(name, timeout=CALL_TIMEOUT).call("set_alert", arguments, key)
    assert answer.reason == "idempotency_unavailable" and answer.is_transient, answer
    assert count_alerts(fleet, name) == before, "a refused write ran"
    return time.monotonic() - begin


def count_alerts(fleet, name):
    answer = fleet.client(name).call("list_alerts", {"symbol": "MSFT"})
    return len(answer.value["alerts"])


def without_database(fleet, names, fault):
    """Checks replicas that have no database: writes are refused, reads go on, and readiness names the reason."""
    waits = [refused_write(fleet, name, f"without-{fault}-0123456789") for name in names]
    for name in names:
        read = fleet.client(name).call("get_stock_price", {"symbol": "AAPL"})
        assert read.is_ok, read
        replica = fleet.replicas[name]
        report = wait_until(lambda r=replica: not (ready := r.ready()).get("ready", True) and ready, "not ready")
        assert report["failed"] and report["replica"] == name, report
    return f"{fault}: refused within {max(waits):.1f} s"


def stopped(site, fleet):
    site.database.stop()
    note = without_database(fleet, NAMES, "stopped")
    site.database.start()
    return note


def paused(site, fleet):
    site.database.pause()
    try:
        return without_database(fleet, NAMES, "paused")
    finally:
        site.database.resume()


def restarted(site, fleet):
    """A restart is shorter than clients wait: a call under a key is answered after it."""
    begin = time.monotonic()
    site.database.stop()
    site.database.start()
    answer = fleet.client().settle("set_alert", {"symbol": "MSFT", "when": "above", "price": 2}, "restarted-0123456789")
    assert answer.is_ok, answer
    return f"restarted: a call was done {time.monotonic() - begin:.1f} s after the stop"


def cut_off(_, fleet):
    return one_replica_without(fleet, fleet.links["b"].cut, "cut off from one replica")


def frozen(_, fleet):
    return one_replica_without(fleet, fleet.links["b"].freeze, "silent to one replica")


def one_replica_without(fleet, fail, fault):
    fail()
    try:
        note = without_database(fleet, ["b"], fault.replace(" ", "-"))
        for name in ("a", "c"):
            key = f"{fault.replace(' ', '-')}-{name}-0123456789"
            done = fleet.client(name).call("set_alert", {"symbol": "GOOG", "when": "above", "price": 3}, key)
            assert done.is_ok, done
        return note
    finally:
        fleet.links["b"].restore()


CLOCKS = {"a": None, "b": "+600s", "c": "-600s"}


def clocks(site):
    """Clocks of the replicas 10 minutes apart: only the database's clock decides."""
    exchange = Exchange()
    with Fleet(site, PRICES, "clocks", env={"PRICES_EXCHANGE": exchange.url}, clocks=CLOCKS) as fleet:
        starts = {
            record["replica"]: record["ts"] for record in fleet.records() if record.get("event") == "start"
        }
        minutes = {name: ts[:16] for name, ts in starts.items()}
        assert minutes["c"] < minutes["a"] < minutes["b"], minutes
        runs = confirmation_between_replicas(fleet)
        for number, (first, second) in enumerate((("a", "b"), ("b", "c"), ("c", "a"))):
            key, arguments = f"clocks-{number}-0123456789", {"symbol": "IBM", "when": "above", "price": 5}
            done, again = (fleet.client(name).call("set_alert", arguments, key) for name in (first, second))
            assert done.is_ok and again.is_replayed and done.value == again.value, (done, again)
        detail = exact_rate(fleet, exchange, 4)
    with Fleet(site, ORDERS, "clocks_of_leases", clocks=CLOCKS) as fleet:
        # Neither does a clock that is ahead end the lease of a call that runs, nor one that is behind keep it.
        for number, (first, second) in enumerate((("a", "b"), ("c", "b"), ("b", "c"))):
            key, arguments = f"leases-{number}-0123456789", {"item": f"item-{number}"}
            other = threading.Thread(target=fleet.client(first).settle, args=("order_in_steps", arguments, key))
            other.start()
            wait_until(lambda n=number: f"begun item-{n}" in fleet.effects(), "the call runs")
            again = fleet.client(second).settle("order_in_steps", arguments, key)
            other.join()
            assert again.is_ok and again.is_replayed, again
            assert fleet.effects().count(f"begun item-{number}") == 1
    return f"{runs} confirmations, 3 replays and 3 calls in progress between replicas; {detail}"
