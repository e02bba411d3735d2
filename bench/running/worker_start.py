"""A worker's first steps: ``python -P -m bench.running.worker_start``, the job as one line of JSON on standard input.

``executor.py`` starts it. It gives up everything that is not granted before it imports more than the standard library.
Then the work begins.
"""

from __future__ import annotations

import json
import sys

from bench.running.confinement import Grants, confine


def main() -> int:
    """Confine this process, and do the job."""
    job = json.loads(sys.stdin.buffer.readline())
    sys.path.extend(folder for folder in job["folders"] if folder not in sys.path)
    confined = confine(Grants(**job["grants"]))

    from bench.running.worker import work

    return work(job, confined=confined)


if __name__ == "__main__":
    sys.exit(main())
