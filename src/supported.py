"""Says in one line if Blindspot cannot be installed here: its pinned packages exist for some systems only.

`make setup` runs this file before it downloads anything, with whatever Python there is: it needs no library,
and nothing that Python 3.6 does not have.
"""

import platform
import sys
import sysconfig

OLDEST, NEWEST = (3, 11), (3, 14)
SYSTEMS = "Linux (x86-64, ARM64; glibc 2.28 or later), macOS 14 or later (Apple silicon), Windows (x86-64)"


def problem() -> str:
    """What is in the way; empty if nothing is."""
    other = "try make setup PYTHON3=python3.13"
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        wanted = "Python {}.{} to {}.{}".format(*OLDEST, *NEWEST)
        return f"needs {wanted}, found {platform.python_version()}; {other}"
    if platform.python_implementation() != "CPython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return f"needs the usual build of Python: CPython, not free-threaded; {other}"
    where = _unsupported()
    return where and f"torch, onnxruntime and others have no packages for {where}; they have for {SYSTEMS}"


def _unsupported() -> str:
    system, machine = platform.system(), platform.machine()
    if sys.maxsize < 2**32:
        return "a 32-bit Python"
    if system == "Linux":
        libc, version = platform.libc_ver()
        if machine not in ("x86_64", "aarch64"):
            return "Linux on " + machine
        if libc != "glibc":
            return "Linux without glibc, such as Alpine"
        if _numbers(version) < [2, 28]:
            return "glibc " + version
    elif system == "Darwin":
        if machine != "arm64":
            return "a Python for Intel Macs"
        if _numbers(platform.mac_ver()[0]) < [14]:
            return "macOS " + platform.mac_ver()[0]
    elif sysconfig.get_platform() != "win-amd64":
        return f"{system} on {machine}"
    return ""


def _numbers(version: str) -> list:
    return [int(part) for part in version.split(".") if part.isdigit()]


if __name__ == "__main__" and problem():
    sys.exit("setup: " + problem())
