"""Records of tasks with made-up numbers."""

from __future__ import annotations

from pitome.bundle.own_data_records import OwnDataRecord
from pitome.validate.evaluate.records import MeanRecord, ModelAccuracy, TaskAccuracy


def _model(name: str, means: dict[str, float], worst: float, drop: float | None) -> ModelAccuracy:
    metrics = {
        metric: MeanRecord(samples=50, mean=mean, low=mean, high=mean, method="none")
        for metric, mean in means.items()
    }
    minimum = {"minimum": dict.fromkeys(means, worst)}
    return ModelAccuracy(
        model=name, refit=False, metrics=metrics, drop_points=drop, differences=(), details=minimum
    )


def task_record(
    name: str, metric: str = "accuracy", *others: tuple[dict[str, float], float], own: bool = False
) -> TaskAccuracy:
    """A task with an unmerged model, and others by (means of metrics, smallest value)."""
    models = [_model("unmerged PyTorch", {metric: 1.0}, 1.0, None)]
    for number, (means, worst) in enumerate(others):
        models.append(_model(f"model {number}", means, worst, 100 * (1 - means[metric])))
    data = OwnDataRecord(data=name, data_sha256="0" * 64, found=50, used=50) if own else None
    return TaskAccuracy(
        task=name,
        split="test",
        main=metric,
        models=tuple(models),
        skipped=(),
        unavailable={},
        own_data=data,
    )
