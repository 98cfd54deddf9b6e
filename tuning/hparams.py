"""Trials for TensorBoard's HParams page."""

import shutil

import tensorflow as tf
from tensorboard.plugins.hparams import api

from tuning.plan import SearchPlan
from tuning.search_folder import SearchFolder
from tuning.trial_record import TrialRecord


def write_hparams(plan: SearchPlan, folder: SearchFolder, record: TrialRecord) -> None:
    """Writes what a trial tried and its score; one without a score is left out.

    Args:
        plan: the search.
        folder: where it goes; ``tensorboard --logdir`` takes its ``tensorboard/``.
        record: the trial.
    """
    if record.score is None:
        return
    logs = folder.tensorboard / f"{record.trial:04d}"
    shutil.rmtree(logs, ignore_errors=True)  # A trial that ended just before a kill ends again.
    writer = tf.summary.create_file_writer(str(logs))
    with writer.as_default():
        api.hparams(dict(record.values), trial_id=logs.name)
        tf.summary.scalar(plan.metric, record.score, step=0)
        tf.summary.scalar("epochs", record.epochs, step=0)
    writer.close()
