"""Compare the time and memory use of skcnn with those of other libraries (peers).

    python -m pip install . -r benchmarks/requirements.txt
    python benchmarks/run.py                      # all benchmarks
    python benchmarks/run.py short-fit epoch-64   # some of them
    python benchmarks/run.py --repeat 9 --json results.json --markdown results.md
    git worktree add ../before HEAD~1
    python benchmarks/run.py --against ../before  # with an older version of skcnn

Each library runs in its own process, which stays alive. The processes take turns, so
that a change in the load of the machine affects all of them. The first run of each
process is not counted. A ratio is the time of skcnn divided by the time of the peer in
the same round. The table shows the median, the smallest and the largest ratio.
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
    """One library, which runs a task in its own process.

    With `folder`, the package is imported from that folder, whatever is installed.
    """

    def __init__(self, name, task_name, folder=None):
        self.name = name if folder is None else f"{name} in {folder.name}"
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"}
        if folder is not None:
            environment["PYTHONPATH"] = str(folder.resolve())
        self.process = subprocess.Popen(
            [sys.executable, HERE / "worker.py", name, task_name],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if self.name != "skcnn" else None,
            env=environment,
            text=True,
        )
        self.versions = self._read_answer()["versions"]
        self.runs = []

    def _read_answer(self):
        line = self.process.stdout.readline()
        if not line:
            message = self.process.stderr.read() if self.process.stderr else ""
            raise SystemExit(f"{self.name} failed:\n{message[-3000:]}")
        return json.loads(line)

    def send(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return self._read_answer()

    def close(self):
        self.accuracy = self.send("accuracy")["accuracy"]
        self.process.stdin.close()
        self.process.wait()


def run_in_turn(contestants, repeat):
    """Run each contestant once to warm up, then in turns, `repeat` times each."""
    for contestant in contestants:
        contestant.send("run")
    for _ in range(repeat):
        for contestant in contestants:
            contestant.runs.append(contestant.send("run"))
    for contestant in contestants:
        contestant.close()


def run_comparison(task_name, repeat, against=None):
    """Run a task with skcnn and all its peers, and return one result per peer.

    With `against`, the folder of another version of skcnn, this is the only peer.
    """
    task = TASKS[task_name]
    if against is None:
        skcnn = Contestant("skcnn", task_name)
        peers = [Contestant(name, task_name) for name in task.targets]
    else:
        skcnn = Contestant("skcnn", task_name, HERE.parent)
        peers = [Contestant("skcnn", task_name, against)]
    run_in_turn([skcnn, *peers], repeat)
    return [compare(task_name, skcnn, peer) for peer in peers]


def run_scaling(task_name, repeat):
    """Measure the time and memory of a task that is scaled by 1, 2 and 4."""
    factors = (1, 2, 4)
    contestants = [Contestant("skcnn", f"{task_name}:{factor}") for factor in factors]
    run_in_turn(contestants, repeat)
    seconds = [statistics.median(r["seconds"] for r in c.runs) for c in contestants]
    slope, intercept = statistics.linear_regression(factors, seconds)
    return {
        "benchmark": task_name,
        "factors": factors,
        "seconds": seconds,
        "slope": slope,
        "intercept": intercept,
        "peak_mb": [max(run["peak_mb"] for run in c.runs) for c in contestants],
        "same accuracy": True,
        "versions": contestants[0].versions,
    }


def compare(task_name, skcnn, peer):
    """Return the times, memory and accuracies of skcnn and a peer on the same task."""
    task = TASKS[task_name]
    seconds = [[run["seconds"] for run in c.runs] for c in (skcnn, peer)]
    ratios = [a / b for a, b in zip(*seconds, strict=True)]
    accuracy = [skcnn.accuracy, peer.accuracy]
    return {
        "benchmark": task_name,
        "peer": peer.name,
        "ratio": statistics.median(ratios),
        "smallest": min(ratios),
        "largest": max(ratios),
        "target": task.targets.get(peer.name),
        "seconds": [statistics.median(s) for s in seconds],
        "peak_mb": [max(run["peak_mb"] for run in c.runs) for c in (skcnn, peer)],
        "accuracy": accuracy,
        "same accuracy": None in accuracy
        or abs(accuracy[0] - accuracy[1]) <= task.accuracy_tolerance,
        "versions": skcnn.versions | peer.versions,
    }


def measure_matmul(dtype):
    """Return the speed of a product of large matrices, in GFLOP/s.

    The table uses this speed as the limit of the machine.
    """
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


def processor_name():
    """Return the model name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":")[1].strip() for line in lines if line[:10] == "model name"]
    return names[0] if names else platform.machine()


def flops(task):
    """Count the multiplications and additions in convolutions and dense layers.

    The count is for one pass over the images. Training takes three times as many
    operations as prediction: the forward pass, and the gradients of the weights and of
    the inputs.
    """
    side, channels, total = task.size, 3, 0
    for filters in task.network["filters"]:
        total += 2 * side * side * 9 * channels * filters
        side, channels = side // 2, filters
    total += 2 * side * side * channels * (task.network["dense_units"] or 0)
    return (1 if task.kind == "predict" else 3) * total * task.n


