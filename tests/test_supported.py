"""Where it installs: what `make setup` says elsewhere, and that all who name versions agree."""

import ast
import os
import platform
import re
import subprocess
import sys
import sysconfig
import tomllib

import pytest
import yaml

from src import supported
from tests.conftest import ROOT

LINUX = {"system": "Linux", "machine": "x86_64", "libc_ver": ("glibc", "2.36")}
MAC = {"system": "Darwin", "machine": "arm64", "mac_ver": ("14.0", ("", "", ""), "arm64")}
WINDOWS = {"system": "Windows", "machine": "AMD64", "get_platform": "win-amd64"}
GOOD = [LINUX, LINUX | {"machine": "aarch64", "libc_ver": ("glibc", "2.28")}, MAC, WINDOWS]
BAD = [
    (LINUX | {"version_info": (3, 10, 4)}, "needs Python 3.11 to 3.14, found"),
    (LINUX | {"version_info": (3, 15, 0)}, "needs Python 3.11 to 3.14, found"),
    (LINUX | {"python_implementation": "PyPy"}, "needs the usual build of Python"),
    (LINUX | {"get_config_var": 1}, "not free-threaded"),
    (LINUX | {"maxsize": 2**31 - 1}, "for a 32-bit Python;"),
    (LINUX | {"machine": "riscv64"}, "for Linux on riscv64;"),
    (LINUX | {"libc_ver": ("", "")}, "for Linux without glibc, such as Alpine;"),
    (LINUX | {"libc_ver": ("musl", "1.2.5")}, "for Linux without glibc, such as Alpine;"),
    (LINUX | {"libc_ver": ("glibc", "2.17")}, "for glibc 2.17;"),
    (MAC | {"machine": "x86_64"}, "for a Python for Intel Macs;"),
    (MAC | {"mac_ver": ("13.6.1", ("", "", ""), "arm64")}, "for macOS 13.6.1;"),
    (WINDOWS | {"machine": "ARM64", "get_platform": "win-arm64"}, "for Windows on ARM64;"),
    (WINDOWS | {"system": "FreeBSD", "get_platform": "freebsd-14"}, "for FreeBSD on AMD64;"),
]


def found(facts, monkeypatch) -> str:
    facts = {"version_info": (3, 12, 1), "python_implementation": "CPython", "get_config_var": 0} | facts
    for name, value in facts.items():
        if hasattr(sys, name):
            monkeypatch.setattr(sys, name, value)
        else:
            module = platform if hasattr(platform, name) else sysconfig
            monkeypatch.setattr(module, name, lambda *_, value=value: value)
    return supported.problem()


@pytest.mark.parametrize("facts", GOOD)
def test_systems_with_packages(facts, monkeypatch):
    assert found(facts, monkeypatch) == ""


@pytest.mark.parametrize(("facts", "line"), BAD)
def test_systems_without(facts, line, monkeypatch):
    said = found(facts, monkeypatch)
    assert line in said
    assert "\n" not in said


def test_setup_says_so_before_it_does_anything(tmp_path):
    python = tmp_path / "python3"
    python.write_text(
        f"#!/bin/sh\nexec {sys.executable} -c 'import runpy, sys; sys.version_info = (3, 15, 0); "
        'runpy.run_path(sys.argv[1], run_name="__main__")\' "$@"\n'
    )
    python.chmod(0o755)
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "src/supported.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    command = ["make", "setup", f"PYTHON3={python}"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("setup: needs Python 3.11 to 3.14, found ")
    assert all(line.startswith("make: ") for line in rest)
    assert not (tmp_path / ".venv").exists()


def test_an_old_python_understands_the_check():
    ast.parse((ROOT / "src/supported.py").read_text(), feature_version=(3, 6))


def test_all_who_name_versions_agree():
    versions = [f"3.{minor}" for minor in range(supported.OLDEST[1], supported.NEWEST[1] + 1)]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={versions[0]},<3.{supported.NEWEST[1] + 1}"
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == versions
    assert jobs["oldest"]["strategy"]["matrix"]["python"][0] in versions
    said = f"Python {versions[0]} to {versions[-1]}"
    for page in ("README.md", "docs/install.md"):
        assert said in " ".join((ROOT / page).read_text().split()), page
    for name in ("Dockerfile", ".github/workflows/tests.yml"):
        named = re.findall(r"(?:python:|python-version: \")(3\.\d+)", (ROOT / name).read_text())
        assert named
        assert set(named) <= set(versions)


def test_the_oldest_torch_is_what_the_pages_say():
    jobs = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]
    matrix = jobs["oldest"]["strategy"]["matrix"]
    said = f"torch {matrix['torch'][0]} and torchvision {matrix['torchvision'][0]}"
    assert said in " ".join((ROOT / "docs/install.md").read_text().split())
    # What the workflow replaces has to be there.
    direct = (ROOT / "requirements.in").read_text()
    assert re.search("(?m)^torch==", direct)
    assert re.search("(?m)^torchvision==", direct)
