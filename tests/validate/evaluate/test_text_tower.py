"""The text tower of a CLIP checkpoint against the whole model of the library."""

import json

import pytest
import torch
from safetensors.torch import save_file

from pitome.errors import InputError
from pitome.models.checkpoint import read_config
from pitome.models.weight_files import read_weights
from pitome.validate.evaluate.text_tower import load_text_tower
from tests.validate.evaluate.tasks.small_clip import LENGTH, write_clip


@pytest.fixture
def folder(tmp_path):
    write_clip(tmp_path)
    return tmp_path


def test_vectors_are_those_of_the_whole_clip(folder):
    from transformers import CLIPConfig, CLIPModel

    whole = CLIPModel(CLIPConfig.from_dict(read_config(folder))).eval()
    whole.load_state_dict(read_weights(folder)[0], strict=False)
    ids = torch.tensor([[2, 3, 4, 5, 3, 10, 12, 0], [2, 11, 12, 0, 0, 0, 0, 0]])
    mask = (ids > 0).long()
    mask[:, 0] = 1
    with torch.no_grad():
        pooled = whole.text_model(input_ids=ids, attention_mask=mask).pooler_output
        expected = torch.nn.functional.normalize(whole.text_projection(pooled), dim=-1)
    found = load_text_tower(folder).embed(["a photo of a ant", "bee"])
    assert torch.allclose(found, expected, atol=1e-6)


def test_a_class_is_the_mean_of_its_captions_with_length_1(folder):
    tower = load_text_tower(folder)
    classes = tower.embed_classes([["a photo of a ant", "ant"], ["bee"]])
    mean = tower.embed(["a photo of a ant", "ant"]).mean(dim=0)
    assert torch.allclose(classes[0], mean / mean.norm(), atol=1e-6)
    assert torch.allclose(classes.norm(dim=1), torch.ones(2))


def test_long_captions_are_cut_and_batches_do_not_matter(folder):
    tower = load_text_tower(folder)
    captions = [f"{'a photo of ' * (place % 4)}ant" for place in range(70)]
    together = tower.embed(captions)
    assert together.shape[0] == 70
    assert torch.allclose(together[65], tower.embed(captions[65:66])[0], atol=1e-6)
    assert captions[67].count(" ") > LENGTH  # more words than fit


def test_no_folder():
    with pytest.raises(InputError, match="Use MODEL=fashion-clip"):
        load_text_tower(None)


def test_a_checkpoint_without_a_text_tower(folder):
    content = json.loads((folder / "config.json").read_text()) | {"model_type": "vit"}
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="its checkpoint has no CLIP text tower"):
        load_text_tower(folder)


def test_a_text_tower_of_another_kind_has_no_projection(folder):
    """As SigLIP's, whose family has CLIP's blocks."""
    tensors = {
        name: value
        for name, value in read_weights(folder)[0].items()
        if not name.startswith("text_projection.")
    }
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(InputError, match="its checkpoint has no CLIP text tower"):
        load_text_tower(folder)


def test_weights_that_do_not_fit_and_a_missing_tokeniser(folder):
    content = json.loads((folder / "config.json").read_text())
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"there is no tokenizer\.json"):
        load_text_tower(folder)
    content["text_config"]["num_hidden_layers"] = 3
    (folder / "config.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match="its weights do not fit: 16 missing, 0 left over"):
        load_text_tower(folder)


def test_one_that_was_loaded_with_the_model_is_not_read_again(folder):
    from pitome import load_model
    from pitome.validate.evaluate.text_tower import text_tower_of

    captions = ["a photo of a ant", "bee"]
    loaded = load_model(str(folder), tower="both")
    assert torch.equal(text_tower_of(loaded).embed(captions), load_text_tower(folder).embed(captions))
    (folder / "model.safetensors").unlink()
    assert len(text_tower_of(loaded).embed(captions)) == 2
