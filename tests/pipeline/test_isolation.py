"""The same bytes under a user's environment that is as unlike ours as can be."""

import sys

import pytest

from tests.project import STAGES, stages_run

HOSTILE = {
    "PYTHONUTF8": "0",
    "MPLBACKEND": "none",
    "OMP_NUM_THREADS": "7",
    "OMP_DYNAMIC": "true",
    "OMP_THREAD_LIMIT": "1",
    "MKL_NUM_THREADS": "3",
    "MKL_CBWR": "COMPATIBLE",
    "OPENBLAS_NUM_THREADS": "1",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "ATEN_CPU_CAPABILITY": "default",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1",
    "TORCH_SHOW_CPP_STACKTRACES": "1",
    "PYTHONHASHSEED": "7",
    "PYTHONOPTIMIZE": "1",
    "LC_ALL": "C",
    "LANGUAGE": "de",
    "TZ": "Asia/Kathmandu",
    "NO_COLOR": "1",
    "FORCE_COLOR": "1",
    "COLUMNS": "20",
    "LINES": "3",
    "SOURCE_DATE_EPOCH": "1",
}


@pytest.mark.skipif(sys.platform == "win32", reason="no umask")
def test_nothing_in_the_environment_or_the_home_changes_a_result(project):
    clean = project.sums()
    home = project.folder.parent / "hostile"
    settings = home / ".config/matplotlib/matplotlibrc"
    settings.parent.mkdir(parents=True)
    settings.write_text("font.size: 30\nfont.family: serif\nfigure.facecolor: black\nsavefig.bbox: tight\n")
    (home / ".netrc").write_bytes(b"\xff\xfe")
    command = "umask 077 && exec dvc repro --force --no-run-cache"
    printed = project.run("sh", "-c", command, HOME=str(home), **HOSTILE)
    assert stages_run(printed) == STAGES
    assert project.sums() == clean
