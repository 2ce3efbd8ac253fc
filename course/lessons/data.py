"""Exercises of notebook 01: the data."""

from dataclasses import replace
from typing import Any

import numpy as np

from course.checking import About, Wrong, exercise, one_function, one_number, one_word
from csalgan import exploration
from csalgan.data import CONDITIONS, make_split
from csalgan.figures.base import look_of


@exercise("01-1", "read")
def most_central(answer: Any, about: About) -> str:
    found = one_word(answer, CONDITIONS, "the condition")
    statistics = exploration.map_statistics(about.job.prepared)
    means = statistics.groupby("condition")[["central", "peak_distance"]].mean()
    central = means["central"]
    if found == central.idxmax():
        return (
            f"{central[found]:.0%} of the fixations, against {central.min():.0%} after the "
            f"sentence about something {look_of(central.idxmin()).label}. What is read holds gaze "
            "in the middle or moves it out."
        )
    if found == means["peak_distance"].idxmax():
        raise Wrong(
            f"{found} has the largest peak_distance: its peaks lie furthest from the centre, which "
            "is the opposite. Read the row central."
        )
    raise Wrong(f"{found} has {central[found]:.0%}, which is not the largest of the row central.")


@exercise("01-2", "look")
def salient_moved_more(answer: Any, about: About) -> str:
    records = about.job.dataset.records
    if not isinstance(answer, str):
        raise Wrong("Give the image's id as text, in quotation marks: its zeros belong to it.")
    members = records[records["image_id"] == answer].set_index("condition")["record"]
    if members.empty:
        raise Wrong(f"{answer} is no image; an id is a record's name before the underscore.")
    if len(members) < 4:
        raise Wrong(
            f"Image {answer} has {len(members)} records, so one of the two sentences was never "
            "read; choose among images with n_records == 4."
        )
    moved = {}
    for condition in ("salient", "non_salient"):
        signed = exploration.difference_map(about.job.prepared, members[condition], members["none"])
        moved[condition] = exploration.total_variation(signed)
    shares = (
        f"the salient sentence moved {moved['salient']:.0%} of the attention, the non-salient one "
        f"{moved['non_salient']:.0%}"
    )
    if moved["salient"] <= moved["non_salient"]:
        raise Wrong(f"In image {answer} {shares}: the usual case. An exception is asked for.")
    return f"In image {answer} {shares}. Look at it: does the salient thing lie off the centre?"


@exercise("01-3", "compute")
def mean_map_cc(answer: Any, about: About) -> str:
    prepared = about.job.prepared
    averages = exploration.mean_maps(prepared)
    each = np.array([exploration.correlation(averages["all"], one) for one in prepared.maps])
    right = float(np.nanmean(each))
    stacked = np.broadcast_to(averages["all"], prepared.maps.shape)
    one_number(
        answer,
        right,
        (
            exploration.correlation(stacked, prepared.maps),
            "You correlated all pixels of all maps at once. Then differences *between* maps "
            "(a bright one, a dark one) count too. Correlate map by map, then average.",
        ),
        (
            exploration.correlation(averages["all"], prepared.maps.mean(axis=0)),
            "You averaged first and correlated then: two averages of the same maps are nearly "
            "equal. Correlate with every single map, then average.",
        ),
    )
    return (
        f"CC {right:.2f} without looking at any picture. Compare it with the off-diagonal values "
        "of section 9: this is the bar that every model has to clear."
    )


@exercise("01-4", "change code")
def shared_images(answer: Any, about: About) -> str:
    records = about.job.dataset.records
    splits = [make_split(records, rule, seed) for rule in ("record", "image") for seed in (0, 1)]
    # A test part drawn from all records, as the author's code scored: some are training records.
    splits.insert(0, replace(splits[0], test=records["record"].to_numpy()[::4]))
    probes = [(split, records) for split in splits]

    def parts(split, table):
        return split.of("train", table), split.of("test", table)

    def right(split, table):
        train, test = parts(split, table)
        return len(set(train["image_id"]) & set(test["image_id"]))

    def test_records(split, table):
        train, test = parts(split, table)
        return int(test["image_id"].isin(train["image_id"]).sum())

    one_function(
        answer,
        probes,
        right,
        (test_records, "You counted test *records*; an image with several counts once."),
        (
            lambda split, table: len(set(split.train) & set(split.test)),
            "You compared record names. A record can be new and its image still be known: "
            "compare image_id.",
        ),
    )
    leaking, honest = right(*probes[1]), right(*probes[-1])
    return (
        f"{honest} images under the split over images, {leaking} of "
        f"{splits[1].of('test', records)['image_id'].nunique()} under a split over records. "
        "Notebook 03 measures what that is worth."
    )
