"""How many CPUs this process may really use."""

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

SYSTEM = Path("/")  # where /proc is


def usable_cpus() -> int:
    """CPUs that the process may run on, or what its quota is worth where that is less; at least 1.

    A scheduler hands out CPUs by affinity, a container time on them by quota (`docker run --cpus`, limits of
    Kubernetes, systemd's CPUQuota). Quotas are rounded up: of 1.5 CPUs, a second thread uses the half.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(ValueError, ZeroDivisionError):  # something that only looks like Linux
        cpus = min([cpus, *map(math.ceil, _quotas())])
    return max(1, cpus)


def _quotas() -> Iterator[float]:
    """Of Linux's control groups, in CPUs: of the process's own group and of all that hold it.

    See admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst in the kernel's documentation.
    """
    for group, mount in _groups():
        for folder in (group, *group.parents):
            yield from _quota(folder)
            if folder == mount:
                break


def _groups() -> Iterator[tuple[Path, Path]]:
    """The process's groups that limit CPUs, and the mount points that they lie below: one a version."""
    names: dict[bool, str] = {}  # by whether it is of version 2
    for line in _read(SYSTEM / "proc/self/cgroup").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0" or "cpu" in controllers.split(","):
            names[number == "0"] = group
    for line in _read(SYSTEM / "proc/self/mountinfo").splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            root, point = before.split(" ")[3:5]
            mount = SYSTEM / point.lstrip("/")
            name = PurePosixPath(names.get(kind == "cgroup2", root))
            # In a container, the mount may begin at its own group, or the name be that of the host.
            inside = name.is_relative_to(root) and ".." not in name.parts
            yield mount / name.relative_to(root) if inside else mount, mount


def _quota(folder: Path) -> Iterator[float]:
    quota, _, period = _read(folder / "cpu.max").partition(" ")  # version 2: `max 100000`, `150000 100000`
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if quota.strip() not in ("", "max") and int(quota) > 0:  # version 1: -1 for none
        yield int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "surrogateescape")
    except OSError:  # another system, or the top group, which has no quota
        return ""
