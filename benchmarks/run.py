"""Time skcnn against its peers, side by side in one run.

    python -m pip install . -r benchmarks/requirements.txt
    python benchmarks/run.py                      # all benchmarks
    python benchmarks/run.py short-fit epoch-64   # some of them
    python benchmarks/run.py --repeat 9 --json results.json

Every contestant is a process of its own that is kept alive; they run in turn, so that
a machine that gets faster or slower does so for all. The first run of each is not
counted. A ratio is skcnn's time over the peer's, pair by pair; the table has the
median, and the smallest and largest in brackets.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from tasks import TASKS

HERE = Path(__file__).resolve().parent


class Contestant:
    def __init__(self, name, task_name):
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", name, task_name],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if name != "skcnn" else None,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
            text=True,
        )
        self.versions = self._answer()["versions"]
        self.runs = []

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            message = self.process.stderr.read() if self.process.stderr else ""
            raise SystemExit(f"{self.name} has failed:\n{message[-3000:]}")
        return json.loads(line)

    def ask(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self):
        self.accuracy = self.ask("accuracy")["accuracy"]
        self.process.stdin.close()
        self.process.wait()


def run_in_turn(everyone, repeat):
    """One run of each that is not counted, then counted ones, and how accurate."""
    for contestant in everyone:
        contestant.ask("run")
    for _ in range(repeat):
        for contestant in everyone:
            contestant.runs.append(contestant.ask("run"))
    for contestant in everyone:
        contestant.close()


def measure(task_name, repeat):
    """The rows of one benchmark."""
    task = TASKS[task_name]
    us = Contestant("skcnn", task_name)
    peers = [Contestant(name, task_name) for name in task.against]
    everyone = [us, *peers]
    run_in_turn(everyone, repeat)
    return [row(task_name, us, peer) for peer in peers]


def grow(task_name, repeat):
    """Seconds and memory of one, two and four times the work."""
    sizes = (1, 2, 4)
    everyone = [Contestant("skcnn", f"{task_name}:{times}") for times in sizes]
    run_in_turn(everyone, repeat)
    seconds = [statistics.median(r["seconds"] for r in c.runs) for c in everyone]
    slope, intercept = statistics.linear_regression(sizes, seconds)
    return {
        "benchmark": task_name,
        "times": sizes,
        "seconds": seconds,
        "slope": slope,
        "intercept": intercept,
        "peak_mb": [max(run["peak_mb"] for run in c.runs) for c in everyone],
        "same accuracy": True,
    }


def grown_line(result):
    seconds = ", ".join(f"{s:.2f}" for s in result["seconds"])
    peaks = ", ".join(f"{mb:.0f}" for mb in result["peak_mb"])
    return (
        f"{result['benchmark']:16} 1, 2 and 4 times: {seconds} s = "
        f"{result['intercept']:.2f} s + {result['slope']:.2f} s each; {peaks} MB"
    )


def row(task_name, us, peer):
    task = TASKS[task_name]
    seconds = [[run["seconds"] for run in c.runs] for c in (us, peer)]
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    accuracies = [us.accuracy, peer.accuracy]
    return {
        "benchmark": task_name,
        "peer": peer.name,
        "ratio": statistics.median(ratios),
        "smallest": min(ratios),
        "largest": max(ratios),
        "to reach": task.against[peer.name],
        "seconds": [statistics.median(s) for s in seconds],
        "peak_mb": [max(run["peak_mb"] for run in c.runs) for c in (us, peer)],
        "accuracies": accuracies,
        "same accuracy": None in accuracies
        or abs(accuracies[0] - accuracies[1]) <= task.noise,
        "versions": us.versions | peer.versions,
    }


def limit():
    """What a product of large matrices reaches, in GFLOP/s: the machine's limit."""
    code = (
        "import time, tensorflow as tf; a = tf.random.normal((2048, 2048)); "
        "f = tf.function(lambda: tf.reduce_sum(a @ a)); f(); "
        "t = min((lambda s: (f().numpy(), time.perf_counter() - s)[1])"
        "(time.perf_counter()) for _ in range(9)); print(2 * 2048**3 / t / 1e9)"
    )
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    return float(out)


def flops(task):
    """Multiplications and additions of the convolutions and dense layers in an epoch.

    Forward once, backward twice: for the weights and for the inputs.
    """
    side, channels, total = task.size, 3, 0
    for filters in task.network["filters"]:
        total += 2 * side * side * 9 * channels * filters
        side, channels = side // 2, filters
    total += 2 * side * side * channels * (task.network["dense_units"] or 0)
    return 3 * total * task.n


def line(result, gflops):
    task = TASKS[result["benchmark"]]
    ours, theirs = result["seconds"]
    target = result["to reach"]
    verdict = "" if target is None else f"<= {target:.2f}"
    if target is not None and result["ratio"] > target:
        verdict += " missed"
    remark = ""
    if task.what == "epoch":
        remark = f"{flops(task) / ours / 1e9 / gflops:.0%} of limit"
    if task.memory is not None:
        arrays = task.n * task.size**2 * 3 / 2**20
        above = result["peak_mb"][0] - arrays
        remark = f"arrays + {above:.0f} MB, to reach + {task.memory:.0f} MB"
        remark += " missed" * (above > task.memory)
    return (
        f"{result['benchmark']:16} {result['peer']:13} {result['ratio']:6.3f} "
        f"[{result['smallest']:.3f}, {result['largest']:.3f}]  {verdict:14} "
        f"{ours:8.3f} s {theirs:8.3f} s  {result['peak_mb'][0]:6.0f} MB "
        f"{result['peak_mb'][1]:6.0f} MB  "
        + " ".join("-" if a is None else f"{a:.3f}" for a in result["accuracies"])
        + f"  {remark}"
    )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "benchmarks", nargs="*", metavar="benchmark", help="all if none"
    )
    parser.add_argument("--repeat", type=int, default=5, help="counted runs; default 5")
    parser.add_argument(
        "--json", type=Path, help="where to write all that was measured"
    )
    args = parser.parse_args()
    for name in args.benchmarks:
        if name not in TASKS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(TASKS)}")

    gflops = limit()
    print(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, "
    )
    print(f"a product of large matrices: {gflops:.0f} GFLOP/s\n")
    print(
        f"{'benchmark':16} {'peer':13} {'ratio':>6} {'spread':16} {'to reach':14} "
        f"{'skcnn':>10} {'peer':>10}  {'memory of both':>19}  accuracies"
    )
    results = []
    for name in args.benchmarks or TASKS:
        if TASKS[name].grows_with:
            results.append(grow(name, args.repeat))
            print(grown_line(results[-1]), flush=True)
            continue
        for result in measure(name, args.repeat):
            results.append(result)
            print(line(result, gflops), flush=True)
    if args.json:
        machine = {"processors": os.cpu_count(), "gflops": gflops}
        args.json.write_text(
            json.dumps({"machine": machine, "rows": results}, indent=1)
        )
    unequal = [r for r in results if not r["same accuracy"]]
    if unequal:
        raise SystemExit(
            "not the same work, as accuracies differ by more than the noise: "
            + ", ".join(f"{r['benchmark']} against {r['peer']}" for r in unequal)
        )


if __name__ == "__main__":
    main()
