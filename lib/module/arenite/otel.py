# SPDX-License-Identifier: MIT
"""
Instruments for OpenTelemetry (pip install 'arenite[otel]').

    from opentelemetry.metrics import get_meter
    import arenite.otel

    arenite.otel.instrument(get_meter("my.service"))
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

try:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter
except ImportError as error:
    raise ImportError(
        "arenite.otel needs opentelemetry-api: pip install 'arenite[otel]'"
    ) from error

from . import _metrics
from ._version import version

__all__ = ["instrument"]


def _callback(name: str) -> Any:
    def observe(options: CallbackOptions) -> Iterable[Observation]:
        with_resident = name == "arenite_resident_bytes"
        for metric in _metrics.collect(with_resident=with_resident):
            if metric.name == name:
                return [Observation(value, labels) for labels, value in metric.samples]
        return []

    return observe


def instrument(meter: Meter | None = None, *, resident: bool = True) -> list[Any]:
    """
    Make observable gauges and counters of the statistics of this process.

    meter: where they are made; by default a meter of the name "arenite"
    resident: also arenite.resident, which takes up to 60 ms for each GiB in a reading

    The names are those of Prometheus with dots and without units, which OpenTelemetry has beside
    them: arenite.live (By), arenite.live_blocks.  The result is the list of instruments.  In a
    process without Arenite there is arenite.active, and it is 0.
    """
    meter = meter or get_meter("arenite", version)
    made: list[Any] = []
    for metric in _metrics.collect(with_resident=resident):
        name = metric.name.removesuffix("_bytes").replace("arenite_", "arenite.", 1)
        unit = "By" if metric.unit == "bytes" else "1"
        create = (
            meter.create_observable_counter
            if metric.kind == "counter"
            else meter.create_observable_gauge
        )
        made.append(create(name, [_callback(metric.name)], unit, metric.help))
    return made
