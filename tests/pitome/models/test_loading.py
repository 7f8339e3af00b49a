"""Loading: every family, old tensor names, other image sizes, and each way a checkpoint can be wrong."""

import json
import pickle
import warnings

import pytest
import torch
from safetensors.torch import load_file, save_file

from pitome.bundle import ImagePreprocess, ResizeRecord
from pitome.errors import InputError
from pitome.models.checkpoint import files_sha256
from pitome.models.loading import load_model

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
MLP = {"intermediate_size": 64}


def _tiny(kind):
    import transformers as t

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        if kind == "clip":
            text = {
                "hidden_size": 32,
                "num_hidden_layers": 1,
                "num_attention_heads": 2,
                "vocab_size": 50,
                **MLP,
            }
            return t.CLIPModel(
                t.CLIPConfig(text_config=text, vision_config={**SIZES, **MLP}, projection_dim=24)
            )
        if kind == "clip-vision":
            return t.CLIPVisionModelWithProjection(t.CLIPVisionConfig(**SIZES, **MLP, projection_dim=24))
        if kind == "vit":
            return t.ViTForImageClassification(t.ViTConfig(**SIZES, **MLP, num_labels=5))
        if kind == "vit-features":
            return t.ViTModel(t.ViTConfig(**SIZES, **MLP))
        if kind == "deit":
            return t.DeiTForImageClassificationWithTeacher(t.DeiTConfig(**SIZES, **MLP, num_labels=5))
        return t.Dinov2Model(t.Dinov2Config(**SIZES, mlp_ratio=2))


KINDS = ["clip", "clip-vision", "vit", "vit-features", "deit", "dinov2"]


@pytest.fixture
def saved(tmp_path):
    """Writes a tiny checkpoint and returns its model and folder."""

    def save(kind):
        model = _tiny(kind).eval()
        model.save_pretrained(tmp_path / kind)
        return model, tmp_path / kind

    return save


