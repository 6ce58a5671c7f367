"""Checks `prices diff --base https://…` against a running server, with and without its token and its authority."""

import asyncio
import json
import os
import ssl
import subprocess
import tempfile

import trustme

PRICES = os.environ["PRICES"]
START_SECONDS = 60


def run(*arguments, **variables):
    """Runs `prices` to its end."""
    environment = {key: value for key, value in os.environ.items() if key != "CANDOR_DIFF_TOKEN"} | variables
    return subprocess.run([PRICES, *arguments], env=environment, capture_output=True, text=True, timeout=60)


async def forward(reader, writer):
    """Copies one direction of a connection."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except (ConnectionError, ssl.SSLError):
        pass
    finally:
        writer.close()


async def proxy(port, certificate):
    """Serves TLS in front of a port of this machine. Returns the server."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)

    async def connection(reader, writer):
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(forward(reader, inner_writer), forward(inner_reader, writer))

    return await asyncio.start_server(connection, "127.0.0.1", 0, ssl=context)


def check(name, finished, code, *texts):
    """Fails unless a run ended with this code and wrote these texts."""
    output = finished.stdout + finished.stderr
    missing = [text for text in texts if text not in output]
    if finished.returncode != code or missing:
        raise SystemExit(f"{name}: exit code {finished.returncode}, without {missing}:\n{output}")
    print(f"{name}: ok")


async def serve(folder, tokens):
    """Starts `prices` and returns its process and its port."""
    environment = os.environ | {"PRICES_DATA": os.path.join(folder, "data")}
    arguments = ["serve", "--http", "127.0.0.1:0", "--tokens", tokens, "--audit", os.path.join(folder, "audit")]
    arguments += ["--allow-host", "localhost"]
    stderr = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(PRICES, *arguments, env=environment, stderr=stderr)
    async with asyncio.timeout(START_SECONDS):
        while line := await server.stderr.readline():
            if line.startswith(b'{"listening"'):
                return server, int(json.loads(line)["listening"].split(":")[2].split("/")[0])
    raise SystemExit("the server does not start")


async def main():
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authorities, tokens = os.path.join(folder, "authority.pem"), os.path.join(folder, "tokens.toml")
        authority.cert_pem.write_to_path(authorities)
        made = run("token", "new", "--subject", "ci", "--scope", "read:prices", "--file", tokens)
        token = next(word for word in made.stdout.split() if word.startswith("candor_"))
        server, port = await serve(folder, tokens)
        try:
            front = await proxy(port, authority.issue_cert("localhost"))
            url = f"https://localhost:{front.sockets[0].getsockname()[1]}/mcp"
            compare = lambda **variables: asyncio.to_thread(run, "diff", "--base", url, **variables)
            trusted = {"SSL_CERT_FILE": authorities}
            check("an authority of this machine", await compare(**trusted, CANDOR_DIFF_TOKEN=token), 0)
            check("no token", await compare(**trusted), 2, "requires a token\n", "CANDOR_DIFF_TOKEN")
            check("an unknown authority", await compare(CANDOR_DIFF_TOKEN=token), 2, "ertificate")
            front.close()
            check("no server", await compare(**trusted, CANDOR_DIFF_TOKEN=token), 2, "the request failed")
        finally:
            server.terminate()
            await server.wait()


asyncio.run(main())
