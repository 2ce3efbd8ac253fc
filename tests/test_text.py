"""Text encoders: one protocol, cached on disk, never changed silently."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from filelock import FileLock
from safetensors.torch import save_file

from csalgan.files.errors import CsalganError
from csalgan.text import ENCODERS, get_encoder
from csalgan.text.clip import MODEL, ClipEncoder
from csalgan.text.wordless import HashingEncoder
from csalgan.text.words import words

SENTENCES = ["A black cat sleeps on a red chair", "", "Two boats lie in the harbour", "a cat"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CSALGAN_HOME", str(tmp_path / "home"))


@pytest.mark.parametrize("name", ["minilm", "hashing", "none"])
def test_the_protocol(name):
    encoder = get_encoder(name, cache=False)
    vectors = encoder.encode(SENTENCES)
    assert vectors.shape == (4, encoder.dim)
    assert vectors.dtype == np.float32
    assert encoder.name == name
    assert len(encoder.fingerprint) == 64
    assert "ree viewing" in encoder.free_viewing
    alone = np.concatenate([encoder.encode([text]) for text in SENTENCES])
    # Padding changes the order of float sums in MiniLM, nothing more.
    np.testing.assert_allclose(vectors, alone, atol=1e-6)
    assert np.array_equal(vectors, get_encoder(name, cache=False).encode(SENTENCES))
    assert encoder.encode([]).shape == (0, encoder.dim)
    vectors, is_word = encoder.encode_words(SENTENCES)
    assert vectors.shape == (*is_word.shape, encoder.dim)
    counts = [0] * 4 if name == "none" else [len(text.split()) for text in SENTENCES]
    assert is_word.sum(axis=1).tolist() == counts
    assert not vectors[~is_word].any()


def test_what_free_viewing_gets():
    assert not get_encoder("none").encode(SENTENCES).any()
    hashing = get_encoder("hashing").encode(SENTENCES)
    assert not hashing[1].any()
    np.testing.assert_allclose(np.linalg.norm(hashing[[0, 2, 3]], axis=1), 1, rtol=1e-6)
    assert np.linalg.norm(get_encoder("minilm").encode([""])) == pytest.approx(1, abs=1e-5)


def test_words_have_one_vector_whatever_their_pieces():
    assert words("A dog's red ball.") == ["a", "dog's", "red", "ball"]
    assert get_encoder("hashing").encode_words(["A dog's red ball."])[1].sum() == 4
    _, is_word = get_encoder("minilm").encode_words(["Skateboarders photographing a hydrangea", ""])
    assert is_word.sum(axis=1).tolist() == [4, 0]


def test_a_callers_autocast_does_not_reach_the_embeddings():
    plain = get_encoder("minilm", cache=False).encode(["a red bicycle"])
    with torch.autocast("cpu", torch.bfloat16):
        inside = get_encoder("minilm", cache=False).encode(["a red bicycle"])
    assert np.array_equal(plain, inside)


def test_sentences_that_share_words_are_closer():
    for name in ("minilm", "hashing"):
        cat, _, boats, small = get_encoder(name).encode(SENTENCES)
        assert cat @ small > cat @ boats


def test_minilm_is_sentence_transformers():
    transformers = pytest.importorskip("sentence_transformers")
    encoder = get_encoder("minilm", cache=False)
    reference = transformers.SentenceTransformer(
        str(encoder._folder), device="cpu", local_files_only=True
    )
    expected = reference.encode(SENTENCES, normalize_embeddings=True)
    np.testing.assert_allclose(encoder.encode(SENTENCES), expected, atol=1e-5)


class Counting(HashingEncoder):
    """The hashing encoder, counting what it is asked."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def read(self, texts):
        self.asked += texts
        return super().read(texts)


def test_a_sentence_is_encoded_once():
    first = Counting()
    vectors = first.encode([*SENTENCES, SENTENCES[0]])
    assert first.asked == SENTENCES
    second = Counting()
    again = second.encode([*SENTENCES, "new"])
    assert second.asked == ["new"]
    assert np.array_equal(vectors[:4], again[:4])
    assert np.array_equal(vectors[0], vectors[4])


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"no arrays" * 100,
        lambda b: b[:-30],
        lambda b: b[:400] + bytes([b[400] ^ 1]) + b[401:],
    ],
)
def test_a_broken_cache_is_made_again(damage):
    cached = Counting()
    cached.encode(SENTENCES)
    cached.path.write_bytes(damage(cached.path.read_bytes()))
    again = Counting()
    vectors = again.encode(SENTENCES)
    assert again.asked == SENTENCES
    assert np.array_equal(vectors, HashingEncoder(cache=False).encode(SENTENCES))
    later = Counting()
    assert np.array_equal(later.encode(SENTENCES), vectors)
    assert later.asked == []


def test_a_busy_cache_is_left_alone(monkeypatch):
    monkeypatch.setattr("csalgan.text.base._WAIT", 0.05)
    cached = Counting()
    cached.encode(SENTENCES)
    other = FileLock(cached.path.with_suffix(".lock"))
    with other:
        cached.encode(["new"])
    later = Counting()
    later.encode([*SENTENCES, "new"])
    assert later.asked == ["new"]  # nothing that was kept is lost


