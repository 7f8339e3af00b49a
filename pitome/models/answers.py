"""What kind of answer the logits of a checkpoint are, by its configuration. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

AnswerKind = Literal["numbers", "labels", "classes"]
"""Numbers (regression), labels that may all hold at once (each where its logit is above 0), or one class."""


def answer_kind(config: Any) -> AnswerKind:
    """As ``transformers`` reads ``problem_type`` and ``num_labels``.

    One label is a number: among one class there is nothing to choose. One label of several that may hold is a
    label all the same, since its sign says whether it does.
    """
    problem = getattr(config, "problem_type", None)
    if problem == "multi_label_classification":
        return "labels"
    if problem == "regression" or int(getattr(config, "num_labels", 2)) == 1:
        return "numbers"
    return "classes"
