"""One contestant in a process of its own: prepares a task, runs it when told to.

    python worker.py CONTESTANT TASK

Reads lines from standard input, and answers each with a line of JSON: "run" with
seconds and the peak of memory so far, "accuracy" with how accurate what was trained is.
"""

import importlib
import json
import os
import sys
import threading
import time
from pathlib import Path

from tasks import data_of, task_named

REAL_STDOUT = os.dup(1)
os.dup2(2, 1)  # what libraries print is no answer


class Memory(threading.Thread):
    """Peak of this process and all below it, each shared page counted once (PSS)."""

    def __init__(self):
        super().__init__(daemon=True)
        self.peak = 0

    def run(self):
        while True:
            self.peak = max(self.peak, sum(map(pss, family(os.getpid()))))
            time.sleep(0.2)


def family(pid):
    yield pid
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{task}/children").read_text().split()
            for child in children:
                yield from family(int(child))
    except FileNotFoundError:  # ended in the meantime
        pass


def pss(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def answer(**values):
    os.write(REAL_STDOUT, (json.dumps(values) + "\n").encode())


def main(contestant, task_name):
    task = task_named(task_name)
    X, y = data_of(task)
    module = importlib.import_module(f"contestants.{contestant.replace('-', '_')}")
    run, accuracy = module.prepare(task, X, y)
    memory = Memory()
    memory.start()
    answer(ready=True, versions=module.versions())
    for line in sys.stdin:
        if line.strip() == "accuracy":
            answer(accuracy=accuracy())
            continue
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        time.sleep(0.25)  # one more look at the memory
        answer(seconds=seconds, peak_mb=memory.peak)


if __name__ == "__main__":
    main(*sys.argv[1:])
