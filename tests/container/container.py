"""Checks that the program of a Dockerfile works as the image would run it.

Runs as root in new mount and network namespaces, and starts the program there as the image's user.
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
# The time limit in seconds for the program to start, to answer, or to stop.
TIMEOUT = 20


class Image:
    """The settings of the last stage of a Dockerfile."""

    def __init__(self, text: str):
        lines = re.sub(r"\\\n\s*", "", text).splitlines()
        last = max(at for at, line in enumerate(lines) if line.startswith("FROM "))
        instructions = [line.split(" ", 1) for line in lines[last:] if re.match(r"[A-Z]+ ", line)]
        only = dict(instructions)
        self.command = json.loads(only["ENTRYPOINT"]) + json.loads(only["CMD"])
        self.health = json.loads(only["HEALTHCHECK"].split("CMD ", 1)[1])
        self.user = only["USER"]
        [self.volume] = json.loads(only["VOLUME"])
        pairs = (pair for word, value in instructions if word == "ENV" for pair in value.split())
        self.env = dict(pair.split("=", 1) for pair in pairs)
        self.stop = getattr(signal, only["STOPSIGNAL"])
        [self.program] = [rest.split()[-1] for word, rest in instructions if word == "COPY" and rest.split()[-1] == self.command[0]]
        self.tokens = self.command[self.command.index("--tokens") + 1]
        self.port = int(self.command[self.command.index("--http") + 1].rsplit(":", 1)[1])


def mount(*args: str):
    subprocess.run(["mount", *args], check=True)


@contextlib.contextmanager
def root(image: Image):
    """Mounts a file system with the program, its libraries, its token file and its volume. Only the volume is writable."""
    with tempfile.TemporaryDirectory() as folder:
        top, data = pathlib.Path(folder, "root"), pathlib.Path(folder, "data")
        top.mkdir()
        data.mkdir()
        os.chown(data, *map(int, image.user.split(":")))
        mount("-t", "tmpfs", "none", str(top))
        fill(image, top)
        tokens = top / image.tokens[1:]
        tokens.parent.mkdir(parents=True, exist_ok=True)
        key = hashlib.sha256(KEY.encode()).hexdigest()
        tokens.write_text(f'[[token]]\nsubject = "test"\nscopes = {json.dumps(SCOPES)}\nsha256 = "{key}"\n')
        tokens.chmod(0o600)
        os.chown(tokens, *map(int, image.user.split(":")))
        volume = top / image.volume[1:]
        for folder in [volume, top / "proc", top / "dev"]:
            folder.mkdir(exist_ok=True)
        (top / "dev/null").touch()
        mount("--bind", str(data), str(volume))
        mount("--bind", "/dev/null", str(top / "dev/null"))
        mount("-o", "remount,ro", str(top))
        try:
            yield top, data
        finally:
            for mounted in [volume, top / "dev/null", top]:
                subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def fill(image: Image, top: pathlib.Path):
    """Copies the files of an image that was built, or else the program of this checkout and its libraries."""
    if built := os.environ.get("IMAGE_ROOT"):
        subprocess.run(["cp", "--archive", f"{built}/.", str(top)], check=True)
        return
    linked = subprocess.run(["ldd", os.environ["PRICES"]], check=True, capture_output=True, text=True).stdout
    for library in re.findall(r"(/\S+) \(0x", linked):
        put(pathlib.Path(library), top / library[1:])
    put(pathlib.Path(os.environ["PRICES"]), top / image.program[1:])


def put(file: pathlib.Path, where: pathlib.Path):
    where.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, where)


def start(image: Image, top: pathlib.Path, command: list[str], **more) -> subprocess.Popen:
    """Runs a command as process 1 under the image's user, without capabilities and without a way to gain them."""
    # The program's environment is that of the image, which may have no path to these.
    setpriv, unshare, chroot = map(shutil.which, ["setpriv", "unshare", "chroot"])
    inside = [chroot, f"--userspec={image.user}", "--groups=", str(top), *command]
    alone = [unshare, "--pid", "--fork", "--kill-child", f"--mount-proc={top}/proc", *inside]
    return subprocess.Popen([setpriv, "--no-new-privs", *alone], env=image.env, **more)


def child(process: subprocess.Popen) -> int:
    """Returns the process id of the program, which `unshare` starts."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        if children and pathlib.Path(f"/proc/{children[0]}/comm").read_text().strip() == "prices":
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("the program did not start")


def healthy(image: Image, top: pathlib.Path) -> bool:
    process = start(image, top, image.health, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    stdout, stderr = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0 or "does not answer" in stderr or "draining" in stdout, (stdout, stderr)
    return process.returncode == 0


def ask(image: Image, method: str, params: dict, key: str | None = KEY):
    """Sends a request under 2026-07-28, and returns its status and body."""
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
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


def loopback_up():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP


def status_of(pid: int) -> dict[str, str]:
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, value in (line.split(":", 1) for line in lines)}


def same(name: str, actual, expected):
    if actual != expected:
        raise AssertionError(f"{name}: expected {expected!r}, not {actual!r}")
    print(f"{name}: ok", flush=True)


def check(image: Image, top: pathlib.Path, data: pathlib.Path):
    same("the health check fails before the start", healthy(image, top), False)
    process = start(image, top, image.command)
    try:
        pid = child(process)
        deadline = time.monotonic() + TIMEOUT
        while not healthy(image, top) and time.monotonic() < deadline:
            time.sleep(0.1)
        same("the health check succeeds", healthy(image, top), True)
        status = status_of(pid)
        same("user and group", (status["Uid"].split()[1], status["Gid"].split()[1]), tuple(image.user.split(":")))
        same("no other groups", status["Groups"], "")
        same("no capabilities, and no way to gain them", (int(status["CapEff"], 16), status["NoNewPrivs"]), (0, "1"))
        same("the program is process 1", status["NSpid"].split()[-1], "1")
        same("a request without a key is refused", ask(image, "tools/list", {}, None)[0], 401)
        tools = ask(image, "tools/list", {})[1]["result"]["tools"]
        same("a list", len(tools), 7)
        call = {"name": "get_stock_price", "arguments": {"symbol": "AAPL"}}
        same("a call", ask(image, "tools/call", call)[1]["result"]["structuredContent"]["price"], 223.02)
        alert = {"name": "set_alert", "arguments": {"symbol": "IBM", "when": "above", "price": 250}}
        same("a write", ask(image, "tools/call", alert)[1]["result"].get("isError", False), False)
        files = [file for file in data.rglob("*") if file.is_file()]
        same("the volume's files belong to the user", {file.stat().st_uid for file in files}, {int(image.user.split(":")[0])})
        try:
            (top / "anything").touch()
            read_only = False
        except OSError:
            read_only = True
        same("the rest is read-only, even for root", read_only, True)
        os.kill(pid, image.stop)
        same("the program stops at its signal, with code 0", process.wait(TIMEOUT), 0)
        same("the health check fails after the end", healthy(image, top), False)
    finally:
        process.kill()


loopback_up()
parsed = Image(pathlib.Path(sys.argv[1]).read_text())
with root(parsed) as (made, volume):
    check(parsed, made, volume)