def test_a_cache_out_of_reach_costs_time_only(tmp_path):
    folder = tmp_path / "home" / "data"
    folder.mkdir(parents=True)
    (folder / "cache").write_text("a file where the folder should be")
    vectors = get_encoder("hashing").encode(SENTENCES)
    assert np.array_equal(vectors, HashingEncoder(cache=False).encode(SENTENCES))


def test_half_a_character_is_named_and_the_cache_kept():
    cached = Counting()
    cached.encode(SENTENCES)
    with pytest.raises(CsalganError, match="character 5 is not valid Unicode"):
        cached.encode(["bad \ud800"])
    later = Counting()
    later.encode(SENTENCES)
    assert later.asked == []


def test_processes_share_the_cache(tmp_path):
    code = (
        "from csalgan.text import get_encoder\n"
        "import sys\n"
        "for i in range(40): get_encoder('hashing').encode([f'word {i} {sys.argv[1]}', f'all {i}'])"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, str(n)]) for n in range(3)]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    counting = Counting()
    counting.encode([f"word {i} {n}" for i in range(40) for n in range(3)])
    assert counting.asked == []


def test_an_unknown_encoder_lists_the_known_ones():
    with pytest.raises(CsalganError, match="'bert': use one of " + ", ".join(ENCODERS)):
        get_encoder("bert")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """The real text tower with random weights in two formats, and what open_clip gives."""
    import open_clip

    torch.manual_seed(3)
    model = open_clip.create_model(MODEL, pretrained=None).eval()
    folder = tmp_path_factory.mktemp("clip")
    tower = {k: v for k, v in model.state_dict().items() if not k.startswith("visual.")}
    torch.save(tower, folder / "tower.pt")
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(MODEL)(SENTENCES)).numpy()
    save_file({k: v.contiguous() for k, v in tower.items()}, folder / "tower.safetensors")
    return folder, expected


@pytest.mark.parametrize("file", ["tower.pt", "tower.safetensors"])
def test_clip_gives_what_open_clip_gives(clip, file, caplog):
    folder, expected = clip
    encoder = get_encoder("clip", clip_weights=folder / file)
    np.testing.assert_allclose(encoder.encode(SENTENCES), expected, atol=1e-5)
    assert "randomly" not in caplog.text  # the weights were loaded: no word of random ones
    assert np.linalg.norm(expected[1]) > 0  # free viewing is a sentence like any other
    assert encoder.encode_words(["a dog", ""])[1].sum(axis=1).tolist() == [2, 0]


def test_clip_weights_that_are_wrong_are_named(clip, tmp_path):
    folder, _ = clip
    state = torch.load(folder / "tower.pt", weights_only=True)
    del state["ln_final.weight"]
    torch.save(state, tmp_path / "short.pt")
    (tmp_path / "noise.safetensors").write_bytes(b"\xff" * 64)
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), tmp_path / "script.pt")
    for name, message in {
        "short.pt": "has no ln_final.weight",
        "noise.safetensors": "not readable as weights",
        "script.pt": "more than tensors",
    }.items():
        with pytest.raises(CsalganError, match=f"{name}.*{message}"):
            get_encoder("clip", clip_weights=tmp_path / name).encode(["a"])
    with pytest.raises(CsalganError, match=r"absent\.pt: no such file"):
        ClipEncoder(tmp_path / "absent.pt")


def test_clip_takes_a_whole_models_weights(clip, tmp_path):
    folder, expected = clip
    state = torch.load(folder / "tower.pt", weights_only=True)
    torch.save({"state_dict": state | {"visual.proj": torch.zeros(2)}}, tmp_path / "whole.pt")
    encoder = get_encoder("clip", clip_weights=tmp_path / "whole.pt", cache=False)
    np.testing.assert_allclose(encoder.encode(SENTENCES), expected, atol=1e-5)


@pytest.mark.parametrize("answers", [True, False])
def test_missing_clip_weights_name_the_three_ways(monkeypatch, tmp_path, answers):
    import huggingface_hub

    asked = []

    def unreachable(*_, local_files_only=False, **__):
        asked.append(local_files_only)
        raise OSError("no network")

    def reach(_):
        if not answers:
            raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    monkeypatch.setattr("csalgan.text.clip._reach", reach)
    with pytest.raises(CsalganError, match=r"\(1\).*\(2\).*\(3\) give a file with --clip-weights"):
        get_encoder("clip")
    # Without a network the hub's client, which retries for long, is not even asked.
    assert asked == ([True, False] if answers else [True])


def test_clip_weights_come_from_the_hubs_cache(clip, monkeypatch):
    import huggingface_hub

    folder, expected = clip

    def cached(repository, file, *, local_files_only=False, **_):
        assert local_files_only
        assert repository == "timm/vit_base_patch32_clip_224.openai"
        return str(folder / "tower.safetensors")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", cached)
    np.testing.assert_allclose(get_encoder("clip").encode(SENTENCES), expected, atol=1e-5)


def test_words_are_remembered_and_the_same():
    cached, plain = get_encoder("hashing"), get_encoder("hashing", cache=False)
    texts = ["a red ball", "", "a red ball", "two dogs run"]
    for _ in range(2):
        ours, theirs = cached.encode_words(texts), plain.encode_words(texts)
        assert all(map(np.array_equal, ours, theirs))
    assert cached.encode_words([])[0].shape[0] == 0
    cached.read = None  # nothing is asked twice
    assert cached.encode_words(["two dogs run"])[1].sum() == 3