HEADINGS = (
    *("benchmark", "peer", "ratio", "spread", "target", "skcnn", "peer"),
    *("peak memory (skcnn, peer)", "accuracy (skcnn, peer)", "remark"),
)
WIDTHS = (17, 13, 6, 14, 12, 9, 9, 25, 22, 30)


def format_cells(result, gflops):
    """Format a result as cells of the table, one for each heading."""
    if "slope" in result:
        return format_scaling_cells(result)
    task = TASKS[result["benchmark"]]
    skcnn_seconds, peer_seconds = result["seconds"]
    target = result["target"]
    target_cell = "" if target is None else f"{target:.2f}"
    if target is not None and result["ratio"] > target:
        target_cell += ", missed"
    remark = ""
    if task.network is LARGE_NETWORK and task.kind in ("epoch", "predict"):
        share = flops(task) / skcnn_seconds / 1e9 / gflops[task.precision]
        remark = f"{share:.0%} of the limit"
    if task.memory_target is not None:
        arrays = task.n * task.size**2 * 3 / 2**20
        above = result["peak_mb"][0] - arrays
        remark = f"arrays + {above:.0f} MB, target + {task.memory_target:.0f} MB"
        remark += ", missed" * (above > task.memory_target)
    if not result["same accuracy"]:
        remark = "not the same work"
    accuracy = ["-" if a is None else f"{a:.3f}" for a in result["accuracy"]]
    return (
        result["benchmark"],
        result["peer"],
        f"{result['ratio']:.3f}",
        f"{result['smallest']:.3f}-{result['largest']:.3f}",
        target_cell,
        f"{skcnn_seconds:.3f} s",
        f"{peer_seconds:.3f} s",
        " ".join(f"{mb:.0f} MB" for mb in result["peak_mb"]),
        " ".join(accuracy),
        remark,
    )


def format_scaling_cells(result):
    seconds = ", ".join(f"{s:.2f}" for s in result["seconds"])
    peaks = ", ".join(f"{mb:.0f}" for mb in result["peak_mb"])
    remark = f"1, 2, 4 times: {seconds} s"
    if TASKS[result["benchmark"]].scaled_param != "n_jobs":  # amount of work
        remark += f" = {result['intercept']:.2f} s + {result['slope']:.2f} s each"
    remark += f"; {peaks} MB"
    return (result["benchmark"], *("" for _ in HEADINGS[2:]), remark)


def format_line(cells):
    """Format a row of the table for the terminal."""
    padded = (f"{cell:{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return " ".join(padded).rstrip()


def format_markdown(rows, introduction):
    """Format the introduction and the table as Markdown."""
    lines = [" | ".join(row) for row in (HEADINGS, ["---"] * len(HEADINGS), *rows)]
    return introduction + "\n\n" + "".join(f"| {text} |\n" for text in lines)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "benchmarks", nargs="*", metavar="benchmark", help="default: all"
    )
    parser.add_argument("--repeat", type=int, default=5, help="counted runs; default 5")
    parser.add_argument(
        "--against",
        type=Path,
        metavar="FOLDER",
        help="compare with the version of skcnn in this folder, not with other "
        "libraries",
    )
    parser.add_argument("--json", type=Path, help="file to write all measurements to")
    parser.add_argument("--markdown", type=Path, help="file to write the table to")
    args = parser.parse_args()
    for name in args.benchmarks:
        if name not in TASKS:
            parser.error(f"unknown benchmark {name!r}; choose from {', '.join(TASKS)}")
    if args.against and not (args.against / "skcnn" / "__init__.py").is_file():
        parser.error(f"--against: {args.against} does not contain the package skcnn")

    gflops = {dtype: measure_matmul(dtype) for dtype in ("float32", "bfloat16")}
    machine = f"{processor_name()}, {os.cpu_count()} processors"
    limits = " and ".join(f"{v:.0f} GFLOP/s in {k}" for k, v in gflops.items())
    print(f"{machine}; a product of large matrices: {limits}\n")
    print(format_line(HEADINGS))
    results, rows, versions = [], [], {}
    for name in args.benchmarks or TASKS:
        if TASKS[name].scaled_param is None:
            new_results = run_comparison(name, args.repeat, args.against)
        else:
            new_results = [run_scaling(name, args.repeat)]
        for result in new_results:
            results.append(result)
            versions |= result["versions"]
            rows.append(format_cells(result, gflops))
            print(format_line(rows[-1]), flush=True)
    version_list = ", ".join(f"{name} {v}" for name, v in sorted(versions.items()))
    version_list += f", Python {platform.python_version()}"
    print(f"\n{version_list}")
    if args.json:
        content = {
            "machine": {"processor": machine, "gflops": gflops},
            "rows": results,
        }
        args.json.write_text(json.dumps(content, indent=1))
    if args.markdown:
        introduction = (
            f"{machine}; a product of large matrices: {limits}.\n"
            f"{version_list}. Medians of {args.repeat} runs."
        )
        args.markdown.write_text(format_markdown(rows, introduction))
    unequal = [r for r in results if not r["same accuracy"]]
    if unequal:
        raise SystemExit(
            "The accuracies of these benchmarks differ, so their times cannot be "
            "compared: " + ", ".join(f"{r['benchmark']} ({r['peer']})" for r in unequal)
        )


if __name__ == "__main__":
    main()
