"""CPUs that may be used, in trees of /proc and /sys as real systems have them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from src import cpus
from src.cpus import usable_cpus
from tests.conftest import ROOT

# Of /proc/self/mountinfo, beside which there are always others.
OTHERS = """\
21 1 259:1 / / rw,relatime - ext4 /dev/root rw,errors=remount-ro
22 21 0:20 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
"""
V2 = "35 24 0:29 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V2_HYBRID = "36 35 0:30 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
39 35 0:33 / /sys/fs/cgroup/cpuset rw,nosuid shared:16 - cgroup cgroup rw,cpuset
40 35 0:34 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:17 - cgroup cgroup rw,cpu,cpuacct
41 35 0:35 / /sys/fs/cgroup/memory rw,nosuid shared:18 - cgroup cgroup rw,memory
"""
V1_GROUPS = "12:cpuset:/\n4:cpu,cpuacct:{}\n3:memory:/user.slice\n1:name=systemd:/user.slice\n"
V2_FOLDER, V1_FOLDER = "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct"


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Makes a system of 16 CPUs with these groups, mounts and quotas by folder."""
    monkeypatch.setattr(cpus, "SYSTEM", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)

    def write(path: str, content: str) -> None:
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    def make(groups: str, mounts: str, quotas: dict[str, str]) -> None:
        write("/proc/self/cgroup", groups)
        write("/proc/self/mountinfo", OTHERS + mounts)
        for folder, quota in quotas.items():
            if quota.startswith("v1 "):
                _, micros, period = quota.split()
                write(f"{folder}/cpu.cfs_quota_us", f"{micros}\n")
                write(f"{folder}/cpu.cfs_period_us", f"{period}\n")
            else:
                write(f"{folder}/cpu.max", f"{quota}\n")

    return make


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("max 100000", 16),
        ("400000 100000", 4),
        ("150000 100000", 2),
        ("110000 100000", 2),
        ("50000 100000", 1),
        ("1000 100000", 1),
        ("25000 10000", 3),
        ("3200000 100000", 16),  # more than there are
    ],
)
def test_a_quota_of_version_2(system, quota, expected):
    # In a container, its own group is the top.
    system("0::/\n", V2, {V2_FOLDER: quota})
    assert usable_cpus() == expected


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("v1 -1 100000", 16), ("v1 200000 100000", 2), ("v1 250000 100000", 3), ("v1 10000 50000", 1)],
)
def test_a_quota_of_version_1(system, quota, expected):
    name = "/docker/4f1b"
    system(V1_GROUPS.format(name), V1, {V1_FOLDER + name: quota, V1_FOLDER: "v1 -1 100000"})
    assert usable_cpus() == expected


def test_the_smallest_quota_on_the_way_up_counts(system):
    group = f"{V2_FOLDER}/kubepods.slice/kubepods-pod1.slice"
    quotas = {f"{group}/cri-2.scope": "max 100000", group: "300000 100000"}
    system(
        "0::/kubepods.slice/kubepods-pod1.slice/cri-2.scope\n",
        V2,
        quotas
        | {f"{V2_FOLDER}/kubepods.slice": "600000 100000", f"{V2_FOLDER}/other.slice": "100000 100000"},
    )
    assert usable_cpus() == 3

    inner = {f"{V1_FOLDER}/slurm": "v1 500000 100000", f"{V1_FOLDER}/slurm/job": "v1 -1 100000"}
    system(V1_GROUPS.format("/slurm/job/step"), V1, inner | {f"{V1_FOLDER}/slurm/job/step": "v1 -1 100000"})
    assert usable_cpus() == 5


def test_a_container_that_sees_the_hosts_names(system):
    # Version 1 without a namespace: the mount begins at the container's own group.
    name = "/docker/4f1b"
    mount = f"40 35 0:34 {name} /sys/fs/cgroup/cpu,cpuacct ro,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
    system(V1_GROUPS.format(name), mount, {V1_FOLDER: "v1 200000 100000"})
    assert usable_cpus() == 2
    system(V1_GROUPS.format(f"{name}/inner"), mount, {f"{V1_FOLDER}/inner": "v1 100000 100000"})
    assert usable_cpus() == 1
    # Started by `docker exec` from elsewhere.
    system("0::/../4f1b\n", V2, {V2_FOLDER: "700000 100000"})
    assert usable_cpus() == 7


def test_both_versions_at_once(system):
    groups = V1_GROUPS.format("/user.slice") + "0::/user.slice/session-2.scope\n"
    system(groups, V1 + V2_HYBRID, {f"{V1_FOLDER}/user.slice": "v1 300000 100000"})
    assert usable_cpus() == 3


def test_affinity_counts_too(system, monkeypatch):
    system("0::/\n", V2, {V2_FOLDER: "400000 100000"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5}, raising=False)
    assert usable_cpus() == 2


@pytest.mark.parametrize("quota", ["", "many 100000", "100000 0", "100000", "v1 0 0"])
def test_nonsense_is_no_quota(system, quota):
    system("0::/\n" + V1_GROUPS.format("/"), V1 + V2, {V2_FOLDER: quota})
    assert usable_cpus() == 16


def test_another_system(tmp_path, monkeypatch):
    monkeypatch.setattr(cpus, "SYSTEM", tmp_path)  # without /proc
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert usable_cpus() == 6
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cpus() == 1


CPU_CONTROLLER = Path("/sys/fs/cgroup/cpu")  # of version 1


@pytest.mark.skipif(
    not os.access(CPU_CONTROLLER / "cgroup.procs", os.W_OK), reason="no group can be made here"
)
def test_in_a_real_group():
    outer = CPU_CONTROLLER / f"blindspot-test-{os.getpid()}"
    try:
        (outer / "inner").mkdir(parents=True)
        (outer / "cpu.cfs_quota_us").write_text("100000")
        enter = f'echo $$ > {outer}/inner/cgroup.procs; exec "$0" "$@"'
        ask = "from src.cpus import usable_cpus; print(usable_cpus())"
        command = ["bash", "-ec", enter, sys.executable, "-c", ask]
        assert subprocess.check_output(command, cwd=ROOT, text=True) == "1\n"
    finally:
        for group in (outer / "inner", outer):
            if group.exists():
                group.rmdir()
