"""Runs PostgreSQL, nginx, and the replicas of a server, each on loopback and with its files in one folder."""

import contextlib
import json
import os
import pathlib
import pwd
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

NAMES = ("a", "b", "c")
USER, PASSWORD = "candor", "a password with 'quotes' & \"signs\""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, what, timeout=60):
    """Polls a condition, and returns its first true value."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not in {timeout} s: {what}"
        time.sleep(0.05)


def url_quoted(text):
    return urllib.request.quote(text, safe="")


class Database:
    """A PostgreSQL server, whose tables may be in another folder than its log of changes."""

    def __init__(self, folder, tables=None):
        self.folder, self.port = pathlib.Path(folder, "postgres"), free_port()
        self.folder.mkdir()
        # PostgreSQL does not run as root.
        self.owner = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.owner = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self.data, self.server = (tables or self.folder) / "data", None
        if tables and self.owner:
            os.chown(tables, self.owner["user"], self.owner["group"])
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        command = ["initdb", "--pgdata", self.data, "--waldir", self.folder / "wal", "--username", USER]
        self.program(*command, "--auth", "scram-sha-256", "--pwfile", secret)
        self.start()

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder, tables):
        """A server of its own, which is stopped at the end."""
        database = cls(folder, tables)
        try:
            yield database
        finally:
            database.stop()

    def program(self, name, *arguments, **options):
        command = [pathlib.Path(os.environ["POSTGRES_BIN"], name), *arguments]
        options = {"check": True, "stdout": self.log, "stderr": self.log} | options
        return subprocess.run(command, cwd=self.folder, **self.owner, **options)

    def start(self, *settings):
        """Starts the server, and waits until it takes connections."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "max_connections": 60,
        }
        settings = [*[f"{name}={value}" for name, value in options.items()], *settings]
        command = [pathlib.Path(os.environ["POSTGRES_BIN"], "postgres"), "-D", self.data]
        command += [word for setting in settings for word in ("-c", setting)]
        self.server = subprocess.Popen(command, cwd=self.folder, stdout=self.log, stderr=self.log, **self.owner)
        wait_until(lambda: self.accepts() or self.server.poll() is not None, "PostgreSQL accepts connections")
        assert self.server.poll() is None, (self.folder / "log").read_text()

    def accepts(self):
        try:
            return self.sql("SELECT 1", timeout=5) == "1"
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
            return False

    def stop(self):
        """Stops the server: it ends all connections at once."""
        self.resume()
        self.server.send_signal(signal.SIGINT)
        self.server.wait(30)

    def pids(self):
        """The processes of the server."""
        children = pathlib.Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        return [self.server.pid, *map(int, children.read_text().split())]

    def pause(self):
        """Stops all processes of the server without ending them: connections stay open and are not answered."""
        # A process that starts meanwhile is stopped by the next round.
        stopped = set()
        while set(self.pids()) - stopped:
            for pid in set(self.pids()) - stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)
                stopped.add(pid)

    def resume(self):
        for pid in reversed(self.pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def url(self, name, user=USER, password=PASSWORD, port=None):
        return f"postgres://{url_quoted(user)}:{url_quoted(password)}@127.0.0.1:{port or self.port}/{name}"

    def sql(self, statement, name="postgres", timeout=30, user=USER):
        """Runs a statement as the superuser, and returns its rows as text."""
        command = [pathlib.Path(os.environ["POSTGRES_BIN"], "psql"), "-X", "-qtA", "-v", "ON_ERROR_STOP=1"]
        command += ["-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", name, "-c", statement]
        env = os.environ | {"PGPASSWORD": PASSWORD, "PGCONNECT_TIMEOUT": "5"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=timeout)
        return done.stdout.strip()

    def role(self, name, options=""):
        """Creates a role that may log in, and nothing else."""
        password = PASSWORD.replace("'", "''")
        self.sql(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}")

    def create(self, name):
        self.sql(f'CREATE DATABASE "{name}"')
        return self.url(name)


class Replica:
    """One process of a server."""

    def __init__(self, name, program, folder, flags=(), env=None, port=None):
        self.name, self.program, self.port = name, str(program), port or free_port()
        self.folder = pathlib.Path(folder, name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.url, self.audit = f"http://127.0.0.1:{self.port}/mcp", self.folder / "audit"
        self.flags, self.env, self.process = list(flags), env or {}, None

    def command(self):
        return [
            self.program,
            "serve",
            *("--http", f"127.0.0.1:{self.port}"),
            *("--replica", self.name),
            *("--audit", str(self.audit)),
            *self.flags,
        ]

    def start(self):
        """Starts the process, and waits until it is ready."""
        self.spawn()
        wait_until(lambda: self.is_ready() or self.process.poll() is not None, f"replica {self.name} is ready")
        assert self.process.poll() is None, self.stderr()
        return self

    def spawn(self):
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "PRICES_DATA": str(self.folder / "data")}
        env |= {"ORDERS": str(self.folder / "effects")} | self.env
        with open(self.folder / "stderr", "a", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                self.command(), env=env, stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr
            )

    def ready(self):
        """What `/readyz` answers; nothing while the process does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except (OSError, ValueError):
            return {}

    def is_ready(self):
        return self.ready().get("ready", False)

    def stderr(self):
        return (self.folder / "stderr").read_text()

    def effects(self):
        """The lines that the tools of the server `orders` have written."""
        file = self.folder / "effects"
        return file.read_text().splitlines() if file.exists() else []

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        """Stops the process in order, and returns its exit code."""
        if self.process is None or self.process.poll() is not None:
            return None
        self.process.terminate()
        return self.process.wait(60)


class Proxy:
    """nginx with the committed configuration, in front of three replicas."""

    def __init__(self, folder, replicas):
        self.folder, self.port = pathlib.Path(folder, "nginx"), free_port()
        self.folder.mkdir()
        self.ports, self.down = {replica.name: replica.port for replica in replicas}, set()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.configure()
        command = [os.environ["NGINX"], "-p", str(self.folder), "-c", "nginx.conf", "-e", "error.log"]
        self.log = open(self.folder / "log", "w", encoding="utf-8")
        self.server = subprocess.Popen([*command, "-g", "daemon off;"], stdout=self.log, stderr=self.log)
        wait_until(self.answers, "nginx answers")

    def answers(self):
        assert self.server.poll() is None, (self.folder / "log").read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5):
            return True
        return False

    def configure(self):
        """Writes the configuration with the addresses of this test, and the replicas that are out marked as `down`."""
        text = pathlib.Path(os.environ["NGINX_CONF"]).read_text()
        changes = {"listen 80;": f"listen 127.0.0.1:{self.port};"}
        changes |= {f"server {name}:8080": f"server 127.0.0.1:{port}" for name, port in self.ports.items()}
        for old, new in changes.items():
            assert old in text, old
            text = text.replace(old, new)
        for name in self.down:
            address = f"server 127.0.0.1:{self.ports[name]}"
            text = "\n".join(
                line.replace(";", " down;") if line.strip().startswith(address) else line for line in text.splitlines()
            )
        temporary = "".join(
            f"{kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        top = "http {\n" + f"access_log access.log;\n{temporary}"
        user = "user root;\n" if os.geteuid() == 0 else ""
        text = f"pid nginx.pid;\n{user}" + text.replace("http {\n", top, 1)
        (self.folder / "nginx.conf").write_text(text)

    def workers(self):
        children = pathlib.Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        return set(children.read_text().split())

    def reload(self):
        """Loads the configuration, and waits until the processes with the former one have ended."""
        before = self.workers()
        self.configure()
        self.server.send_signal(signal.SIGHUP)
        wait_until(lambda: self.workers() and not self.workers() & before, "nginx has loaded its configuration")

    def stop(self):
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(30)
