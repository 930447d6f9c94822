# SPDX-License-Identifier: MIT
"""
A collector for prometheus_client (pip install 'arenite[prometheus]').

    from prometheus_client import REGISTRY
    from arenite.prometheus import Collector

    REGISTRY.register(Collector())

The multiprocess mode of prometheus_client (PROMETHEUS_MULTIPROC_DIR) runs no collectors but its
own: there, `arenite metrics` on the machine has the numbers of all processes.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector as _Base
except ImportError as error:
    raise ImportError(
        "arenite.prometheus needs prometheus_client: pip install 'arenite[prometheus]'"
    ) from error

from . import _metrics

__all__ = ["Collector"]


class Collector(_Base):
    """
    The statistics of this process as metrics, read when they are scraped.

    resident: also arenite_resident_bytes, which takes up to 60 ms for each GiB in a scrape.

    In a process without Arenite there are only arenite_active, which is 0 then, and
    arenite_build_info.
    """

    def __init__(self, *, resident: bool = True) -> None:
        self._resident = resident
        if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
            warnings.warn(
                "prometheus_client's multiprocess mode runs no collector but its own; "
                "use `arenite metrics` instead",
                RuntimeWarning,
                stacklevel=2,
            )

    def collect(self) -> Iterator[Metric]:
        """Called by the registry for each scrape."""
        for metric in _metrics.collect(with_resident=self._resident):
            names = sorted({name for labels, _ in metric.samples for name in labels})
            make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = make(metric.name, metric.help, labels=names)
            for labels, value in metric.samples:
                family.add_metric([labels[name] for name in names], value)
            yield family

    def describe(self) -> Iterator[Metric]:
        """The names, for which the registry need not collect."""
        return iter(())
