"""Checks settings and databases that do not fit, and databases with little room."""

import os
import pathlib
import subprocess
import time

from client import Client
from fleet import GRANTS, ORDERS, PRICES, Fleet, Load, command
from processes import NAMES, PASSWORD, Replica

ALERT = {"symbol": "AAPL", "when": "above", "price": 250}


def refused_start(program, folder, url, state_key, *flags, env=None):
    """Starts a server that must not start, and returns its error."""
    arguments = ["serve", "--http", "127.0.0.1:0", "--audit", folder / "audit", "--store", url]
    arguments += ["--state-key", state_key] if state_key else []
    done = command(program, *arguments, *flags, check=False, env=env)
    assert done.returncode == 2, f"{url}: {done.returncode} {done.stderr}"
    assert PASSWORD not in done.stderr and "help: " in done.stderr, done.stderr
    return done.stderr


def bad_settings(site):
    """Databases and settings that do not fit: each is a start error that says what to do."""
    folder, database = pathlib.Path(site.folder, "bad_settings"), site.database
    folder.mkdir()
    keys = [folder / "key", folder / "other-key"]
    for key in keys:
        command(PRICES, "state-key", "new", "--file", key)
    url = database.create("bad_settings")

    def says(*words, at=url, state_key=keys[0], flags=()):
        error = refused_start(PRICES, folder, at, state_key, *flags)
        assert all(word in error for word in words), (words, error)
        return error

    says("has no tables of a store", "store migrate")
    command(PRICES, "store", "migrate", "--store", url)
    says("cannot be read", at="postgres//nowhere")
    says("cannot be reached", at=database.url("bad_settings", port=1))
    says("refuses the password", at=database.url("bad_settings", password="wrong"))
    says("no database `missing`", at=database.url("missing"))
    says("state-key new", state_key=None)
    database.role("reader")
    says("lacks rights", "--serve-role", at=database.url("bad_settings", user="reader"))

    def tables(statement):
        database.sql(statement, "bad_settings")

    tables("UPDATE candor.store_version SET version = version + 1")
    says("newer version", "update this program")
    tables("UPDATE candor.store_version SET version = version - 2")
    says("have version 1", "store migrate")
    tables("UPDATE candor.store_version SET version = version + 1")
    tables("ALTER TABLE candor.keys RENAME COLUMN result TO gone")
    says("incomplete", "store migrate")
    tables("ALTER TABLE candor.keys RENAME COLUMN gone TO result")
    foreign = database.create("foreign")
    database.sql("CREATE SCHEMA candor; CREATE TABLE candor.songs (title text)", "foreign")
    says("belongs to another program", at=foreign)
    refused = command(PRICES, "store", "migrate", "--store", foreign, check=False)
    assert refused.returncode == 2 and "belongs to another program" in refused.stderr, refused.stderr
    return "11 start errors, each with what to do, and none with the password"


def least_rights(site):
    """A role with the rights of `store migrate --serve-role` serves, and cannot change the tables."""
    site.database.role("server")
    with Fleet(site, PRICES, "least_rights", user="server") as fleet:
        for name in NAMES:
            answer = fleet.client(name).call("set_alert", ALERT, "least-rights-0123456789")
            assert answer.is_ok, answer
        assert len(fleet.alerts()) == 1
        assert site.database.sql("SELECT count(*) FROM candor.keys", "least_rights", user="server") == "1"
        try:
            site.database.sql("DROP TABLE candor.keys", "least_rights", user="server")
            raise AssertionError("the role may drop a table")
        except subprocess.CalledProcessError:
            pass
    return "three replicas serve under a role that cannot change the tables"


def two_deployments(site):
    """Two deployments on one database share nothing; another state key in one deployment is refused."""
    with Fleet(site, PRICES, "two_deployments") as fleet:
        folder = fleet.folder / "other"
        folder.mkdir()
        key = folder / "key"
        command(PRICES, "state-key", "new", "--file", key)
        error = refused_start(PRICES, folder, fleet.store, key)
        assert "state key" in error, error
        command(PRICES, "store", "migrate", "--store", fleet.store, "--deployment", "other")
        flags = ["--store", fleet.store, "--deployment", "other", "--state-key", str(key), "--grant", GRANTS]
        other = Replica("d", PRICES, folder, flags)
        try:
            other.start()
            first = fleet.client("a").call("set_alert", ALERT, "deployments-0123456789")
            second = Client(other.url).call("set_alert", ALERT, "deployments-0123456789")
            assert first.is_ok and second.is_ok and not second.is_replayed, (first, second)
        finally:
            assert other.stop() == 0
    return "one key, two deployments: two effects; a replica with another state key does not start"


def few_connections(site):
    """A database that takes five connections for three replicas: all of them serve."""
    site.database.role("few", "CONNECTION LIMIT 5")

    def order(thread, number):
        item = f"{thread:04}-{number:06}"
        return fleet.client().settle("order", {"item": item}, f"few-connections-{item}")

    with Fleet(site, ORDERS, "few_connections", user="few") as fleet:
        load = Load(12, order)
        time.sleep(3)
        most = int(site.database.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'few'"))
        answers = load.end()
        assert all(answer.is_ok for answer in answers), answers
        effects = fleet.effects()
        assert len(effects) == len(set(effects)) == len(answers)
        assert 3 <= most <= 5, most
    return f"{len(answers)} writes of 12 callers on {most} connections"


def store(site):
    """The tests of the store itself, which have no database without this one."""
    url = site.database.create("store")
    command(PRICES, "store", "migrate", "--store", url)
    done = subprocess.run(
        [os.environ["STORE_TESTS"], "--ignored"],
        env=os.environ | {"CANDOR_TEST_POSTGRES": url},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    return done.stdout.strip().splitlines()[-1]


def large_result(site):
    """A result of 10 MB is replayed whole by another replica."""
    with Fleet(site, ORDERS, "large_result", ["--max-output", "16MiB"]) as fleet:
        arguments = {"bytes": 10_000_000}
        done = fleet.client("a").call("order_at_length", arguments, "large-result-0123456789")
        again = fleet.client("b").call("order_at_length", arguments, "large-result-0123456789")
        assert done.is_ok and len(done.result["content"][0]["text"]) == 10_000_000
        if again.is_ok:
            assert again.is_replayed and again.result["content"] == done.result["content"]
            detail = "replayed by another replica"
        else:
            assert again.reason == "idempotency_result_not_kept", again
            detail = "too large to keep: another replica says so with its size and digest"
        assert fleet.effects() == ["at length"]
    return f"10 MB, {detail}; one effect"
