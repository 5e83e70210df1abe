"""Time skcnn against its peers, side by side in one run.

    python -m pip install . -r benchmarks/requirements.txt
    python benchmarks/run.py                      # all benchmarks
    python benchmarks/run.py short-fit epoch-64   # some of them
    python benchmarks/run.py --repeat 9 --json results.json --markdown results.md

Every contestant is a process of its own that is kept alive; they run in turn, so that
a machine that gets faster or slower does so for all. The first run of each is not
counted. A ratio is skcnn's time over the peer's, pair by pair; the table has the
median, the smallest and the largest.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path

from tasks import LARGE_NETWORK, TASKS

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
        "versions": everyone[0].versions,
    }


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


def limit(dtype):
    """What a product of large matrices reaches, in GFLOP/s: the machine's limit."""
    code = (
        "import time, tensorflow as tf; "
        f"a = tf.cast(tf.random.normal((2048, 2048)), {dtype!r}); "
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


def processor():
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line[:10] == "model name"]
    return names[0] if names else platform.machine()


def flops(task):
    """Multiplications and additions of the convolutions and dense layers.

    Of one pass over the images: forward once and, in training, backward twice, for the
    weights and for the inputs.
    """
    side, channels, total = task.size, 3, 0
    for filters in task.network["filters"]:
        total += 2 * side * side * 9 * channels * filters
        side, channels = side // 2, filters
    total += 2 * side * side * channels * (task.network["dense_units"] or 0)
    return (1 if task.what == "predict" else 3) * total * task.n


HEADINGS = (
    *("benchmark", "peer", "ratio", "spread", "to reach", "skcnn", "peer"),
    *("memory of both", "accuracies", "remark"),
)
WIDTHS = (15, 13, 6, 14, 14, 9, 9, 16, 12, 30)


def cells(result, gflops):
    """What the table says of one result, under `HEADINGS`."""
    if "slope" in result:
        return grown_cells(result)
    task = TASKS[result["benchmark"]]
    ours, theirs = result["seconds"]
    target = result["to reach"]
    verdict = "" if target is None else f"{target:.2f}"
    if target is not None and result["ratio"] > target:
        verdict += ", missed"
    remark = ""
    if task.network is LARGE_NETWORK and task.what in ("epoch", "predict"):
        share = flops(task) / ours / 1e9 / gflops[task.precision]
        remark = f"{share:.0%} of the limit"
    if task.memory is not None:
        arrays = task.n * task.size**2 * 3 / 2**20
        above = result["peak_mb"][0] - arrays
        remark = f"arrays + {above:.0f} MB, to reach + {task.memory:.0f} MB"
        remark += ", missed" * (above > task.memory)
    if not result["same accuracy"]:
        remark = "not the same work"
    accuracies = ["-" if a is None else f"{a:.3f}" for a in result["accuracies"]]
    return (
        result["benchmark"],
        result["peer"],
        f"{result['ratio']:.3f}",
        f"{result['smallest']:.3f}-{result['largest']:.3f}",
        verdict,
        f"{ours:.3f} s",
        f"{theirs:.3f} s",
        " ".join(f"{mb:.0f} MB" for mb in result["peak_mb"]),
        " ".join(accuracies),
        remark,
    )


def grown_cells(result):
    seconds = ", ".join(f"{s:.2f}" for s in result["seconds"])
    peaks = ", ".join(f"{mb:.0f}" for mb in result["peak_mb"])
    remark = f"1, 2, 4 times: {seconds} s"
    if TASKS[result["benchmark"]].grows_with != "n_jobs":  # more of the same work
        remark += f" = {result['intercept']:.2f} s + {result['slope']:.2f} s each"
    remark += f"; {peaks} MB"
    return (result["benchmark"], *("" for _ in HEADINGS[2:]), remark)


def line(row):
    """A row for the screen."""
    padded = (f"{cell:{width}}" for cell, width in zip(row, WIDTHS, strict=True))
    return " ".join(padded).rstrip()


def as_markdown(rows, about):
    """The table, and the text in front of it, as Markdown."""
    lines = [" | ".join(row) for row in (HEADINGS, ["---"] * len(HEADINGS), *rows)]
    return about + "\n\n" + "".join(f"| {text} |\n" for text in lines)


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
    parser.add_argument("--markdown", type=Path, help="where to write the table")
    args = parser.parse_args()
    for name in args.benchmarks:
        if name not in TASKS:
            parser.error(f"no benchmark {name!r}; there are {', '.join(TASKS)}")

    gflops = {precision: limit(precision) for precision in ("float32", "bfloat16")}
    machine = f"{processor()}, {os.cpu_count()} processors"
    limits = " and ".join(f"{v:.0f} GFLOP/s in {k}" for k, v in gflops.items())
    print(f"{machine}; a product of large matrices: {limits}\n")
    print(line(HEADINGS))
    results, rows, versions = [], [], {}
    for name in args.benchmarks or TASKS:
        grows = TASKS[name].grows_with
        found = [grow(name, args.repeat)] if grows else measure(name, args.repeat)
        for result in found:
            results.append(result)
            versions |= result["versions"]
            rows.append(cells(result, gflops))
            print(line(rows[-1]), flush=True)
    told = ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))
    print(f"\n{told}, Python {platform.python_version()}")
    if args.json:
        about = {"processor": machine, "gflops": gflops}
        args.json.write_text(json.dumps({"machine": about, "rows": results}, indent=1))
    if args.markdown:
        about = (
            f"{machine}; a product of large matrices: {limits}.\n{told}, Python "
            f"{platform.python_version()}. Medians of {args.repeat}."
        )
        args.markdown.write_text(as_markdown(rows, about))
    unequal = [r for r in results if not r["same accuracy"]]
    if unequal:
        raise SystemExit(
            "not the same work, as accuracies differ by more than the noise: "
            + ", ".join(f"{r['benchmark']} against {r['peer']}" for r in unequal)
        )


if __name__ == "__main__":
    main()