def _images(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


def _output(model, images, **options):
    with torch.no_grad():
        return model(pixel_values=images, **options)[0]


def _resave(folder, change):
    """Apply ``change`` to the tensors of a checkpoint."""
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_model_computes_what_was_saved(saved, kind):
    model, folder = saved(kind)
    loaded = load_model(str(folder))
    images = _images()
    with torch.no_grad():
        wanted = model.get_image_features(images).pooler_output if kind == "clip" else _output(model, images)
    torch.testing.assert_close(_output(loaded.model, images), wanted, rtol=0, atol=1e-6)
    assert not loaded.model.training
    assert {p.dtype for p in loaded.model.parameters()} == {torch.float32}
    assert loaded.model.config._attn_implementation == "sdpa"
    assert (loaded.name, loaded.source, loaded.random, loaded.seed) == (kind, str(folder), False, None)
    assert loaded.sha256 == files_sha256([folder / "model.safetensors"])
    assert loaded.family.shape(loaded.model).num_tokens == (18 if kind == "deit" else 17)
    assert loaded.image_size == loaded.preprocess.image_size == loaded.config["image_size"] == 32


def test_whole_clip_is_loaded_as_its_vision_tower(saved):
    _, folder = saved("clip")
    loaded = load_model(str(folder))
    assert loaded.architecture == type(loaded.model).__name__ == "CLIPVisionModelWithProjection"
    assert loaded.task == "image-embedding"
    assert loaded.model.visual_projection.out_features == 24
    assert not any(name.startswith("text") for name in loaded.model.state_dict())


@pytest.mark.parametrize("kind", ["vit", "deit", "dinov2"])
def test_tensor_names_of_old_and_new_checkpoints_load_alike(saved, kind):
    model, folder = saved(kind)
    assert any("attention.attention.query" in name for name in load_file(folder / "model.safetensors"))
    old = _output(load_model(str(folder)).model, _images())
    save_file(model.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    assert any("attention.q_proj" in name for name in load_file(folder / "model.safetensors"))
    assert torch.equal(_output(load_model(str(folder)).model, _images()), old)


def test_pickled_and_split_checkpoints(saved, tmp_path):
    model, folder = saved("vit")
    wanted = _output(model, _images())
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    loaded = load_model(str(folder))
    torch.testing.assert_close(_output(loaded.model, _images()), wanted, rtol=0, atol=1e-6)
    assert loaded.sha256 == files_sha256([folder / "pytorch_model.bin"])
    model.save_pretrained(tmp_path / "split", max_shard_size="20KB")
    parts = sorted((tmp_path / "split").glob("*.safetensors"))
    assert len(parts) > 1
    loaded = load_model(str(tmp_path / "split"))
    torch.testing.assert_close(_output(loaded.model, _images()), wanted, rtol=0, atol=1e-6)
    assert loaded.sha256 == files_sha256(parts)
    parts[0].unlink()
    with pytest.raises(
        InputError, match=r"it names model-00001-of-\d+\.safetensors, missing of its \d+ files"
    ):
        load_model(str(tmp_path / "split"))
    (tmp_path / "split/model.safetensors.index.json").unlink()
    with pytest.raises(InputError, match=r"parts of its weights: model-00001-of-\d+\.safetensors is missing"):
        load_model(str(tmp_path / "split"))


@pytest.mark.parametrize("kind", ["clip-vision", "vit", "deit", "dinov2"])
def test_other_image_size_equals_the_librarys_interpolation(saved, kind):
    model, folder = saved(kind)
    loaded = load_model(str(folder), image_size=48)
    options = {} if kind == "dinov2" else {"interpolate_pos_encoding": True}  # DINOv2 always interpolates
    wanted = _output(model, _images(48), **options)
    torch.testing.assert_close(_output(loaded.model, _images(48)), wanted, rtol=0, atol=1e-6)
    assert loaded.family.shape(loaded.model).num_tokens == 36 + loaded.family.num_protected(loaded.model)
    assert loaded.config["image_size"] == loaded.model.config.image_size == 48


def test_random_weights_repeat_and_leave_the_global_generator_alone():
    torch.manual_seed(11)
    before = torch.get_rng_state()
    first = load_model("deit-t16", weights="random", seed=5)
    second = load_model("deit-t16", weights="random", seed=5)
    other = load_model("deit-t16", weights="random", seed=6)
    assert torch.equal(torch.get_rng_state(), before)
    assert first.sha256 == second.sha256 != other.sha256
    assert (first.random, first.seed, first.source) == (True, 5, "random")
    output = _output(first.model, _images(224))
    assert torch.isfinite(output).all()
    assert output.std() > 0.01
    assert not torch.allclose(output[0], output[1])


def test_random_weights_for_a_folder_need_only_its_config(saved):
    _, folder = saved("dinov2")
    (folder / "model.safetensors").unlink()
    assert load_model(str(folder), weights="random").random


def test_weights_of_a_folder_under_a_presets_name_must_be_of_that_model(saved):
    _, folder = saved("vit")
    with pytest.raises(InputError) as error:
        load_model("clip-b16", weights=str(folder))
    assert "they are of another model: family vit, not clip; hidden_size 32, not 768" in str(error.value)


def test_weights_of_a_second_folder(saved, tmp_path):
    model, folder = saved("vit")
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned/config.json").write_bytes((folder / "config.json").read_bytes())
    tensors = {name: tensor * 2 for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(tensors, tmp_path / "tuned/model.safetensors")
    loaded = load_model(str(folder), weights=str(tmp_path / "tuned"))
    assert (loaded.name, loaded.source) == ("vit", str(tmp_path / "tuned"))
    assert torch.equal(loaded.model.classifier.weight, model.classifier.weight * 2)


def test_preprocessing_is_the_checkpoints_own(saved):
    _, folder = saved("vit")
    content = {
        "size": 40,
        "crop_size": 32,
        "do_center_crop": True,
        "resample": 3,
        "image_mean": [0.1, 0.2, 0.3],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(content))
    loaded = load_model(str(folder), image_size=64)
    assert loaded.preprocess == ImagePreprocess(
        processor="ViTImageProcessor",
        height=64,
        width=64,
        channels=3,
        resize=ResizeRecord(height=80, width=80, resample=3),
        crops=((64, 64),),
        rescale_factor=1 / 255,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.5, 0.5),
    )


def _fails(folder, **options):
    with pytest.raises(InputError) as error:
        load_model(str(folder), **options)
    return str(error.value)


def test_folder_without_config(saved):
    _, folder = saved("vit")
    (folder / "config.json").unlink()
    assert _fails(folder).endswith(
        "the folder has weights and no config.json. Put the config.json of their model beside them"
    )
    (folder / "model.safetensors").rename(folder / "weights.data")
    assert "the folder has no config.json. Give the folder that save_pretrained wrote" in _fails(folder)


def test_folder_without_weights(saved):
    _, folder = saved("vit")
    (folder / "model.safetensors").unlink()
    message = _fails(folder)
    assert "the folder has neither model.safetensors nor pytorch_model.bin" in message
    assert message.endswith("Give a folder with weights, or WEIGHTS=random")


def test_config_that_is_no_json(saved):
    _, folder = saved("vit")
    (folder / "config.json").write_text("{")
    assert "it is no valid JSON" in _fails(folder)


def test_unknown_family(saved):
    _, folder = saved("vit")
    (folder / "config.json").write_text('{"model_type": "swin", "architectures": ["SwinModel"]}')
    message = _fails(folder)
    assert "a model of type 'swin': no family knows its blocks; the families are bert" in message


def test_unknown_class_of_a_known_family(saved):
    _, folder = saved("vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["ViTForDreams"]}))
    assert (
        "a model of class ViTForDreams: family vit knows ViTForImageClassification, ViTModel, "
        "ViTForMaskedImageModeling. Choose a checkpoint of one of these classes"
    ) in _fails(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_non_finite_weights_are_named(saved, value):
    _, folder = saved("vit")
    _resave(folder, lambda t: t["classifier.weight"].view(-1)[3:4].fill_(value))
    assert "the tensor classifier.weight holds NaN or infinity" in _fails(folder)


def test_missing_tensor_is_named(saved):
    _, folder = saved("dinov2")
    _resave(folder, lambda t: t.pop("layernorm.bias"))
    assert "they do not fit: layernorm.bias is missing" in _fails(folder)


def test_tensor_of_another_shape_is_named(saved):
    _, folder = saved("vit")
    _resave(folder, lambda t: t.update({"classifier.bias": torch.zeros(7)}))
    assert "classifier.bias is (7,), not (5,)" in _fails(folder)


def test_blocks_that_the_config_does_not_count_are_refused(saved):
    _, folder = saved("vit")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    assert "vit.layers.1.attention.k_proj.bias is left over" in _fails(folder)


def test_truncated_safetensors(saved):
    _, folder = saved("vit")
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[:-100])
    message = _fails(folder)
    assert "the file is damaged or incomplete" in message
    assert message.endswith("Fetch the file again")


def test_truncated_pickled_checkpoint(saved):
    _, folder = saved("vit")
    (folder / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1000)}, folder / "pytorch_model.bin")
    content = (folder / "pytorch_model.bin").read_bytes()
    (folder / "pytorch_model.bin").write_bytes(content[:-100])
    assert "the file is damaged or incomplete" in _fails(folder)


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("plain", [True, False])
def test_checkpoint_that_needs_unrestricted_pickle_runs_nothing(saved, tmp_path, plain):
    _, folder = saved("vit")
    (folder / "model.safetensors").unlink()
    trap = tmp_path / "was-run"
    if plain:
        (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"a": _Malicious(trap)}, protocol=2))
    else:
        torch.save({"a": _Malicious(trap)}, folder / "pytorch_model.bin")
    message = _fails(folder)
    assert (
        "only unrestricted pickle could read the file, which could run any code; nothing was run" in message
    )
    assert not trap.exists()


