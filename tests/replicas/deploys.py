"""Checks deploys, and sessions of earlier revisions."""

import itertools
import time

from client import Session, SessionGone
from fleet import ORDERS, PRICES, Fleet, Load, command
from processes import NAMES


def rolling_deploy(site):
    """Replaces each replica by one of a newer version, under load through nginx: no call fails."""
    numbers = itertools.count()

    def calls(fleet):
        number = next(numbers)
        client = fleet.client()
        read, write = client.call("version", {}), {"item": f"item-{number}"}
        ordered = client.call("order", write, f"deploy-{number:012}")
        # A client that did not get the answer asks again.
        again = client.call("order", write, f"deploy-{number:012}") if number % 5 == 0 else ordered
        assert read.is_ok and ordered.is_ok and again.is_ok, (read, ordered, again)
        assert again.value == ordered.value, (again, ordered)
        return read.result["content"][0]["text"]

    with Fleet(site, ORDERS, "rolling_deploy", ["--drain-delay", "200ms"], {"ORDERS_VERSION": "1.0.0"}) as fleet:
        before = fleet.client("a").call("order", {"item": "before"}, "deploy-before-0123456789")
        load = Load(4, lambda *_: calls(fleet))
        time.sleep(1)
        for replica in fleet.replicas.values():
            # Out of nginx, stopped, replaced, and in again.
            fleet.proxy.down.add(replica.name)
            fleet.proxy.reload()
            assert replica.stop() == 0, replica.stderr()
            replica.env["ORDERS_VERSION"] = "1.1.0"
            replica.start()
            fleet.proxy.down.remove(replica.name)
            fleet.proxy.reload()
            time.sleep(0.5)
        versions = load.end()
        after = fleet.client("c").call("order", {"item": "before"}, "deploy-before-0123456789")
        assert after.is_replayed and after.value == before.value, after
        effects = fleet.effects()
        assert len(effects) == len(set(effects)) == next(numbers) + 1, "an order was lost, or placed twice"
        old, new = versions.count("1.0.0"), versions.count("1.1.0")
        assert old and new and old + new == len(versions), versions
        by_both = {record["replica"] for record in fleet.records() if record.get("tool") == "order"}
        assert by_both == set(NAMES)
    return f"{len(versions)} rounds of calls, {old} by the old version and {new} by the new one, 0 failed, 0 twice"


def redeclared(site):
    """A tool that the next version declares otherwise: its keys are a mismatch with the reason; other keys are replayed."""

    def book(name, item="a room"):
        return fleet.client(name).call("book", {"item": item}, "redeclared-0123456789")

    def order(name):
        return fleet.client(name).call("order", {"item": "a chair"}, "redeclared-other-0123456789")

    with Fleet(site, ORDERS, "redeclared", env={"ORDERS_VERSION": "1.0.0"}) as fleet:
        booked, ordered = book("a"), order("a")
        assert booked.is_ok and ordered.is_ok, (booked, ordered)
        assert fleet.b.stop() == 0
        fleet.b.env["ORDERS_VERSION"] = "2.0.0"
        fleet.b.start()
        changed = book("b")
        assert changed.reason == "idempotency_mismatch" and "declaration changed" in changed.text, changed
        other = book("b", "another room")
        assert other.reason == "idempotency_mismatch" and "another call" in other.text, other
        assert order("b").is_replayed and book("c").is_replayed and book("a").is_replayed
        assert sorted(fleet.effects()) == ["a chair", "booked a room"], fleet.effects()
    return "refused with the reason by the new version, and replayed by the old one; other tools' keys by both"


def migration(site):
    """Tables of the version before: `serve` names the command, which changes them, and keys from before are replayed."""

    def order(name):
        return fleet.client(name).call("order", {"item": "a chair"}, "migration-0123456789")

    with Fleet(site, ORDERS, "migration") as fleet:
        ordered = order("a")
        assert ordered.is_ok, ordered
        assert [replica.stop() for replica in fleet.replicas.values()] == [0, 0, 0]
        # As version 1 of the tables was.
        site.database.sql(
            "ALTER TABLE candor.keys DROP COLUMN declaration; UPDATE candor.store_version SET version = 1", "migration"
        )
        fleet.a.spawn()
        assert fleet.a.process.wait(30) == 2 and "store migrate" in fleet.a.stderr(), fleet.a.stderr()
        for _ in range(2):
            command(ORDERS, "store", "migrate", "--store", fleet.store)
        for replica in fleet.replicas.values():
            replica.start()
        again = order("b")
        assert again.is_replayed and again.value == ordered.value, again
        assert fleet.effects() == ["a chair"]
    return "refused before `store migrate`, which can run twice; a key from before is replayed"


def sessions(site):
    """Clients of 2025-11-25 through nginx: requests reach the replica of their session; it is killed."""
    with Fleet(site, PRICES, "sessions") as fleet:
        opened = [Session(fleet.proxy.url) for _ in range(18)]
        of = {name: [session for session in opened if session.id.startswith(f"{name}.")] for name in NAMES}
        assert sum(map(len, of.values())) == len(opened) and all(of.values()), of

        def read(session):
            answer = session.call("get_stock_price", {"symbol": "AAPL"})
            assert answer.is_ok, answer

        for session in opened * 3:
            read(session)
        assert all(session.begun == 1 for session in opened), "a request did not reach its replica"
        try:
            of["a"][0].call_once("get_stock_price", {"symbol": "AAPL"}, url=fleet.b.url)
            raise AssertionError("another replica took the session")
        except SessionGone:
            pass
        fleet.b.kill()
        for session in opened:
            read(session)
        begun_again = [session for session in opened if session.begun == 2]
        assert begun_again == of["b"], (begun_again, of["b"])
        assert not any(session.id.startswith("b.") for session in begun_again)
        fleet.b.start()
        for session in opened:
            read(session)
        assert all(session.begun <= 2 for session in opened)
    return f"{len(opened)} sessions stayed on their replicas; {len(begun_again)} of a killed one were begun anew"
