"""Checks that the checkpoints of a log are signed by a verifier key and agree with the records, and that a log whose first
segments were removed begins where a signed note says.

Written from C2SP signed-note and from the description of the chain alone, without code of Candor.
"""

import base64
import hashlib
import json
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DOMAIN = b"candor audit record v1\0\0"


class Verifier:
    """A key in the form `name+id+base64(1, public key)`."""

    def __init__(self, text: str) -> None:
        self.name, ident, key = text.strip().split("+", 2)
        kind, *public = base64.b64decode(key, validate=True)
        assert kind == 1, "Ed25519"
        self.id = hashlib.sha256(self.name.encode() + b"\n\x01" + bytes(public)).digest()[:4]
        assert self.id.hex() == ident, "the id is that of the key"
        self.key = Ed25519PublicKey.from_public_bytes(bytes(public))

    def text(self, note: bytes) -> str:
        """The text of a signed note, if this key signed it."""
        text, signatures = note.split(b"\n\n")
        text += b"\n"
        *lines, end = signatures.decode().split("\n")
        if end:
            raise ValueError("a note ends with a line")
        for line in lines:
            dash, name, signature = line.split(" ")
            raw = base64.b64decode(signature, validate=True)
            if base64.b64encode(raw).decode() != signature:
                raise ValueError("base64 has one form")
            if dash == "\u2014" and name == self.name and raw[:4] == self.id:
                self.key.verify(raw[4:], text)
                return text.decode()
        raise InvalidSignature


def notes(file: bytes) -> list[bytes]:
    """Notes one after another: each ends with the line after its first empty line."""
    split = []
    while file:
        end = file.index(b"\n", file.index(b"\n\n") + 2) + 1
        split.append(file[:end])
        file = file[end:]
    return split


def removal(verifier: Verifier, folder: Path) -> tuple[int, bytes]:
    """The number of removed records and the digest of the last, as the signed note in the last segment says."""
    segments = sorted(folder.glob("segment-*.jsonl"))
    opening = json.loads(segments[-1].read_bytes().splitlines()[0])
    if "removed" not in opening:
        return 0, bytes(32)
    origin, size, digest, removed, *_rest, _open = verifier.text(opening["removed"].encode()).splitlines()
    assert origin == f"candor audit removal {opening['log']}", origin
    first = int(removed.removeprefix("segments ")) + 1
    assert segments[0].name == f"segment-{first:08}.jsonl", "the log begins after the removed segments"
    first_record = json.loads(segments[0].read_bytes().splitlines()[0])
    assert first_record["seq"] == int(size), "the first record follows the removed ones"
    return int(size), base64.b64decode(digest)


def heads(folder: Path, prev: bytes) -> list[bytes]:
    """The digest after each record, computed again. `prev` is that before the first one."""
    digests = []
    for segment in sorted(folder.glob("segment-*.jsonl")):
        for line in segment.read_bytes().splitlines():
            body, chain = line.split(b',"prev":')
            digest = hashlib.sha256(DOMAIN + prev + len(body).to_bytes(8, "big") + body).digest()
            assert chain == f'"{prev.hex()}","hash":"{digest.hex()}"}}'.encode(), (segment, len(digests))
            prev = digest
            digests.append(digest)
    return digests


def main(key: str, folder: str) -> None:
    verifier = Verifier(Path(key).read_text())
    removed, prev = removal(verifier, Path(folder))
    chain = heads(Path(folder), prev)
    checkpoints = notes(Path(folder, "checkpoints").read_bytes())
    for note in checkpoints:
        origin, size, digest, _time = verifier.text(note).splitlines()
        assert origin.startswith("candor audit log "), origin
        if int(size) > removed:
            assert chain[int(size) - removed - 1] == base64.b64decode(digest), size
        elif int(size) == removed:
            assert prev == base64.b64decode(digest), size
        for at in range(len(note)):
            changed = bytearray(note)
            changed[at] ^= 1
            try:
                verifier.text(bytes(changed))
            except (InvalidSignature, ValueError):
                continue
            raise AssertionError(f"byte {at} of a note can be changed")
    assert len(checkpoints) >= 2 and int(size) == removed + len(chain), "the last checkpoint is of the whole log"
    print(f"{len(checkpoints)} checkpoints of {len(chain)} records are correct, after {removed} that were removed")


main(*sys.argv[1:])