def test_pickled_checkpoint_that_is_no_table_of_tensors(saved):
    _, folder = saved("vit")
    (folder / "model.safetensors").unlink()
    torch.save({"model": {"a": torch.zeros(1)}, "epoch": 3}, folder / "pytorch_model.bin")
    assert "the file holds more than a table of tensors. Save the model's state_dict alone" in _fails(folder)


@pytest.mark.parametrize(("size", "choices"), [(50, "48 or 56"), (4, "8 or more"), (-8, "8 or more")])
def test_image_size_that_patches_do_not_tile(saved, size, choices):
    _, folder = saved("vit")
    message = _fails(folder, image_size=size)
    assert message == (
        f"IMAGE_SIZE={size}: the patches are 8 pixels wide, and {size} is no positive multiple of that. "
        f"Choose {choices}"
    )


def test_packaged_weights_of_a_model_without_package():
    with pytest.raises(InputError, match="WEIGHTS=packaged: no package has weights of clip-b16"):
        load_model("clip-b16", weights="packaged")


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """The hub library in its own offline mode, with an empty cache."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_preset_gets_random_weights_where_the_hub_is_unreachable(no_hub):
    with pytest.warns(UserWarning, match=r"deit-t16 gets RANDOM weights: the hub can't be reached"):
        loaded = load_model("deit-t16")
    assert loaded.random
    assert loaded.name == "deit-t16"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model("deit-t16", weights="random").sha256 == loaded.sha256


def test_unreachable_hub_is_an_error_where_strict(no_hub):
    with pytest.raises(InputError) as error:
        load_model("deit-t16", strict=True)
    assert "the hub can't be reached" in str(error.value)
    assert str(error.value).endswith("Check the connection, or give WEIGHTS= a folder, or WEIGHTS=random")


def test_unreachable_hub_is_an_error_for_what_was_asked_by_id(no_hub):
    for model, weights in (("org/name", None), ("deit-t16", "org/name"), ("org/name", "random")):
        with pytest.raises(InputError, match="the model org/name: the hub can't be reached"):
            load_model(model, weights=weights)
