"""The whole account: counts, what ptxas said, and predictions, as a page and as a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pitome.plugins.tools.account.assumptions import ASSUMPTIONS
from pitome.plugins.tools.account.gpus import GPUS
from pitome.plugins.tools.account.page import Page, make_page
from pitome.plugins.tools.account.shares import Merge, Prediction, count_all, predict_all
from pitome.plugins.tools.merge_library import BUILD, HOST_LIBRARY, HostLibrary
from pitome.plugins.tools.ptxas_log import Usage, read_usage

PTXAS_LOG = BUILD / "ptxas.log"


@dataclass(frozen=True)
class Account:
    """What each kernel asks for, and its predicted time."""

    merges: tuple[Merge, ...]
    predictions: tuple[Prediction, ...]
    usages: tuple[Usage, ...]

    def page(self) -> Page:
        """All but the bounds of every kernel in every case."""
        return make_page(self.merges, self.predictions, self.usages)

    def document(self) -> dict[str, Any]:
        """Every number, for JSON."""
        return {
            "measured": False,
            "counts_of_one_image": [_counts(merge) for merge in self.merges],
            "gpus": [asdict(gpu) for gpu in GPUS],
            "assumptions": [asdict(assumption) for assumption in ASSUMPTIONS],
            "ptxas": [asdict(usage) for usage in self.usages],
            "predictions": [prediction.document() for prediction in self.predictions],
        }


def make_account(
    say: Callable[[str], None], library: Path = HOST_LIBRARY, ptxas_log: Path = PTXAS_LOG
) -> Account:
    """Count on the CPU, and predict.

    Args:
        say: is told what is being counted, and what is missing.
        library: the plugin library for the CPU, which counts.
        ptxas_log: what ptxas said of the kernels in the build for GPUs; without it registers are unknown.

    Raises:
        BackendError: there is no such library.
    """
    merges = count_all(HostLibrary(library), say)
    usages = _read_log(ptxas_log, say)
    return Account(tuple(merges), tuple(predict_all(merges, usages)), tuple(usages))


def _read_log(log: Path, say: Callable[[str], None]) -> list[Usage]:
    if log.is_file():
        return read_usage(log.read_text(encoding="utf-8"))
    say(
        f"{log}: not there, so registers are unknown, and one block is taken to fill a multiprocessor. "
        "`make plugin` writes it"
    )
    return []


def _counts(merge: Merge) -> dict[str, Any]:
    return {
        "model": merge.layer.model,
        "metric": merge.metric,
        "layer": asdict(merge.layer),
        "parameters": asdict(merge.layer.parameters),
        "kernels": [asdict(count) for count in merge.counts.values()],
    }
