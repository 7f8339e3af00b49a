"""How tables name the settings of a point. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator

from pitome.methods import method_class, method_names
from pitome.models.task import Modality
from pitome.option import options_of
from pitome.settings import MergeSettings


def label_of(settings: MergeSettings, modality: Modality) -> str:
    """The method and what is chosen of the settings that it takes; some only where they are not its own.

    The baseline, which others are compared with, names whatever is not its own.
    """
    told = [text for _, text in _told(settings, modality)]
    return " ".join([settings.method, *filter(None, told)])


def label_of_today(label: str, schedule: str, settings: MergeSettings, modality: Modality) -> str:
    """The label of a record, with what an older one leaves out as the method's own and is no longer.

    METHOD=paper of older files was with the energy elu (texts: gaussian, in halves), METHOD=tome with the
    split alternate whatever the prefix.
    """
    if settings.method not in method_names():
        return label
    if all(always or text in label for always, text in _told(settings, modality)):
        return label
    return f"{label_of(settings, modality)} at {schedule}"


def _told(settings: MergeSettings, modality: Modality) -> Iterator[tuple[bool, str]]:
    """(whether every label names it, the text of its value) of each setting that a label names."""
    method = method_class(settings.method)
    own = method.own_settings(modality)
    takes = (*method.takes, *method.also_takes) if method.baseline else method.takes
    for name, described in options_of(MergeSettings).items():
        value = getattr(settings, name)
        always = described.label_own and name in method.takes
        if name in takes and value is not None and (always or value != getattr(own, name)):
            yield described.label_own, described.told(value)
