"""Profiles are typed: what is unknown or of another kind is refused by name."""

import json

import pytest

from csalgan.config import load_profile, profile_names
from csalgan.files.errors import CsalganError


def test_every_profile_of_the_package_loads_and_bears_its_file_name():
    assert {"smoke", "demo", "paper", "author", "author-cpu", "paper-cpu"} <= set(profile_names())
    for name in profile_names():
        assert load_profile(name).name == name


def test_the_paper_profile_is_the_papers_recipe():
    profile = load_profile("paper")
    training = profile.training
    assert profile.data.size == 256
    assert profile.text.encoder == "clip"
    assert (training.epochs, training.batch_size, training.learning_rate) == (50, 16, 2e-4)
    assert (training.betas, training.content_weight) == ((0.5, 0.999), 0.05)


def test_the_author_profile_departs_from_the_papers_where_the_sources_say():
    profile, paper = load_profile("author"), load_profile("paper")
    training = profile.training
    assert (training.epochs, training.learning_rate) == (50, 2e-4)
    assert (training.content_weight, training.keep, training.precision) == (0, "last", "float32")
    assert profile.text.cast_to_int
    assert (profile.data.split, profile.data.free_viewing) == ("record", "all")
    assert profile.evaluation.metric_profiles[0] == "paper"
    switches = [
        "data.split=image",
        "data.free_viewing=subset",
        "text.cast_to_int=false",
        "training={content_weight: 0.05, keep: best, precision: auto}",
        "evaluation={}",
    ]
    undone = load_profile("author", switches).as_dict()
    names = ("name", "description")
    assert {k: v for k, v in undone.items() if k not in names} == {
        k: v for k, v in paper.as_dict().items() if k not in names
    }


@pytest.mark.parametrize("name", ["paper", "author"])
def test_the_cpu_recipes_are_the_same_but_for_size_sentences_and_patience(name):
    small, large = load_profile(f"{name}-cpu"), load_profile(name)
    assert small.training.epochs == large.training.epochs == 50
    changes = {"patience": 10, "precision": "auto"}
    assert small.training == large.training.model_copy(update=changes)
    assert small.data == large.data.model_copy(update={"size": 128})
    assert small.text == large.text.model_copy(update={"encoder": "minilm"})


def test_earlier_names_are_still_read(tmp_path):
    assert load_profile("published-code") == load_profile("author")
    assert load_profile("smoke", ["data.split=published"]).data.split == "record"
    path = tmp_path / "mine.yaml"
    path.write_text("name: mine\ndescription: y\ndata: {split: published}\n")
    assert load_profile(path).data.split == "record"
    # A setting that is none any more is read where it has the value that now stands.
    former = "model: {channels: 96, image_weights: package}\ntraining: {losses: {sim: 0.0}}\n"
    path.write_text("name: mine\ndescription: y\n" + former)
    assert load_profile(path).model == load_profile("smoke").model
    with pytest.raises(CsalganError, match="unknown key model.channels"):
        load_profile("best", ["model.channels=48"])


def test_overrides_are_read_as_yaml_and_checked():
    profile = load_profile("demo", ["training.epochs=3", "training.subsets=[sal, non_sal]"])
    assert profile.training.epochs == 3
    assert profile.training.subsets == ("sal", "non_sal")


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("training.epoch=3", "unknown key training.epoch"),
        ("training.epochs=many", "training.epochs='many'"),
        ("training.epochs=0", "training.epochs=0"),
        ("training.epochs=2.5", "training.epochs=2.5"),
        ("training.subsets=[foo]", "foo"),
        ("training.subsets=[sal, sal]", "each once"),
        ("training.betas=[0.5, 2.0]", "betas"),
        ("training.losses={change: 1.0}", "training.batches=images"),
        ("training.batches=images", "for model.kind=compact"),
        ("model={kind: compact, test_scales: [250]}", "compact needs a multiple of 32"),
        ("training={content_weight: 0.0, adversarial_weight: 0.0}", "nothing to learn"),
        ("training={soup: 2, patience: 0}", "training.soup is for model.kind=compact"),
        ("text.encoder=bert", "bert"),
        ("data.size=255", "data.size=255"),
        ("data.size.x=1", "size is a value"),
        ("training.epochs", "key.path=value"),
        ("training.epochs=[", "not readable as YAML"),
        ("training.content_weight=.inf", "training.content_weight=inf"),
        ("training={epochs: 1, epochs: 9}", "the key 'epochs' stands there twice"),
    ],
)
def test_a_bad_override_is_one_sentence_that_names_it(override, named):
    with pytest.raises(CsalganError, match=".") as caught:
        load_profile("demo", [override])
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: x\ndescription: y\nsed: 1\n", "unknown key sed"),
        ("name: x\n", "description is missing"),
        ("- a\n- b\n", "holds no keys"),
        ("name: [\n", "not readable as YAML"),
        ("name: !!python/object/apply:os.system ['true']\n", "not readable as YAML"),
    ],
)
def test_a_bad_profile_file_is_named(tmp_path, text, named):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(CsalganError, match=r"mine\.yaml") as caught:
        load_profile(path)
    assert named in str(caught.value)


def test_an_unknown_profile_lists_the_known_ones():
    with pytest.raises(CsalganError, match="use one of author, author-cpu, best"):
        load_profile("papr")


def test_an_emoji_as_json_writes_it_is_one_character():
    written = json.dumps("a 𐀀 b")
    assert "\\ud800\\udc00" in written
    assert load_profile("smoke", [f"name={written}"]).name == "a 𐀀 b"
    with pytest.raises(CsalganError, match="not readable as YAML"):
        load_profile("smoke", ['name="\\ud800"'])
