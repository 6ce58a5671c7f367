"""Runs three replicas of a server that share a database, a state key, and nginx."""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import threading

from client import Client
from network import Link
from processes import NAMES, USER, Proxy, Replica

PRICES, ORDERS = os.environ["PRICES"], os.environ["ORDERS_SERVER"]
GRANTS = "read:prices read:alerts write:alerts order:guarded"
# A clock that is changed for one process alone.
FAKETIME = {"LD_PRELOAD": os.environ["FAKETIME_LIBRARY"], "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


def command(program, *arguments, check=True, env=None):
    """Runs a command of a server, and returns its end."""
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=env)
    assert not check or done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
    return done


def at_once(function, arguments):
    """Calls a function with each argument, all at the same time, and returns the results in their order."""
    with concurrent.futures.ThreadPoolExecutor(max(1, len(arguments))) as pool:
        return list(pool.map(function, arguments))


class Load:
    """Calls a function again and again on several threads, until it ends; an error of it is raised at the end."""

    def __init__(self, threads, function):
        self.stopping, self.function = threading.Event(), function
        self.pool = concurrent.futures.ThreadPoolExecutor(threads)
        self.running = [self.pool.submit(self.run, thread) for thread in range(threads)]

    def run(self, thread):
        results = []
        while not self.stopping.is_set():
            results.append(self.function(thread, len(results)))
        return results

    def end(self):
        self.stopping.set()
        return [result for running in self.running for result in running.result()]


class Fleet:
    """Three replicas on a database of their own, behind nginx."""

    def __init__(self, site, program, label, flags=(), env=None, clocks=None, linked=False, user=None):
        self.folder, self.program = pathlib.Path(site.folder, label), program
        self.folder.mkdir()
        self.store = site.database.create(label)
        command(program, "store", "migrate", "--store", self.store, *(["--serve-role", user] if user else []))
        self.state_key = self.folder / "keys" / "state"
        command(program, "state-key", "new", "--file", self.state_key)
        self.links = {name: Link(site.database.port) for name in NAMES} if linked else {}
        self.replicas = {}
        for name in NAMES:
            port = self.links[name].port if linked else None
            url = site.database.url(label, user=user or USER, port=port)
            own = dict(env or {})
            if clocks and clocks[name]:
                own |= FAKETIME | {"FAKETIME": clocks[name]}
            replica = Replica(name, program, self.folder, [*self.flags(url), *flags], own)
            command(program, "audit", "key", "new", replica.audit)
            self.replicas[name] = replica
        self.a, self.b, self.c = self.replicas.values()
        self.proxy = None

    def flags(self, url):
        return ["--store", url, "--state-key", str(self.state_key), "--grant", GRANTS]

    def __enter__(self):
        try:
            at_once(Replica.start, list(self.replicas.values()))
            self.proxy = Proxy(self.folder, self.replicas.values())
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, failed, *_):
        if self.proxy:
            self.proxy.stop()
        codes = [replica.stop() for replica in self.replicas.values()]
        if failed:
            return
        assert not any(codes), codes
        # Each log is one that its replica wrote, and every call has its end in the log that has its beginning.
        logs = [replica.audit for replica in self.replicas.values()]
        reports = command(self.program, "audit", "verify", "--json", *logs).stdout.splitlines()
        assert len(reports) == 3 and all(json.loads(report)["intact"] for report in reports), reports

    def client(self, name=None, **options):
        """A client of one replica, or of all of them through nginx."""
        return Client(self.replicas[name].url if name else self.proxy.url, **options)

    def effects(self):
        """The lines that the tools of `orders` have written, in all replicas."""
        return [line for replica in self.replicas.values() for line in replica.effects()]

    def alerts(self):
        """The alerts that the tools of `prices` have set, in all replicas, each of which has a file of its own."""
        answers = [self.client(name).call("list_alerts", {}) for name in NAMES]
        return [alert for answer in answers for alert in answer.value["alerts"]]

    def records(self):
        """The records of all replicas, in the order of their times."""
        logs = [replica.audit for replica in self.replicas.values()]
        lines = command(self.program, "audit", "show", "--json", *logs).stdout.splitlines()
        return [json.loads(line) for line in lines]
