"""Secrets that sing: values planted where secrets are, and a look at every place where none of them may turn up."""

import base64
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

# What the agent does: print every secret it was told of in every way, as output, as progress, as its last word.
AGENT = """
import base64, html, json, os, shlex, sys, urllib.parse, urllib.request
secrets = json.load(open(sys.argv[1]))
secrets["its own token"] = os.environ["AGENT_SWARM_TOKEN"]
assert os.environ["STORED_SECRET"] == secrets["stored secret"]
secrets |= {name: os.environ[name] for name in ("DEPLOY_PASSWORD", "ANTHROPIC_API_KEY") if name in os.environ}
def ways(s):
    b = s.encode()
    yield from (s, repr(s), json.dumps(s), json.dumps(json.dumps({"s": s})), shlex.quote(s), html.escape(s))
    yield from (urllib.parse.quote(s, safe=""), urllib.parse.quote(s, safe="").lower(), b.hex(), b.hex().upper())
    for n in range(3):
        yield base64.b64encode(b"xyz"[:n] + b).decode()
        yield base64.urlsafe_b64encode(b"xyz"[:n] + b + b"!").decode()
    yield base64.encodebytes(b"-" * 40 + b + b"-" * 40).decode()
    yield f"https://bot:{s}@git.example/x.git"
    yield f"Authorization: Bearer {s}"
everything = [f"{way}" for s in secrets.values() for way in ways(s)]
print("the canary sings")
for way in everything:
    print(way)
for s in secrets.values():
    sys.stdout.write(s[: len(s) // 2]); sys.stdout.flush(); sys.stdout.write(s[len(s) // 2 :] + "\\n")
def report(text):
    url = f"{os.environ['AGENT_SWARM_URL']}/api/tasks/{os.environ['AGENT_SWARM_TASK_ID']}/progress"
    headers = {"Authorization": "Bearer " + os.environ["AGENT_SWARM_TOKEN"], "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps({"text": text}).encode(), headers)).read()
# What goes to the server past the worker is redacted by what the server knows: docs/threat-model.md.
for name in ("API key", "stored secret", "its own token"):
    for way in ways(secrets[name]):
        report("the canary sings " + way)
open(sys.argv[2] + ".token", "w").write(secrets["its own token"])
open(sys.argv[2], "w").close()
import time
while not os.path.exists(sys.argv[3]): time.sleep(0.02)
print("the canary sings", *secrets.values())
sys.stdout.flush()
sys.stderr.write("the canary sings " + " ".join(everything))
sys.exit(int(sys.argv[4]))
"""


@cache
def forms(secret: str) -> dict[str, bytes]:
    """How a secret would be found, by a way of its own: not the one by which the program looks for it."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "JSON": json.dumps(secret)[1:-1].encode(),
        "URL": quote(secret, safe="").encode(),
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
    }
    for place in range(3):  # without the characters at the edges, which depend on the neighbours
        text = base64.b64encode(b"xyz"[:place] + raw)[(0, 2, 3)[place] : -4]
        found[f"base64 at {place}"] = text
        found[f"urlsafe base64 at {place}"] = text.replace(b"+", b"-").replace(b"/", b"_")
    return found


@dataclass
class Search:
    """Looks for canaries; remembers where it looked, and how much there was."""

    secrets: dict[str, str]
    looked_at: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)

    def look(self, place: str, content: bytes) -> None:
        """Look into something."""
        self.looked_at[place] = self.looked_at.get(place, 0) + len(content)
        for name, secret in tuple(self.secrets.items()):  # more may be planted meanwhile
            for way, needle in forms(secret).items():
                if needle in content:
                    self.found.append(f"{name}, {way}: in {place}")

    def look_into(self, place: str, database_url: str) -> None:
        """Look into every column of every table of a PostgreSQL database."""
        with psycopg.connect(database_url) as connection:
            columns = connection.execute(
                "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
            ).fetchall()
            for table, column in columns:
                asked = sql.SQL("SELECT {}::text FROM {}").format(sql.Identifier(column), sql.Identifier(table))
                self.look(place, "\n".join(value or "" for (value,) in connection.execute(asked)).encode())

    def look_below(self, place: str, folder: Path, pattern: str = "**/*") -> None:
        """Look into every file there."""
        self.looked_at.setdefault(place, 0)
        for path in folder.glob(pattern):
            with suppress(OSError):
                if path.is_file():
                    self.look(place, path.read_bytes())

    @contextmanager
    def watching_processes(self) -> Iterator[None]:
        """Look at the arguments of every process, again and again."""
        stop = threading.Event()
        failed: list[BaseException] = []
        self.looked_at["arguments of processes"] = 0

        def watch() -> None:
            try:
                while not stop.wait(0.05):
                    for entry in Path("/proc").iterdir():
                        if entry.name.isdigit() and int(entry.name) != os.getpid():
                            with suppress(OSError):
                                self.look("arguments of processes", (entry / "cmdline").read_bytes())
            except BaseException as exc:
                failed.append(exc)

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
        assert failed == [], "nobody watched the processes any more"


def environments() -> dict[int, bytes]:
    """The environment of every process that can be seen."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with suppress(OSError):
                found[int(entry.name)] = (entry / "environ").read_bytes()
    return found
