"""Figures: saved whole, with their provenance, equal when made again, readable by everyone."""

import matplotlib.figure
import numpy as np
import pandas as pd
import pytest
from matplotlib import colors, rcParams
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image
from readable import DEUTERANOPIA, faults

from csalgan import exploration
from csalgan.data import open_dataset, prepare
from csalgan.data.records import CONDITIONS
from csalgan.figures import base, charts, saving
from csalgan.figures import exploration as draw
from csalgan.files.errors import CsalganError
from csalgan.files.provenance import Provenance
from csalgan.text.words import words

PROVENANCE = Provenance("embedded (synthetic, seed 0)", "0123456789ab", "hashing", "demo", 3, "abc")


@base.theme()
def lines(width=5.0, title="A title"):
    fig = base.figure(width, 2.5, title=title)
    ax = fig.subplots()
    ax.plot([0, 1], [0, 1], label="line")
    ax.set(xlabel="x", ylabel="y")
    ax.legend()
    return fig


@pytest.fixture(scope="module")
def dataset(embedded):
    return open_dataset(embedded)


@pytest.fixture(scope="module")
def prepared(dataset):
    return prepare(dataset, 32)


# --- saving -----------------------------------------------------------------------------------


def test_a_saved_figure_carries_its_provenance(tmp_path):
    path = saving.save(lines(), tmp_path / "new", "04_some-thing_2", PROVENANCE, photographs=True)
    assert path == tmp_path / "new" / "04_some-thing_2.png"
    assert sorted(p.name for p in path.parent.iterdir()) == [
        "04_some-thing_2.pdf",
        "04_some-thing_2.png",
    ]
    info = saving.figure_info(path)
    title = "A title · simulated gaze"
    assert info == PROVENANCE.as_dict() | {"photographs": True, "title": title}
    pdf = path.with_suffix(".pdf").read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"photographs: yes" in pdf


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    first = lines()
    again = [saving.save(f, tmp_path, "01_a", PROVENANCE, photographs=False) for f in (first,)]
    kept = [again[0].read_bytes(), again[0].with_suffix(".pdf").read_bytes()]
    for fig in (first, lines()):  # saved twice, and drawn twice
        path = saving.save(fig, tmp_path, "01_a", PROVENANCE, photographs=False)
        assert [path.read_bytes(), path.with_suffix(".pdf").read_bytes()] == kept
    assert b"CreationDate" not in kept[1]


