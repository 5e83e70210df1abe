"""Where the time of a fit goes, operation by operation.

    python benchmarks/profile_fit.py large      # optimized network, 150 x 150 images
    python benchmarks/profile_fit.py small      # small network, digits
    python benchmarks/profile_fit.py default    # CNNClassifier(), 64 x 64 images

Runs one epoch under TensorFlow's profiler after one that is not counted, and sums up
how long each kind of operation took, over all threads; then the same fit again under
Python's profiler, building and tracing included.
"""

import argparse
import collections
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from contestants.skcnn import PLAIN
from tasks import TASKS, data_of

from skcnn import CNNClassifier
from skcnn._tensorflow import import_tensorflow

SCHEDULING = {"Process", "Run", "Start"}  # what is around the operations
WORK = {"large": "epoch-150", "small": "short-fit", "default": "epoch-64"}


def operations(folder):
    """Milliseconds and count of each kind of operation, from a profile's files."""
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
                    # An operation is told as "its/path/in/the/graph:Kind".
                    _, colon, kind = names[event.metadata_id].rpartition(":")
                    if colon and kind.isidentifier() and kind not in SCHEDULING:
                        spent[kind][0] += event.duration_ps / 1e9
                        spent[kind][1] += 1
    return dict(spent)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("fit", choices=WORK)
    args = parser.parse_args()
    tf = import_tensorflow()
    task = TASKS[WORK[args.fit]]
    X, y = data_of(task)
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
        spent = operations(folder)
    total = sum(ms for ms, _ in spent.values())
    print(f"an epoch of {len(X)} images: {seconds:.2f} s; operations, of all threads:")
    for kind, (ms, n) in sorted(spent.items(), key=lambda item: -item[1][0])[:14]:
        print(f"{kind:>32} {n:>6} times {ms:>9.1f} ms {ms / total:>6.1%}")

    print("\na new fit of one epoch, in Python:")
    profile = cProfile.Profile()
    profile.runcall(network.set_params(warm_start=False).fit, X, y)
    pstats.Stats(profile).strip_dirs().sort_stats("cumulative").print_stats(
        r"_(classifier|train|passes|graphs|twin|structure|scikeras|builder|saving)\.py"
    )


if __name__ == "__main__":
    main()
