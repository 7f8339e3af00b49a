from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from pitome.cli.main import app
from pitome.compression import compress
from pitome.engine.fidelity import markdown_table, parse_ratios
from pitome.errors import InputError
from pitome.flops import count_flops
from pitome.models.family import ModelShape
from pitome.models.loading import LoadedModel, load_model
from pitome.schedule import TokenSchedule
from pitome.validate.evaluate.datasets.photos import real_photos
from pitome.validate.evaluate.fidelity import (
    METRICS,
    RULES,
    Difference,
    FidelityReport,
    RuleFidelity,
    equal_flops_constant,
    measure_fidelity,
    paired_difference,
)
from tests.tiny_models import tiny_images, tiny_model

NAMES = [
    "cat",
    "dog",
    "hill",
    "cat, mirrored",
    "cat, middle",
    "dog, mirrored",
    "hill, mirrored",
    "sea",
    "sky",
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other on a busy machine make a tiny model many times slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny-dinov2")
    model: Any = tiny_model("Dinov2Model")
    model.save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def loaded(folder: Path) -> LoadedModel:
    return load_model(str(folder))


@pytest.fixture(scope="module")
def report(loaded: LoadedModel) -> FidelityReport:
    names, images = real_photos(loaded.preprocess, limit=2)
    return measure_fidelity(loaded, names, images, ratios=(0.9, 0.8))


def test_every_rule_metric_and_schedule_is_measured_once(report: FidelityReport) -> None:
    found = [(result.schedule, result.metric, result.rule) for result in report.results]
    names = [schedule.name for schedule in report.schedules]
    assert names[::2] == ["keep ratio 0.9", "keep ratio 0.8"]
    assert [schedule.equal_to for schedule in report.schedules] == [None, names[0], None, names[2]]
    assert found == [(name, metric, rule.label) for name in names for metric in METRICS for rule in RULES]
    assert (report.images, report.photos) == (2, 2)


def test_merging_changes_features_within_the_range_of_a_cosine(report: FidelityReport) -> None:
    for result in report.results:
        for closeness in (result.class_token, result.mean_token):
            assert -1 <= closeness.lowest <= closeness.cosine < 1


def test_rules_have_the_settings_of_their_names(report: FidelityReport) -> None:
    settings = {result.rule: (result.candidates, result.size_penalty) for result in report.results}
    assert settings == {
        "paper, M = 2r": ("paper", 0),
        "ToMe": ("all", 0),
        "ToMe, size penalty 0.06": ("all", 0.06),
        "M = all": ("all", 0),
        "M = all, size penalty 0.06": ("all", 0.06),
        "default": (0.1, 0.05),
    }


def test_only_plain_tome_has_no_difference_to_itself(report: FidelityReport) -> None:
    for result in report.results:
        assert (result.class_token.to_tome is None) == (result.rule == "ToMe")
        assert (result.mean_token.to_tome is None) == (result.rule == "ToMe")


def test_json_round_trip(report: FidelityReport) -> None:
    assert FidelityReport.model_validate_json(report.model_dump_json()) == report


def test_nothing_merged_is_the_unmerged_model(loaded: LoadedModel) -> None:
    found = measure_fidelity(loaded, ["cat", "dog"], tiny_images(2), ratios=(1.0,))
    assert [schedule.name for schedule in found.schedules] == ["keep ratio 1", "r = 0"]
    for schedule in found.schedules:
        assert set(schedule.flops_ratio.values()) == {1.0}
    for result in found.results:
        for closeness in (result.class_token, result.mean_token):
            assert closeness.lowest == pytest.approx(1, abs=1e-12)
            if closeness.to_tome is not None:
                assert closeness.to_tome == Difference(mean=0, two_standard_errors=0)


def test_cosines_and_differences_against_one_image_at_a_time(loaded: LoadedModel) -> None:
    """More images than a batch, several views of a photo, everything from plain lists of floats."""
    images = tiny_images(len(NAMES))
    found = measure_fidelity(loaded, NAMES, images, ratios=(0.8,))
    ratio, constant = found.schedules
    for schedule, metric in ((ratio, "hidden"), (constant, "keys")):
        tome = slow_cosines(loaded, images, metric, schedule.num_merged, method="tome")
        ours = slow_cosines(loaded, images, metric, schedule.num_merged, method="pitome")
        result = one(found, "default", metric, schedule.name)
        for index, closeness in enumerate((result.class_token, result.mean_token)):
            values = [pair[index] for pair in ours]
            differences = [pair[index] - other[index] for pair, other in zip(ours, tome, strict=True)]
            assert closeness.cosine == pytest.approx(statistics.mean(values), abs=1e-6)
            assert closeness.lowest == pytest.approx(min(values), abs=1e-6)
            assert closeness.to_tome is not None
            assert closeness.to_tome.mean == pytest.approx(statistics.mean(differences), abs=1e-6)
            error = slow_two_standard_errors(differences, NAMES)
            assert closeness.to_tome.two_standard_errors == pytest.approx(error, abs=1e-6)


def test_standard_error_of_single_views_is_the_usual_one() -> None:
    values = torch.rand(12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    baseline = torch.rand(12, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    found = paired_difference(values, baseline, [str(index) for index in range(12)])
    differences = (values - baseline).tolist()
    assert found.mean == pytest.approx(statistics.mean(differences))
    assert found.two_standard_errors == pytest.approx(2 * statistics.stdev(differences) / math.sqrt(12))


def test_copies_of_a_photo_add_no_certainty() -> None:
    values, baseline = torch.rand(5, generator=torch.Generator().manual_seed(3)), torch.zeros(5)
    photos = ["a", "b", "c", "d", "e"]
    once = paired_difference(values, baseline, photos)
    eight_times = paired_difference(values.repeat(8), baseline.repeat(8), photos * 8)
    assert eight_times.mean == pytest.approx(once.mean)
    assert eight_times.two_standard_errors == pytest.approx(once.two_standard_errors)


@pytest.mark.parametrize(("mean", "error", "sign"), [(0.02, 0.01, 1), (-0.02, 0.01, -1), (0.01, 0.01, 0)])
def test_sign_of_a_difference(mean: float, error: float, sign: int) -> None:
    assert Difference(mean=mean, two_standard_errors=error).sign == sign


@pytest.mark.parametrize("ratio", [0.99, 0.95, 0.925, 0.9, 0.8, 0.6])
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("layers", "tokens", "prefix"), [(4, 37, 1), (12, 257, 1), (12, 198, 2), (24, 577, 1)]
)
def test_constant_r_has_the_closest_flops(
    layers: int, tokens: int, prefix: int, metric: str, ratio: float
) -> None:
    shape = ModelShape(layers, tokens, prefix, 384, 6, 64, 1_179_648, 57_802_752, 0)
    width = {"hidden": 384, "keys": 64}[metric]
    schedule = TokenSchedule.from_ratio(ratio, layers, tokens, prefix)
    target = count_flops(shape, schedule, width).ratio

    def distance(r: int) -> float:
        constant = TokenSchedule.from_constant(r, layers, tokens, prefix)
        return abs(count_flops(shape, constant, width).ratio - target)

    chosen = equal_flops_constant(shape, schedule, metric)  # type: ignore[arg-type]
    r = chosen.num_merged[0]
    assert chosen.num_merged == (r,) * layers
    if r > 0:
        assert distance(r) < distance(r - 1)
    if r < (tokens - prefix) // (layers + 1):
        assert distance(r) <= distance(r + 1)
    else:
        with pytest.raises(InputError, match="at most half of them can merge"):
            distance(r + 1)


def test_flops_are_those_of_the_compressed_model(loaded: LoadedModel, report: FidelityReport) -> None:
    for schedule in report.schedules:
        for metric, ratio in schedule.flops_ratio.items():
            compressed = compress(loaded.model, r=schedule.num_merged, metric=metric)
            assert compressed.compression.flops.ratio == ratio  # type: ignore[union-attr]


def test_of_a_classifier_the_encoder_is_compared(tmp_path: Path) -> None:
    model: Any = tiny_model("DeiTForImageClassificationWithTeacher")
    model.save_pretrained(tmp_path)
    found = measure_fidelity(load_model(str(tmp_path)), ["cat", "dog"], tiny_images(2), ratios=(0.9,))
    assert all(0 < result.class_token.cosine < 1 for result in found.results)


def test_markdown_round_trip(report: FidelityReport) -> None:
    better = Difference(mean=0.02, two_standard_errors=0.01)
    worse = Difference(mean=-0.02, two_standard_errors=0.01)
    unclear = Difference(mean=0.01, two_standard_errors=0.02)
    first, *others = report.results
    changed = first.model_copy(
        update={
            "class_token": first.class_token.model_copy(update={"to_tome": better}),
            "mean_token": first.mean_token.model_copy(update={"to_tome": unclear}),
        }
    )
    last = others.pop()
    others.append(
        last.model_copy(
            update={
                "class_token": last.class_token.model_copy(update={"to_tome": worse}),
                "mean_token": last.mean_token.model_copy(update={"to_tome": better}),
            }
        )
    )
    report = report.model_copy(update={"results": (changed, *others)})
    text = markdown_table(report)
    header, _, *rows = [line for line in text.splitlines() if line.startswith("|")]
    for schedule, column in zip(report.schedules, split(header)[2:], strict=True):
        flops = " / ".join(f"{schedule.flops_ratio[metric]:.3f}" for metric in METRICS)
        assert column == f"{schedule.name} (FLOPs {flops})"
    found = {}
    for row in rows:
        rule, metric, *cells = split(row)
        for schedule, cell in zip(report.schedules, cells, strict=True):
            found[rule, metric, schedule.name] = cell
    assert len(found) == len(report.results)
    for result in report.results:
        numbers = found[result.rule, result.metric, result.schedule].split(" / ")
        for number, closeness in zip(numbers, (result.class_token, result.mean_token), strict=True):
            assert float(number.strip("*")) == pytest.approx(closeness.cosine, abs=0.5001e-4)
            assert number.startswith("**") == (closeness.to_tome is not None and closeness.to_tome.sign == 1)
    assert "over 2 photos" in text


def test_random_weights_are_refused(folder: Path) -> None:
    random = load_model(str(folder), weights="random")
    with pytest.raises(InputError) as error:
        measure_fidelity(random, ["cat", "dog"], tiny_images(2))
    assert str(error.value) == (
        f"the fidelity of {random.name}: its weights are random, and how close random features stay says "
        "nothing of a real model. Give a model with trained weights, such as vit-s14-focus"
    )


def test_views_of_one_photo_are_refused(loaded: LoadedModel) -> None:
    with pytest.raises(InputError, match="fidelity on 1 photo: a standard error needs at least two"):
        measure_fidelity(loaded, ["cat", "cat, mirrored"], tiny_images(2))


@pytest.mark.parametrize("ratio", [0.0, 1.5, math.nan])
def test_a_ratio_that_is_none(loaded: LoadedModel, ratio: float) -> None:
    with pytest.raises(InputError, match=rf"RATIO={ratio}: a keep ratio lies in \(0, 1\]"):
        measure_fidelity(loaded, ["cat", "dog"], tiny_images(2), ratios=(ratio,))


def test_ratios_from_text() -> None:
    assert parse_ratios("0.95, 0.9") == (0.95, 0.9)
    with pytest.raises(InputError, match=r"RATIOS=0\.9;0\.8: not numbers with commas between them"):
        parse_ratios("0.9;0.8")


def test_the_command_prints_one_json_document(folder: Path) -> None:
    command = ["fidelity", str(folder), "--ratios", "0.9", "--limit", "2"]
    printed = CliRunner().invoke(app, [*command, "--json"])
    assert printed.exit_code == 0
    found = FidelityReport.model_validate_json(printed.stdout)
    assert CliRunner().invoke(app, [*command, "--markdown"]).stdout == markdown_table(found)
    table = CliRunner().invoke(app, command).stdout
    assert "keep ratio 0.9: FLOPs left" in table
    assert "2 photos" in table


def test_the_command_refuses_random_weights(folder: Path) -> None:
    printed = CliRunner().invoke(app, ["fidelity", str(folder), "--weights", "random"])
    assert printed.exit_code == 2
    assert "its weights are random" in printed.stderr
    assert printed.stdout == ""


def one(report: FidelityReport, rule: str, metric: str, schedule: str) -> RuleFidelity:
    (found,) = [
        result
        for result in report.results
        if (result.rule, result.metric, result.schedule) == (rule, metric, schedule)
    ]
    return found


def slow_cosines(
    loaded: LoadedModel, images: torch.Tensor, metric: str, num_merged: tuple[int, ...], method: str
) -> list[tuple[float, float]]:
    """Class token and mean token, of one image after the other."""
    merged_model = compress(loaded.model, r=num_merged, method=method, metric=metric)  # type: ignore[arg-type]
    found = []
    for image in images:
        with torch.no_grad():
            one_image = image[None]
            unmerged = loaded.model(pixel_values=one_image).last_hidden_state[0].tolist()
            merged = merged_model(pixel_values=one_image).last_hidden_state[0].tolist()
        found.append((slow_cosine(merged[0], unmerged[0]), slow_cosine(mean_row(merged), mean_row(unmerged))))
    return found


def mean_row(rows: list[list[float]]) -> list[float]:
    return [statistics.fmean(column) for column in zip(*rows, strict=True)]


def slow_cosine(first: list[float], second: list[float]) -> float:
    dot = sum(a * b for a, b in zip(first, second, strict=True))
    return dot / math.sqrt(sum(a * a for a in first) * sum(b * b for b in second))


def slow_two_standard_errors(differences: list[float], names: list[str]) -> float:
    mean = statistics.fmean(differences)
    sums: dict[str, float] = {}
    for name, difference in zip(names, differences, strict=True):
        photo = name.split(",")[0]
        sums[photo] = sums.get(photo, 0.0) + difference - mean
    squares = sum(value * value for value in sums.values())
    return 2 * math.sqrt(squares * len(sums) / (len(sums) - 1)) / len(differences)


def split(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split("|")]
