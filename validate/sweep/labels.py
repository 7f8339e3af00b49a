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
        if name not in method.takes or value is None:
            continue
        if described.label_own or value != getattr(own, name):
            told.append(described.told(value))
    return " ".join([settings.method, *filter(None, told)])


def completed_label(label: str, schedule: str, settings: MergeSettings, modality: Modality) -> str:
    """The label of a record, with what it leaves out as the method's own and is no longer.

    METHOD=paper of older files was with the energy elu.
    """
    if settings.method not in method_names():
        return label
    method = method_class(settings.method)
    own, behind = method.own_settings(modality), f" at {schedule}"
    name = label.removesuffix(behind)
    for field, described in options_of(MergeSettings).items():
        value = getattr(settings, field)
        if field in method.takes and not described.label_own and value not in (None, getattr(own, field)):
            told = described.told(value)
            name += "" if told in name else f" {told}"
    return name + behind if label.endswith(behind) else name
