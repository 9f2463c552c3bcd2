"""Event files and checksums by TensorBoard's own classes; reads them back with its loader.

    python tests/oracle/report_events.py        (packages: tensorboard)
"""

import json
import pathlib

from tensorboard.backend.event_processing import event_file_loader
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util import tensor_util

GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden" / "report"
LINES = [
    {"step": 1, "stage": "caption", "epoch": 0, "loss": 7.117305755615234, "learning_rate": 2e-05},
    {"step": 300, "stage": "caption", "epoch": 2, "val_monitor": 1.5, "val_note": "no number"},
    {"step": 70000, "stage": "头 head", "loss": -0.25, "peak_memory": 8589934592},
    {"step": 70001, "threshold": 0.5},
]
START, TIMES = 1700000000.25, [1700000001.5, 1700000002.5, 1700000003.5, 1700000004.5]


def event_of(line, wall_time):
    prefix = line["stage"] + "/" if "stage" in line else ""
    values = [summary_pb2.Summary.Value(tag=prefix + key, simple_value=value) for key, value in sorted(line.items())
              if key not in ("step", "epoch") and not isinstance(value, str)]
    return event_pb2.Event(wall_time=wall_time, step=line["step"], summary=summary_pb2.Summary(value=values))


def main():
    GOLDEN.mkdir(exist_ok=True)
    path = GOLDEN / "events.out.tfevents.golden"
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for event in [event_pb2.Event(wall_time=START, file_version="brain.Event:2"), *map(event_of, LINES, TIMES)]:
            writer.write(event.SerializeToString())
    scalars = []
    for event in event_file_loader.EventFileLoader(str(path)).Load():
        for value in event.summary.value:
            scalars.append([value.tag, event.step, event.wall_time, float(tensor_util.make_ndarray(value.tensor))])
    checksums = [[text, pywrap_tensorflow.crc32c(text.encode()), pywrap_tensorflow.masked_crc32c(text.encode())]
                 for text in ["", "a", "123456789", "\0" * 32, "变化" * 50]]
    golden = {"lines": LINES, "start": START, "times": TIMES, "scalars": scalars, "checksums": checksums}
    (GOLDEN / "events.json").write_text(json.dumps(golden, indent=1) + "\n")


if __name__ == "__main__":
    main()
