"""Profile the TensorFlow operations and the Python functions of a fit.

    python benchmarks/profile_fit.py large      # optimized_cnn(), 150 x 150 images
    python benchmarks/profile_fit.py small      # two convolutions, digits
    python benchmarks/profile_fit.py default    # CNNClassifier(), 64 x 64 images

The script trains one warm-up epoch, then profiles another epoch with TensorFlow's
profiler and prints the time of each kind of operation, summed over all threads. It then
profiles a new fit with Python's profiler, including the time to build and trace the
network.
"""

import argparse
import collections
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from contestants.skcnn import PLAIN
from tasks import TASKS, load_data

from skcnn import CNNClassifier
from skcnn._utils._tensorflow import import_tensorflow

SCHEDULING = {"Process", "Run", "Start"}  # events that contain operations
# List only functions in these modules of skcnn.
MODULES = (
    "classifier",
    *("build", "builder", "serialization", "trainable"),  # skcnn/_network
    *("signature", "template", "cache", "steps"),  # skcnn/_compiled
    *("loop", "trainer", "data", "predictor"),  # skcnn/_training
)
TASK_NAMES = {"large": "epoch-150", "small": "short-fit", "default": "epoch-64"}


def read_operations(folder):
    """Return the milliseconds and the count of each kind of operation in a profile."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    spent = collections.defaultdict(lambda: [0.0, 0])
    for path in Path(folder).rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            if not plane.name.startswith("/host:CPU"):
                continue
            names = {id: m.name for id, m in plane.event_metadata.items()}
            for line in plane.lines:
                for event in line.events:
                    # The name of an operation is "its/path/in/the/graph:Kind".
                    _, colon, kind = names[event.metadata_id].rpartition(":")
                    if colon and kind.isidentifier() and kind not in SCHEDULING:
                        spent[kind][0] += event.duration_ps / 1e9
                        spent[kind][1] += 1
    return dict(spent)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fit", choices=TASK_NAMES)
    args = parser.parse_args()
    tf = import_tensorflow()
    task = TASKS[TASK_NAMES[args.fit]]
    X, y = load_data(task)
    settings = {} if args.fit == "default" else PLAIN | task.network
    if args.fit != "default":
        settings |= {"batch_size": task.batch_size, "augment": False}
    network = CNNClassifier(**settings, epochs=1, warm_start=True, random_state=0)
    network.fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            start = time.perf_counter()
            network.fit(X, y)
            seconds = time.perf_counter() - start
        spent = read_operations(folder)
    total = sum(ms for ms, _ in spent.values())
    print(f"Epoch of {len(X)} images: {seconds:.2f} s. Operations, all threads:")
    for kind, (ms, n) in sorted(spent.items(), key=lambda item: -item[1][0])[:14]:
        print(f"{kind:>32} {n:>6} times {ms:>9.1f} ms {ms / total:>6.1%}")

    print("\nNew fit of one epoch, Python functions:")
    profile = cProfile.Profile()
    profile.runcall(network.set_params(warm_start=False).fit, X, y)
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(
        rf"^_({'|'.join(MODULES)})\.py:"
    )


if __name__ == "__main__":
    main()
