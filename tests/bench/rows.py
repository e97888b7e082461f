"""The rows of the benchmark: each is one process on one core that takes `POST /v1/payouts`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.keys import hashed, new_key
from tests.servers import _free_port

ROOT = Path(__file__).parents[2]
GATEWAY_CORE, OTHER_CORE = 0, 1
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
scopes = ["payouts:write"]
"""
NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}; proxy_temp_path {folder};
  upstream stub {{ server 127.0.0.1:{stub}; keepalive 300; }}
  server {{ listen 127.0.0.1:{port}; location / {{
    proxy_pass http://stub/payouts; proxy_http_version 1.1; proxy_set_header Connection ""; }} }}
}}
"""


class Row:
    """One process under test, and what it spends."""

    def __init__(self, name: str, command: Sequence[str], port: int, **environment: str) -> None:
        self.name, self.port = name, port
        began = time.perf_counter()
        self.process = pinned(command, GATEWAY_CORE, **environment)
        self.tree = psutil.Process(self.process.pid)
        wait_for(port, self.process)
        self.ready_after = time.perf_counter() - began

    def cpu(self) -> float:
        """Seconds of processor time so far, children included."""
        processes = [self.tree, *self.tree.children(recursive=True)]
        times = [process.cpu_times() for process in processes]
        return sum(each.user + each.system for each in times)

    def megabytes(self) -> float:
        """PSS of the process and its children."""
        processes = [self.tree, *self.tree.children(recursive=True)]
        return sum(float(process.memory_full_info().pss) for process in processes) / 1e6

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def pinned(command: Sequence[str], core: int, **environment: str) -> subprocess.Popen[bytes]:
    def pin() -> None:
        os.sched_setaffinity(0, {core % os.cpu_count()})  # type: ignore[operator]

    return subprocess.Popen(command, cwd=ROOT, preexec_fn=pin, env=os.environ | environment)


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
    process = pinned([sys.executable, "-m", "tests.bench.stub", str(port), str(delay_ms)], OTHER_CORE)
    wait_for(port, process)
    return process, port


def secrets_in(folder: Path) -> str:
    """Writes what every row signs with, and returns the API key."""
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pem").write_bytes(pem)
    (folder / "word").write_text("test-word")
    return new_key()


def gateway(name: str, folder: Path, stub_port: int, key: str, journal: str, module: str = "gateway") -> Row:
    port = _free_port()
    config = folder / f"{port}.toml"
    config.write_text(CONFIG.format(port=port, journal=journal, stub=stub_port, folder=folder, sha256=hashed(key)))
    return Row(name, [sys.executable, "-m", module, "run", "--config", str(config)], port)


def handler(name: str, folder: Path, stub_port: int) -> Row:
    port = _free_port()
    command = [sys.executable, "-m", "tests.bench.handlers", name, str(port), str(stub_port), str(folder / "pem")]
    return Row(name, command, port)


def nginx(folder: Path, stub_port: int) -> Row | None:
    """The floor; None where this machine has no nginx."""
    binary = shutil.which("nginx")
    if binary is None:
        return None
    port = _free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, stub=stub_port, port=port))
    return Row("nginx", [binary, "-c", str(folder / "nginx.conf")], port)


def machine() -> str:
    """What the figures were measured on."""
    models = [
        line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return json.dumps({"cores": os.cpu_count(), "processor": models[0] if models else "unknown"})
