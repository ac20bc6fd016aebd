"""What was measured, and how ours compares."""

import statistics
from collections import defaultdict
from typing import NamedTuple


class Bar(NamedTuple):
    """What ours must reach: a part of the reference's, a multiple of the floor's."""

    of_reference: float
    of_floor: float | None


BARS = {
    "cold start to GET /videos": Bar(0.30, 3),
    "warm GET /videos, 20 rows": Bar(0.35, 2.5),
    "warm GET /videos/{id}, 304": Bar(0.25, 2),
    "warm POST /analyze": Bar(0.6, 2),
    "memory after 1,000 requests": Bar(0.6, 2),
    "deployed, unpacked": Bar(0.7, None),
}
_UNITS = {"wall": "ms", "cpu": "ms", "MB": "MB"}


class Ledger:
    """Figures by what was measured, of which stack, in which unit; times in microseconds."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))

    def add(self, name: str, stack: str, unit: str, value: float) -> None:
        """One more round."""
        self._found[name, unit][stack].append(value)

    def figures(self) -> dict[str, float]:
        """Medians and ratios by name."""
        figures: dict[str, float] = {}
        for (name, unit), by_stack in self._found.items():
            scale = 1 if unit == "MB" else 1e3
            middle = {stack: statistics.median(values) / scale for stack, values in by_stack.items()}
            for stack, value in middle.items():
                figures[f"{name}, {unit}: {stack} ({_UNITS[unit]})"] = round(value, 4)
            figures[f"{name}, {unit}: of the reference"] = round(middle["ours"] / middle["reference"], 4)
            figures[f"{name}, {unit}: of the floor"] = round(middle["ours"] / middle["floor"], 4)
        return figures

    def markdown(self) -> str:
        """The table for a page."""
        lines = ["| | reference | floor | ours | of the reference | bar | of the floor | bar |", "|---|" + "---:|" * 7]
        for (name, unit), by_stack in self._found.items():
            scale = 1 if unit == "MB" else 1e3
            middle = {stack: statistics.median(values) / scale for stack, values in by_stack.items()}
            bar = BARS.get(name) if unit != "cpu" else None
            shown = [f"{middle[stack]:.{0 if middle[stack] >= 20 else 2}f}" for stack in ("reference", "floor", "ours")]
            of_reference, of_floor = middle["ours"] / middle["reference"], middle["ours"] / middle["floor"]
            bars = (f"{bar.of_reference:g}" if bar else "", f"{bar.of_floor:g}" if bar and bar.of_floor else "")
            label = f"{name}, {_UNITS[unit]}" + (" of CPU" if unit == "cpu" else "")
            cells = [label, *shown, f"{of_reference:.2f}", bars[0], f"{of_floor:.2f}", bars[1]]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines) + "\n"

    def table(self) -> str:
        """A line for each figure: medians with the quarters between which half of the rounds lie, ratios, bars."""
        lines = [
            f"{'':34}{'reference':>22}{'floor':>20}{'ours':>20}{'of ref.':>10}{'bar':>6}{'of floor':>10}{'bar':>6}"
        ]
        for (name, unit), by_stack in self._found.items():
            scale = 1 if unit == "MB" else 1e3
            cells = [_cell([value / scale for value in by_stack[stack]]) for stack in ("reference", "floor", "ours")]
            middle = {stack: statistics.median(values) for stack, values in by_stack.items()}
            bar = BARS.get(name)
            of_reference, of_floor = middle["ours"] / middle["reference"], middle["ours"] / middle["floor"]
            label = f"{name}, {_UNITS[unit]}" + (" CPU" if unit == "cpu" else "")
            lines.append(
                f"{label:34}{cells[0]:>22}{cells[1]:>20}{cells[2]:>20}{of_reference:>10.2f}"
                f"{bar.of_reference if bar else '':>6}{of_floor:>10.2f}{(bar and bar.of_floor) or '':>6}"
            )
        return "\n".join(lines)


def _cell(values: list[float]) -> str:
    middle = statistics.median(values)
    if len(values) < 2:
        return f"{middle:.1f}"
    low, _, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"
