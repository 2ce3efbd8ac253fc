"""Solutions to the exercises of notebook 01."""

import sys

import numpy as np

import course
import csalgan
from csalgan import exploration

job = csalgan.open_job(*sys.argv[1:2])  # demo, or the profile named after the command
dataset, prepared = job.dataset, job.prepared
answers = {}

# 01-1: read the row "central" of section 5.
statistics = exploration.map_statistics(prepared)
answers["01-1"] = statistics.groupby("condition")["central"].mean().idxmax()

# 01-2: how much attention each sentence moved, image by image.
four = dataset.records[dataset.records.n_records == 4]
record = four.pivot(index="image_id", columns="condition", values="record")
moved = record[["salient", "non_salient"]].apply(
    lambda column: [
        np.abs(exploration.difference_map(prepared, one, free)).mean() / 2
        for one, free in zip(column, record["none"], strict=True)
    ]
)
answers["01-2"] = moved.index[moved.salient > moved.non_salient][0]

# 01-3: map by map first, then the mean.
average = exploration.mean_maps(prepared)["all"]
answers["01-3"] = np.mean([exploration.correlation(average, one) for one in prepared.maps])


# 01-4: images, not records.
def shared_images(split, records):
    train = set(split.of("train", records).image_id)
    return len(train & set(split.of("test", records).image_id))


answers["01-4"] = shared_images

for exercise, answer in answers.items():
    print(course.check(exercise, answer, job))
