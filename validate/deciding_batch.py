"""Which of a bundle's measured speed-ups counts: that at the batch size which the bundle was built for."""

from __future__ import annotations

from pitome.bundle import Manifest
from pitome.bundle.latency_records import LatencyRecord


def built_batch(manifest: Manifest) -> int | None:
    """The typical batch size of the bundle's plan; None where it holds no plan."""
    return next((plan.profile[1] for plan in manifest.plans), None)


def deciding_latency(manifest: Manifest) -> tuple[LatencyRecord | None, str]:
    """What was measured at the batch size that decides, or why nothing was.

    That is the one that the bundle was built for. Without a plan, nothing says for which: then it is the
    largest that was measured, where a graph is bound by its FLOPs the most.
    """
    if not any(manifest.schedule.num_merged):
        return None, "nothing is merged, so there is no speed-up"
    if manifest.latency is None:
        return None, "the bundle holds no latency; `pitome bench BUNDLE --record` measures it"
    results, batch = manifest.latency.results, built_batch(manifest)
    if batch is None:
        return max(results, key=lambda result: result.batch), ""
    found = next((result for result in results if result.batch == batch), None)
    if found is None:
        measured = " and ".join(str(result.batch) for result in results)
        return None, (
            f"the bundle was built for batch {batch}, and only batch {measured} "
            f"{'was' if len(results) == 1 else 'were'} measured; "
            f"`pitome bench BUNDLE --batch {batch} --record` measures it"
        )
    return found, ""
