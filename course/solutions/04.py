"""Solutions to the exercises of notebook 04."""

import sys

import numpy as np

import course
import csalgan

job = csalgan.open_job(*sys.argv[1:2])  # demo, or the profile named after the command
answers = {}

# 04-1: both look at the order of the values only.
answers["04-1"] = {"auc", "sauc"}


# 04-2: z-scores as MATLAB has them, read once at each fixated pixel.
def nss(prediction, fixations):
    z = (prediction - prediction.mean()) / prediction.std(ddof=1)
    y, x = np.unique(fixations, axis=0).T
    return z[y, x].mean()


answers["04-2"] = nss


# 04-3: min–max first, then two densities, and at every pixel the smaller one.
def sim(prediction, saliency_map):
    p, q = (one - one.min() for one in (prediction, saliency_map))
    return np.minimum(p / p.sum(), q / q.sum()).sum()


answers["04-3"] = sim

# 04-4: the truth's order, with nearly all of its values pressed together.
records = job.dataset.records
members = records[records.image_id == job.example_image()]
record = members.loc[members.condition == "non_salient", "record"].iloc[0]
answers["04-4"] = course.same_order(job.dataset.map(record))["one hot spot"]


# 04-5: the same picture, other sentences.
def same_image(dataset, record):
    records = dataset.records
    image_id = records.loc[records.record == record, "image_id"].iloc[0]
    others = records[(records.image_id == image_id) & (records.record != record)]
    return np.concatenate([dataset.fixations(name) for name in others.record])


answers["04-5"] = same_image

for exercise, answer in answers.items():
    print(course.check(exercise, answer, job))