@pytest.mark.parametrize("name", ["1_a", "01a", "01_", "01_A", "01_a.png", "../01_a", "01_a b"])
def test_other_names_are_refused(tmp_path, name):
    with pytest.raises(CsalganError, match="NN_topic"):
        saving.save(lines(), tmp_path, name, PROVENANCE, photographs=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("width", [2.0, 9.0])
def test_the_provenance_line_stands_below_everything(width):
    fig = lines(width)
    long = PROVENANCE.with_(data="w" * 150)
    before = len(fig.texts)
    content = saving._footed(fig, "")[0].get_tightbbox()
    with base.theme():
        footed, box = saving._footed(fig, long.line())
    foot = footed.texts[-1].get_window_extent().transformed(footed.dpi_scale_trans.inverted())
    assert foot.y1 <= content.y0
    assert box.x0 <= foot.x0
    assert foot.x1 <= box.x1
    assert box.y0 <= foot.y0
    assert footed.texts[-1].get_text().count("w") == long.line().count("w")
    assert len(fig.texts) == before
    assert fig.get_layout_engine() is not None


def test_a_legend_below_stands_above_the_provenance_line(tmp_path):
    @base.theme()
    def drawing():
        fig = base.figure(5, 2.5, title="T")
        fig.subplots().bar([0], [1], color="#FF0000", label="red")
        charts.legend_below(fig, fig.axes)
        fig.axes[0].patches[0].set_visible(False)  # its colour is in the legend only
        return fig

    path = saving.save(drawing(), tmp_path, "01_a", PROVENANCE, photographs=False)
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    red = np.flatnonzero((np.abs(pixels - [255, 0, 0]).sum(axis=2) < 30).any(axis=1))
    assert len(red)
    left = (pixels[:, :200].sum(axis=2) < 600).any(axis=1)  # where the line begins
    foot = np.flatnonzero(left)[-1]
    assert red[-1] < foot - 12


def test_simulated_gaze_is_called_so_in_the_picture(tmp_path):
    @base.theme()
    def drawing(title, width):
        fig = base.figure(width, 2.5, title=title)
        fig.subplots().plot([0, 1], label="people's gaze after it")
        charts.legend_below(fig, fig.axes)
        return fig

    real = PROVENANCE.with_(data="SJTU-TIS (510 images)")
    for provenance, title, width, said, label in [
        (PROVENANCE, "Training", 5, "Training · simulated gaze", "simulated gaze after it"),
        (PROVENANCE, "Training of a", 2, "Training of a simulated gaze", "simulated gaze after it"),
        (PROVENANCE, "People's gaze", 5, "Simulated gaze", "simulated gaze after it"),
        (real, "People's gaze", 5, "People's gaze", "people's gaze after it"),
    ]:
        fig = drawing(title, width)
        for _ in range(2):
            path = saving.save(fig, tmp_path, "01_a", provenance, photographs=False)
            assert saving.figure_info(path)["title"] == said
            assert fig.legends[0].get_texts()[0].get_text() == label


def test_figures_without_a_layout_are_saved_whole(tmp_path):
    fig = matplotlib.figure.Figure(figsize=(3, 2))
    ax = fig.add_axes((0.2, 0, 0.7, 1))  # the tick labels below stick out of the figure
    ax.plot([0, 1])
    place = ax.get_position().bounds
    path = saving.save(fig, tmp_path, "01_a", PROVENANCE, photographs=False)
    width, height = Image.open(path).size
    assert width == pytest.approx(3 * 160, abs=2)
    assert height > 2.2 * 160
    assert ax.get_position().bounds == place
    assert fig.get_layout_engine() is None


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def no_room(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.write", no_room)
    with pytest.raises(CsalganError, match="No space"):
        saving.save(lines(), tmp_path, "01_a", PROVENANCE, photographs=False)
    assert not list(tmp_path.iterdir())


def test_figure_info_refuses_other_files(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(CsalganError, match="no provenance"):
        saving.figure_info(tmp_path / "plain.png")
    for name in ("text.png", "missing.png"):
        with pytest.raises(CsalganError, match="cannot be read"):
            saving.figure_info(tmp_path / name)


def test_drawing_changes_nothing_global(tmp_path):
    before = dict(rcParams)
    saving.save(lines(), tmp_path, "01_a", PROVENANCE, photographs=False)
    assert lines()._repr_png_().startswith(b"\x89PNG")
    assert dict(rcParams) == before


# --- colours ----------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "deuteranopia": DEUTERANOPIA,
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(rgb):
    """CIE L*a*b* (D65) of linear RGB (N, 3)."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    xyz = np.clip(rgb, 0, 1) @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], 1)


def linear(names):
    rgb = np.array([colors.to_rgb(name) for name in names])
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_condition_colours_stay_apart(deficiency):
    colours = linear([look.colour for look in base.LOOKS.values()])
    seen = lab(colours @ np.array(DEFICIENCIES[deficiency]).T)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(4, 1)]
    assert distance.min() > 20  # 2.3 is just noticeable; 20 is plain on a thin line


def test_condition_inks_can_be_read_on_white():
    luminance = linear([look.ink for look in base.LOOKS.values()]) @ [0.2126, 0.7152, 0.0722]
    assert (1.05 / (luminance + 0.05)).min() >= 4.5  # WCAG 2 AA


def test_every_condition_has_colour_ink_marker_and_label():
    assert tuple(base.LOOKS) == CONDITIONS
    for column in zip(*base.LOOKS.values(), strict=True):
        assert len(set(column)) == len(CONDITIONS)


@pytest.mark.parametrize("name", base.MAPS)
def test_saliency_colour_maps_grow_lighter_evenly(name):
    lightness = lab(linear(base.colour_map(name)(np.linspace(0, 1, 64))[:, :3]))[:, 0]
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[-1] - lightness[0] > 60


def test_other_colour_maps_are_refused():
    with pytest.raises(CsalganError, match="jet"):
        base.colour_map("jet")


# --- overlays ---------------------------------------------------------------------------------


def test_blend_runs_from_the_image_to_the_map():
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    saliency = np.linspace(0, 5, 15 * 20).reshape(15, 20)
    assert np.array_equal(base.blend(image, saliency, opacity=0), image)
    alone = base.blend(image, saliency, opacity=1)
    assert np.array_equal(alone, base.blend(255 - image, saliency, opacity=1))
    half = base.blend(image, saliency, opacity=0.5).astype(float)
    assert half.shape == image.shape
    moved = np.abs(half - image).mean(axis=(1, 2))
    assert moved[-10:].mean() > moved[:10].mean()  # more colour where the map is high
    assert np.isfinite(base.blend(image, np.zeros((3, 4)))).all()
    with pytest.raises(CsalganError, match="opacity"):
        base.blend(image, saliency, opacity=1.5)


# --- what can be told without eyes ------------------------------------------------------------


def test_text_on_text_and_entries_that_look_alike_are_found(request):
    fig = matplotlib.figure.Figure(figsize=(4, 3))
    ax = fig.subplots()
    for label, colour in (("a", "#D55E00"), ("b", "#D55E00"), ("c", "#0072B2")):
        ax.plot([0, 1], color=colour, label=label)
    ax.legend(loc="lower right")
    ax.text(0.1, 0.8, "one long text")
    ax.text(0.3, 0.82, "another")
    ax.set_title("a title that is much longer than the figure is wide, whatever the font may be")
    found = faults(fig)
    assert "'b' and 'a' look alike" in found
    assert not any("'c'" in sentence for sentence in found)
    assert "'one long text' lies on 'another'" in found
    assert any("leaves the figure" in sentence for sentence in found)


# --- families ---------------------------------------------------------------------------------


def drawn(fig):
    """Draw, coarsely, and make sure there is something on the figure."""
    fig.dpi = 40
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    assert np.asarray(canvas.buffer_rgba())[..., :3].std() > 5
    return fig


def test_exploration_figures(dataset, prepared):
    records = dataset.records
    four = records[records.n_records == 4].image_id.unique()
    fig = drawn(draw.condition_samples(dataset, four[0]))
    assert len(fig.axes) == 12
    two = records[records.n_records == 2].image_id.iloc[0]
    assert len(draw.condition_samples(dataset, two).axes) == 6
    cross = exploration.cross_condition(prepared)
    effect = exploration.over_images(cross, ["metric", "predictor", "gaze"], draws=50)
    drawn(draw.cross_condition_matrices(effect))


# --- the numbers of notebook 01 ---------------------------------------------------------------


def test_densities_have_mean_one_and_changes_sum_to_zero(prepared):
    for saliency in exploration.mean_maps(prepared).values():
        assert saliency.mean() == pytest.approx(1)
    records = prepared.records[prepared.records.n_records == 4]
    free, told = records.record.iloc[0], records.record.iloc[3]
    assert exploration.difference_map(prepared, told, free).sum() == pytest.approx(0, abs=1e-6)
    with pytest.raises(CsalganError, match="nowhere"):
        exploration.difference_map(prepared, "nowhere", free)


def test_map_statistics_stay_in_their_ranges(prepared):
    table = exploration.map_statistics(prepared)
    assert (table.entropy <= 2 * np.log2(prepared.size)).all()
    assert (table.entropy > 0).all()
    assert table.half_area.between(0, 0.5).all()
    assert table.central.between(0, 1).all()
    assert table.n_fixations.tolist() == [
        len(prepared.fixations(i)) for i in range(len(prepared.records))
    ]


def test_map_statistics_by_hand():
    class One:
        """Even attention on the upper left 2 × 2 of 8 × 8 pixels, four fixations on 10 × 20."""

        size, native_size = 8, np.array([[10, 20]])
        maps = np.zeros((1, 8, 8), np.uint8)
        records = pd.DataFrame(
            [{"record": "1", "image_id": "1", "condition": "none", "source": ""}]
        )

        def fixations(self, i):
            return np.array([(5, 10), (5, 0), (0, 10), (0, 2)])

    One.maps[0, :2, :2] = 200
    (row,) = exploration.map_statistics(One()).to_dict("records")
    x, y = np.array([0.525, 0.025, 0.525, 0.125]), np.array([0.55, 0.55, 0.05, 0.05])
    assert {name: row[name] for name in [*row][4:]} == pytest.approx(
        {
            "n_fixations": 4,
            "entropy": 2.0,
            "half_area": 2 / 64,
            "peak_distance": 7 / 8,
            "offset_x": x.mean() - 0.5,
            "offset_y": y.mean() - 0.5,
            "spread_x": x.std(),
            "spread_y": y.std(),
            "central": 1 / 4,
        }
    )


def test_cross_condition_agrees_with_a_plain_computation(prepared):
    table = exploration.cross_condition(prepared).set_index(["image_id", "metric"])
    records = prepared.records[prepared.records.n_records == 4]
    image_id = records.image_id.iloc[0]
    rows = records[records.image_id == image_id].set_index("condition")
    a, b = (int(prepared.records.index[prepared.records.record == rows.record[c]][0])
            for c in ("none", "salient"))  # fmt: skip
    cc = table.loc[(image_id, "cc")].set_index(["predictor", "gaze"]).value
    expected = np.corrcoef(prepared.maps[a].ravel(), prepared.maps[b].ravel())[0, 1]
    assert cc["none", "salient"] == pytest.approx(expected, abs=1e-5)
    assert cc["none", "salient"] == cc["salient", "none"]
    assert cc["general", "general"] == pytest.approx(1, abs=1e-5)
    nss = table.loc[(image_id, "nss")].set_index(["predictor", "gaze"]).value
    z = (prepared.maps[a] - prepared.maps[a].mean()) / prepared.maps[a].std()
    height, width = prepared.native_size[b]
    y, x = prepared.fixations(b).T
    size = prepared.size
    y, x = ((y + 0.5) / height * size).astype(int), ((x + 0.5) / width * size).astype(int)
    assert nss["none", "salient"] == pytest.approx(z[y, x].mean(), abs=1e-4)
    with pytest.raises(CsalganError, match="no image"):
        exploration.cross_condition(prepared, image_ids=[])


def test_simulated_sentences_change_more_than_chance(prepared, halves_of):
    """Within a condition halves agree better than across: what the gaze model put there."""
    halves = halves_of(prepared, 0.05)
    table = exploration.over_images(halves, ["predictor", "gaze"], draws=200)
    table = table.set_index(["predictor", "gaze"])
    assert table.high["non_salient", "salient"] < table.low["salient", "salient"]
    assert table.high["none", "non_salient"] < table.low["none", "none"]


def test_intervals_resample_images_with_all_their_values():
    table = pd.DataFrame(
        {"image_id": ["a", "a", "a", "b"], "k": "x", "value": [1.0, 1.0, 1.0, 3.0]}
    )
    row = exploration.over_images(table, ["k"], draws=500).iloc[0]
    assert (row["mean"], row.low, row.high, row.n_images) == (1.5, 1, 3, 2)
    # The bootstrap agrees with the normal approximation on many images.
    values = np.random.default_rng(1).normal(5, 2, 400)
    many = pd.DataFrame({"image_id": range(400), "k": "x", "value": values})
    row = exploration.over_images(many, ["k"], draws=4000).iloc[0]
    half = 1.96 * values.std() / 20
    assert row["mean"] == pytest.approx(values.mean())
    assert [row.low, row.high] == pytest.approx(
        [values.mean() - half, values.mean() + half], abs=0.04
    )


def test_words_leave_punctuation_out():
    assert words("A dog's ball, RED!") == ["a", "dog's", "ball", "red"]


@pytest.mark.real
def test_real_gaze_changes_with_the_sentence(real):
    """DESIGN.md: free viewing reaches CC 0.76 on salient and 0.45 on non-salient test records."""
    prepared = prepare(open_dataset(real), 64)
    effect = exploration.over_images(
        exploration.cross_condition(prepared), ["metric", "predictor", "gaze"], draws=200
    ).set_index(["metric", "predictor", "gaze"])
    assert effect["mean"]["cc", "none", "salient"] == pytest.approx(0.71, abs=0.02)
    assert effect["mean"]["cc", "none", "non_salient"] == pytest.approx(0.44, abs=0.02)
    assert effect["mean"]["cc", "non_salient", "salient"] == pytest.approx(0.26, abs=0.02)
