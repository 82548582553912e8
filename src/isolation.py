"""Keeps the user's settings of libraries out of the results.

Some change the last digits (how many threads, which instructions), some the look of pictures; and with
OMP_THREAD_LIMIT or OMP_DYNAMIC, torch waits forever for threads that it does not get. Libraries read them
when they are loaded, so `src` and `stages` come here before they import anything else. What results may
depend on is in params.yaml.
"""

import os
from importlib.util import find_spec
from pathlib import Path

# Of threads, linear algebra, instruction sets, and what else torch, numpy and OpenCV let themselves be told.
# OPENBLAS_CORETYPE and the like stay: where OpenBLAS takes a CPU for another, it does not run without them.
PREFIXES = (
    *("OMP_", "GOMP_", "KMP_", "MKL_", "ONEDNN_", "DNNL_", "BLIS_", "VECLIB_", "GOTO_"),
    *("OPENBLAS_NUM_THREADS", "OPENBLAS_DEFAULT_NUM_THREADS", "ATEN_", "TORCH_", "NPY_", "OPENCV_"),
    *("CUBLAS", "CUDNN_", "NVIDIA_TF32_OVERRIDE", "MPLBACKEND"),
)
# Where torch keeps weights, whose checksums are known; and how threads wait, which changes no result.
KEPT = ("TORCH_HOME", "OMP_WAIT_POLICY")


def ignore_settings() -> None:
    """Remove them from the environment, and have matplotlib read its own file of settings."""
    for name in [name for name in os.environ if name.startswith(PREFIXES) and name not in KEPT]:
        del os.environ[name]
    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        os.environ["MATPLOTLIBRC"] = str(Path(matplotlib.origin).with_name("mpl-data"))
