"""What is given as MODEL and is no checkpoint, or one that no model can be: the table that tests and
docs/checkpoints.md are made from.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.pitome.models.hostile.makers import Hostile
from tests.pitome.models.hostile.other_models import OTHER_MODELS
from tests.pitome.models.hostile.other_things import OTHER_THINGS
from tests.pitome.models.hostile.values import VALUES
from tests.pitome.models.hostile.weights import WEIGHTS

SECTIONS: Mapping[str, tuple[Hostile, ...]] = {
    "No checkpoint of transformers": OTHER_THINGS,
    "Another kind of model": OTHER_MODELS,
    "A config.json that no model has": VALUES,
    "Weights and other files": WEIGHTS,
}
"""Of docs/checkpoints.md."""
CASES: Mapping[str, Hostile] = {case.name: case for cases in SECTIONS.values() for case in cases}
