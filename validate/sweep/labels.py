"""How tables name the settings of a point. Imports no torch."""

from __future__ import annotations

from pitome.methods import method_class, method_names
from pitome.models.task import Modality
from pitome.option import options_of
from pitome.settings import MergeSettings


def label_of(settings: MergeSettings, modality: Modality) -> str:
    """The method and what is chosen of the settings that it takes; some only where they are not its own."""
    method = method_class(settings.method)
    own = method.own_settings(modality)
    told = []
    for name, described in options_of(MergeSettings).items():
        value = getattr(settings, name)
        always = name in method.takes and described.label_own
        if name not in (*method.takes, *method.also_takes) or value is None:
            continue
        if always or value != getattr(own, name):
            told.append(described.told(value))
    return " ".join([settings.method, *filter(None, told)])


def label_of_today(label: str, schedule: str, settings: MergeSettings, modality: Modality) -> str:
    """The label of a record, with what an older one leaves out as the method's own and is no longer.

    METHOD=paper of older files was with the energy elu (texts: gaussian, in halves), METHOD=tome with the
    split alternate whatever the prefix.
    """
    if settings.method not in method_names():
        return label
    return f"{label_of(settings, modality)} at {schedule}"
