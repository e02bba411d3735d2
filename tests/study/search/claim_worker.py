"""A worker that claims points and does nothing with them: ``claim_worker.py STUDY_FILE STORAGE LOG NUMBER SECONDS``.

Each point that it finishes is a line of LOG.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path


def main(file: str, spec: str, log: str, number: str, seconds: str) -> None:
    """Take points until none is left."""
    from bench.study.search import storage
    from bench.study.search.claims import Claims
    from bench.study.search.work import shown
    from bench.study.spec import reading

    study = reading.load(Path(file))[0]
    opened = storage.open_study(study, storage.open_storage(spec), spec, accept=False)
    claims = Claims(study, opened, int(number))
    while (trial := claims.next()) is not None:
        time.sleep(float(seconds))
        opened.tell(trial, [0.0 for _ in study.spec.objectives])
        with Path(log).open("a") as file_:
            file_.write(f"{os.getpid()} {shown(trial.params)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
