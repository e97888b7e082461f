"""What a folder is mounted from: SQLite's locks and its shared memory need a disk of this machine."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mounts")
_KERNEL = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
}
_FUSE = {"fuse.ceph", "fuse.ceph-fuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
NETWORK = _KERNEL | _FUSE


def network_type(path: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the network file system that holds a path; None where it is local, or where nobody can tell."""
    kind = _mounted_type(path, mounts)
    return kind if kind in NETWORK else None


def _mounted_type(path: Path, mounts: Path) -> str | None:
    try:
        lines = mounts.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:  # not Linux
        return None
    held: dict[Path, str] = {}  # of two mounts on one point, the later hides the earlier
    for line in lines:
        _device, point, kind, *_ = line.split(" ")
        held[Path(_plain(point))] = kind
    return next((held[parent] for parent in (path, *path.parents) if parent in held), None)


def _plain(point: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        point = point.replace(code, character)
    return point
