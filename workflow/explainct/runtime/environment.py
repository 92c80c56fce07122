"""Keep the user's environment out of results: what one shell, notebook or locale has set must change no byte."""

import os

KEPT = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONNOUSERSITE", "PYTHONPYCACHEPREFIX"})
"""Variables of Python that say where it is installed and what it writes, not what it computes."""

SET = {
    # A notebook names a backend that is not installed; pictures are written to files by the one that draws without a
    # screen.
    "MPLBACKEND": "agg",
    # Files are UTF-8 in every locale.
    "PYTHONUTF8": "1",
    # Writers of PDF and DICOM put this in place of the current time.
    "SOURCE_DATE_EPOCH": "0",
    # HDF5 locks what it opens, and goes on without on a disk that has no locks.
    "HDF5_USE_FILE_LOCKING": "BEST_EFFORT",
    # Threads that wait for each other must not keep a core busy that another program needs.
    "OMP_WAIT_POLICY": "PASSIVE",
}


def settle_environment() -> None:
    """Settle the variables of this process, and so of the jobs that it starts, that would reach results or break jobs.

    Snakemake sets the numbers of threads itself.
    """
    for name in list(os.environ):
        if name.startswith("PYTHON") and name not in KEPT:
            del os.environ[name]
    os.environ.update(SET)
