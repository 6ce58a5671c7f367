"""A Dockerfile, and the program that it is about → whether the program works as the image would run it.

Runs in mount and network namespaces of its own, as root, and gives both up for the program.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

KEY = "candor_known_to_every_reader"
SCOPES = ["read:prices", "read:alerts", "write:alerts"]
# How long the program may take to start, or to stop.
PATIENCE = 20


class Image:
    """What the last stage of a Dockerfile says."""

    def __init__(self, text: str):
        lines = re.sub(r"\\\n\s*", "", text).splitlines()
        last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
        said = [line.split(" ", 1) for line in lines[last:] if re.match(r"[A-Z]+ ", line)]
        only = dict(said)
        self.command = json.loads(only["ENTRYPOINT"]) + json.loads(only["CMD"])
        self.health = json.loads(only["HEALTHCHECK"].split("CMD ", 1)[1])
        self.user = only["USER"]
        [self.volume] = json.loads(only["VOLUME"])
        pairs = (pair for word, value in said if word == "ENV" for pair in value.split())
        self.env = dict(pair.split("=", 1) for pair in pairs)
        self.stop = getattr(signal, only["STOPSIGNAL"])
        [self.program] = [rest.split()[-1] for word, rest in said if word == "COPY" and rest.split()[-1] == self.command[0]]
        self.tokens = self.command[self.command.index("--tokens") + 1]
        self.port = int(self.command[self.command.index("--http") + 1].rsplit(":", 1)[1])


def mount(*args: str):
    subprocess.run(["mount", *args], check=True)


@contextlib.contextmanager
def root(image: Image):
    """A file system with the program, what it is linked with, its key file and its volume: writable in the last alone."""
    with tempfile.TemporaryDirectory() as folder:
        top, data = pathlib.Path(folder, "root"), pathlib.Path(folder, "data")
        top.mkdir()
        data.mkdir()
        os.chown(data, *map(int, image.user.split(":")))
        mount("-t", "tmpfs", "none", str(top))
        linked = subprocess.run(["ldd", os.environ["PRICES"]], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", linked):
            put(pathlib.Path(library), top / library[1:])
        put(pathlib.Path(os.environ["PRICES"]), top / image.program[1:])
        tokens = top / image.tokens[1:]
        tokens.parent.mkdir(parents=True)
        key = hashlib.sha256(KEY.encode()).hexdigest()
        tokens.write_text(f'[[token]]\nsubject = "test"\nscopes = {json.dumps(SCOPES)}\nsha256 = "{key}"\n')
        tokens.chmod(0o600)
        os.chown(tokens, *map(int, image.user.split(":")))
        volume = top / image.volume[1:]
        for folder in [volume, top / "proc", top / "dev"]:
            folder.mkdir()
        (top / "dev/null").touch()
        mount("--bind", str(data), str(volume))
        mount("--bind", "/dev/null", str(top / "dev/null"))
        mount("-o", "remount,ro", str(top))
        try:
            yield top, data
        finally:
            for mounted in [volume, top / "dev/null", top]:
                subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def put(file: pathlib.Path, where: pathlib.Path):
    where.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, where)


def start(image: Image, top: pathlib.Path, command: list[str], **more) -> subprocess.Popen:
    """Runs a command as process 1 under the image's user, without a capability, and without a way to one."""
    # The program's environment is the image's, which names no path to these.
    setpriv, unshare, chroot = map(shutil.which, ["setpriv", "unshare", "chroot"])
    inside = [chroot, f"--userspec={image.user}", "--groups=", str(top), *command]
    alone = [unshare, "--pid", "--fork", "--kill-child", f"--mount-proc={top}/proc", *inside]
    return subprocess.Popen([setpriv, "--no-new-privs", *alone], env=image.env, **more)


def child(process: subprocess.Popen) -> int:
    """The program itself, behind `unshare`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "prices":
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("the program did not start")


def healthy(image: Image, top: pathlib.Path) -> bool:
    process = start(image, top, image.health, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    said, complained = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 or "does not answer" in complained or "draining" in said, (said, complained)
    return process.returncode == 0


def ask(image: Image, method: str, params: dict, key: str | None = KEY):
    """A request under 2026-07-28 → status and body."""
    version = "2026-07-28"
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    headers = {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": version,
        "Mcp-Method": method,
        **({"Mcp-Name": params["name"]} if "name" in params else {}),
        **({"Authorization": f"Bearer {key}"} if key else {}),
    }
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{image.port}/mcp", body, headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def loopback_up():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP


def status_of(pid: int) -> dict[str, str]:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def same(what: str, came, expected):
    if came != expected:
        raise AssertionError(f"{what}: {came!r}, and not {expected!r}")
    print(f"{what}: ok", flush=True)


def check(image: Image, top: pathlib.Path, data: pathlib.Path):
    same("the health check says no before the start", healthy(image, top), False)
    process = start(image, top, image.command)
    try:
        pid = child(process)
        deadline = time.monotonic() + PATIENCE
        while not healthy(image, top) and time.monotonic() < deadline:
            time.sleep(0.1)
        same("the health check says yes", healthy(image, top), True)
        held = status_of(pid)
        same("user and group", (held["Uid"].split()[1], held["Gid"].split()[1]), tuple(image.user.split(":")))
        same("no other group", held["Groups"], "")
        same("no capability, and no way to one", (int(held["CapEff"], 16), held["NoNewPrivs"]), (0, "1"))
        same("it is process 1", held["NSpid"].split()[-1], "1")
        same("nobody is let in without a key", ask(image, "tools/list", {}, None)[0], 401)
        tools = ask(image, "tools/list", {})[1]["result"]["tools"]
        same("a list", len(tools), 7)
        call = {"name": "get_stock_price", "arguments": {"symbol": "AAPL"}}
        same("a call", ask(image, "tools/call", call)[1]["result"]["structuredContent"]["price"], 223.02)
        alert = {"name": "set_alert", "arguments": {"symbol": "IBM", "when": "above", "price": 250}}
        same("a write", ask(image, "tools/call", alert)[1]["result"].get("isError", False), False)
        written = [file for file in data.rglob("*") if file.is_file()]
        same("it is in the volume, the user's own", {file.stat().st_uid for file in written}, {int(image.user.split(":")[0])})
        try:
            (top / "anything").touch()
            read_only = False
        except OSError:
            read_only = True
        same("the rest cannot be written, not even by root", read_only, True)
        os.kill(pid, image.stop)
        same("it stops when it is told to, with code 0", process.wait(PATIENCE), 0)
        same("the health check says no after the end", healthy(image, top), False)
    finally:
        process.kill()


loopback_up()
parsed = Image(pathlib.Path(sys.argv[1]).read_text())
with root(parsed) as (made, volume):
    check(parsed, made, volume)
