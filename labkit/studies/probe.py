"""A linear probe: what frozen features know of classes that they were not trained for."""

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning  # type: ignore[import-untyped]
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]
from sklearn.pipeline import make_pipeline  # type: ignore[import-untyped]
from sklearn.preprocessing import StandardScaler  # type: ignore[import-untyped]
from torch import Tensor

from labkit import checks


def probe(train: Tensor, labels: Tensor, test: Tensor, num_classes: int) -> Tensor:
    """Train a logistic regression on features, each brought to zero mean and unit variance, and score others.

    Args:
        train: ``(N, D)``, features of the training clips, one row a clip.
        labels: ``(N,)`` int64, of these; classes without a clip get a score of 0.
        test: ``(M, D)``, features of the clips to score.
        num_classes: K.

    Returns:
        Probabilities ``(M, K)`` float32, for `labkit.metrics`.

    Raises:
        ValueError: shapes that do not fit.
    """
    checks.require_shape(train, f"{len(labels)} D", "train", "one row for each label")
    checks.require_shape(test, f"M {train.shape[1]}", "test", "the same features as of the training clips")
    scores = torch.zeros(len(test), num_classes)
    classes = labels.unique()  # ascending, as scikit-learn has them
    if len(classes) < 2:  # nothing to tell apart
        scores[:, classes] = 1.0
        return scores
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # close enough after so many iterations
        classifier.fit(train.double().numpy(), labels.numpy())
    scores[:, classes] = torch.from_numpy(classifier.predict_proba(test.double().numpy())).float()
    return scores
