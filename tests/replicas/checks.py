"""Runs the checks of several replicas on one PostgreSQL server, and prints a line for each.

`checks.py NAME…` runs these alone, and `checks.py --list` prints the names.
"""

import os
import pathlib
import shutil
import sys
import tempfile
import time
import traceback

import calls
import deploys
import disk
import faults
import settings
from processes import Database

MAX_TRACE_CHARS = 4000
CHECKS = [
    calls.one_effect,
    calls.killed_replica,
    calls.confirmation,
    calls.rate,
    calls.tasks,
    faults.database,
    faults.clocks,
    disk.full_disk,
    deploys.rolling_deploy,
    deploys.redeclared,
    deploys.migration,
    deploys.sessions,
    settings.bad_settings,
    settings.least_rights,
    settings.two_deployments,
    settings.few_connections,
    settings.large_result,
    settings.store,
]


class Site:
    """The folder of a run, and its database server."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="replicas-"))
        # PostgreSQL runs as another user, if this is root.
        self.folder.chmod(0o755)
        self.database = Database(self.folder)


def run(check, site):
    begin = time.monotonic()
    try:
        detail, failed = check(site), False
    except Exception:
        detail, failed = traceback.format_exc()[-MAX_TRACE_CHARS:], True
    print(f"{'FAILED' if failed else 'ok'} {check.__name__} ({time.monotonic() - begin:.0f} s): {detail}", flush=True)
    return failed


def main(names):
    known = {check.__name__: check for check in CHECKS}
    if names == ["--list"]:
        print("\n".join(known))
        return 0
    begin, site = time.monotonic(), Site()
    try:
        failures = [run(known[name], site) for name in names or known]
    finally:
        site.database.stop()
        if os.environ.get("KEEP"):
            print(f"the files are in {site.folder}")
        else:
            shutil.rmtree(site.folder)
    print(f"{len(failures)} checks, {sum(failures)} failed, in {time.monotonic() - begin:.0f} s")
    return int(any(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
