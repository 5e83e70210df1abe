"""Worker process that runs one task with one library.

    python worker.py CONTESTANT TASK

The worker reads commands from standard input, one per line, and answers each with a
line of JSON. "run" runs the task and returns the time and the peak memory so far.
"accuracy" returns the accuracy of the trained network.
"""

import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path

from tasks import get_task, load_data

REAL_STDOUT = os.dup(1)
os.dup2(2, 1)  # send the output of libraries to standard error, not to the answers


class PeakMemory(threading.Thread):
    """Peak memory of this process and its descendants, in MB.

    The proportional set size (PSS) divides each shared page among its processes.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0

    def run(self):
        while True:
            self.peak = max(self.peak, sum(map(pss_mb, process_tree(os.getpid()))))
            time.sleep(0.2)


def process_tree(pid):
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            for child in children:
                yield from process_tree(int(child))
    except FileNotFoundError:  # the process has ended
        pass


def pss_mb(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def answer(**values):
    os.write(REAL_STDOUT, (json.dumps(values) + "\n").encode())


def main(contestant, task_name):
    task = get_task(task_name)
    X, y = load_data(task)
    module = importlib.import_module(f"contestants.{contestant.replace('-', '_')}")
    run, accuracy = module.prepare(task, X, y)
    memory = PeakMemory()
    memory.start()
    answer(ready=True, versions=module.versions())
    for line in sys.stdin:
        if line.strip() == "accuracy":
            answer(accuracy=accuracy())
            continue
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        time.sleep(0.25)  # let PeakMemory take one more sample
        answer(seconds=seconds, peak_mb=memory.peak)


if __name__ == "__main__":
    main(*sys.argv[1:])
