"""The command score_table on a table of 30 indicators, as a process of its own: time and memory.

Indicators on every kind of scale, values with four decimals, one cell in thirty empty; exact points are written for
every node and indicator. Run: ``uv run python -m benchmarks.table [--size small|medium|large]``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from benchmarks.what_if import PROVIDERS

ROOT = Path(__file__).parent.parent
# CPU seconds that the largest table may take, and mebibytes.
TARGET_SECONDS, TARGET_MEMORY = 60.0, 800
SCALES: tuple[tuple[Any, float, float], ...] = (
    ({"anchors": [["4", "0"], ["15", "60"], ["26", "100"]]}, 0, 30),
    ({"goalposts": ["0.9", "0.1"]}, 0, 1),
    ({"anchors": [["-0.05", "0"], ["0.1", "60"], ["0.4", "100"]]}, -0.1, 0.5),
    ({"anchors": [["1", "0"], ["8", "60"], ["40", "100"]], "interpolate": "log"}, 0.5, 50),
    ({"steps": [["0", "10"], ["10", "50"], ["20", "80"]]}, 0, 30),
)
LEAVES = 30


def rubric() -> dict[str, Any]:
    """Return five capabilities of six indicators each, which take turns with the scales."""
    capabilities = [
        {
            "code": f"C{place}",
            "weight": 2000,
            "needs": "0.6",
            "children": [
                {"code": f"C{place}L{own}", "weight": weight, "points": points(place * 6 + own)}
                for own, weight in enumerate((2000, 1500, 1500, 2000, 2000, 1000))
            ],
        }
        for place in range(5)
    ]
    return {
        "rubric": "thirty",
        "version": "1",
        "weights_sum": 10000,
        "needs_capabilities": 3,
        "root": {"code": "TOTAL", "children": capabilities},
        "grades": [["S", 80], ["A", 70], ["B", 55], ["C", 40], ["D", 0]],
        "floors": [{"grade": "S", "every_capability_at_least": 55, "else": "one_grade_lower"}],
    }


def points(place: int) -> dict[str, Any]:
    """Return the scale of an indicator; two of the thirty are logarithmic."""
    found, _, _ = SCALES[place % 5]
    return {key: value for key, value in found.items() if key != "interpolate" or place < 10}


def write_table(path: Path, rows: int) -> None:
    """Write a table of so many rows."""
    rng = np.random.default_rng(20220630)
    columns = []
    for place in range(LEAVES):
        _, low, high = SCALES[place % 5]
        cells = np.char.mod("%.4f", rng.uniform(low, high, rows)).astype(object)
        cells[rng.random(rows) < 1 / 30] = ""
        columns.append(cells.tolist())
    header = ["unit", *(f"C{place // 6}L{place % 6}" for place in range(LEAVES))]
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(header) + "\n")
        for number, row in enumerate(zip(*columns, strict=True)):
            file.write(f"P{number:06d},{','.join(row)}\n")


def main() -> int:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", choices=PROVIDERS, default="large")
    rows = PROVIDERS[parser.parse_args().size]
    with tempfile.TemporaryDirectory() as folder:
        rules, table, out = (Path(folder) / name for name in ("rules.yaml", "table.csv", "scores.csv"))
        rules.write_text(yaml.safe_dump(rubric(), sort_keys=False), encoding="utf-8")
        write_table(table, rows)
        command = [sys.executable, "manage.py", "score_table", str(rules), str(table), "--out", str(out)]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT)
        _, status, used = os.wait4(process.pid, 0)
        wall, cpu, memory = time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024
        with out.open(encoding="utf-8") as file:
            written = sum(1 for _ in file) - 1
    print(f"{written} rows, {LEAVES} indicators: {wall:.1f} s wall, {cpu:.1f} s CPU, {memory:.0f} MiB")
    print(f"table seconds={cpu:.1f} target={TARGET_SECONDS:g} memory={memory:.0f} target={TARGET_MEMORY}")
    return 0 if status == 0 and written == rows and cpu <= TARGET_SECONDS and memory <= TARGET_MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
