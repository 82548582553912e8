"""Commands in a system that lacks what most have; Linux only."""

import subprocess

import pytest

# /dev/shm as a container may have it. Everything else in /dev that a program asks for is there.
SHARED_MEMORY = {
    "tiny": "mount -t tmpfs -o size=100k tmpfs /dev/shm",
    "read-only": "mount -t tmpfs -o ro tmpfs /dev/shm",
    "absent": """
        dev=/mnt
        mount -t tmpfs tmpfs $dev
        for file in null zero full random urandom tty; do
            touch $dev/$file
            mount --bind /dev/$file $dev/$file
        done
        for link in fd stdin stdout stderr; do cp -P /dev/$link $dev/$link; done
        mount --rbind $dev /dev
        ! test -e /dev/shm
    """,
}


def without_shared_memory(kind: str) -> list[str]:
    """What runs a command in a namespace of its own, where /dev/shm is one of `SHARED_MEMORY`."""
    return ["unshare", "-rm", "bash", "-ec", SHARED_MEMORY[kind] + '\nexec "$0" "$@"']


def _reason() -> str:
    """Why there are no namespaces here; empty if there are."""
    try:
        command = [*without_shared_memory("absent"), "true"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    return done.stderr.strip() if done.returncode else ""


REASON = _reason()
needs_namespaces = pytest.mark.skipif(bool(REASON), reason=f"no namespaces here: {REASON}")
