"""The calibrated alarm: how likely a prediction is wrong, by probabilities that are calibrated on validation samples.

Platt, 1999: one logistic curve for each class. The alarm needs no map of the network.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from explainct.errors import UserError

INVERSE_STRENGTH = 0.3
"""C of the logistic regression on standardised logits: few validation samples that are told apart without an error
would otherwise give a curve that is infinitely steep."""
CLOSEST = 1e-7
"""Probabilities are kept this far from 0 and 1, so that their logits are finite."""


@dataclass(frozen=True)
class Platt:
    """A logistic curve from logits to calibrated probabilities.

    Attributes:
        centre: mean of the logits that it was fitted on.
        scale: their standard deviation.
        slope: slope in standardised logits.
        intercept: its logit at their mean.
    """

    centre: float
    scale: float
    slope: float
    intercept: float

    def log_odds(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated logits [N]."""
        return self.intercept + self.slope * (np.asarray(logits, np.float64) - self.centre) / self.scale

    def probability(self, logits: np.ndarray) -> np.ndarray:
        """Return the calibrated probabilities [N] in (0, 1)."""
        return expit(self.log_odds(logits))


def fit_platt(logits: np.ndarray, labels: np.ndarray) -> Platt:
    """Fit a logistic curve on validation samples.

    Labels of one class alone give a constant: the share of positives among one more positive and one more negative.

    Args:
        logits: logits of a class, or of anything that rises with its probability [N].
        labels: whether each sample is of the class, 0 or 1 [N].

    Raises:
        UserError: a logit is not finite, or there is no sample.
    """
    logits, labels = np.asarray(logits, np.float64), np.asarray(labels)
    check_logits(logits)
    centre, scale = float(logits.mean()), float(logits.std()) or 1.0
    positives = int(labels.sum())
    if not 0 < positives < len(labels):
        return Platt(centre, scale, 0.0, float(logit((positives + 1) / (len(labels) + 2))))
    model = LogisticRegression(C=INVERSE_STRENGTH).fit((logits[:, None] - centre) / scale, labels)
    return Platt(centre, scale, float(model.coef_[0, 0]), float(model.intercept_[0]))


def check_logits(logits: np.ndarray) -> None:
    """Check that there are logits, all of them finite.

    Raises:
        UserError: there is none, or one is not finite.
    """
    wrong = int(np.sum(~np.isfinite(logits)))
    if wrong or not np.size(logits):
        raise UserError(
            f"{wrong} of {np.size(logits)} logits of the classifier are not finite numbers, and all of them must be. "
            "Train it again with a lower learning rate."
        )


def expected_f1_threshold(probability: np.ndarray) -> float:
    """Return the threshold, in [0, 1], from which calling samples positive has the largest expected F1.

    With the k likeliest samples called positive, the ratio of the expected counts is F_k = 2 sum_{1..k} q / (k + sum q)
    (plug-in rule; Ye et al., ICML 2012). The threshold lies half way between the last of the best k and the next one.

    Args:
        probability: calibrated probabilities q [N].

    >>> round(expected_f1_threshold(np.array([0.9, 0.8, 0.1, 0.1])), 3)
    0.45
    """
    ranked = np.sort(np.asarray(probability, np.float64))[::-1]
    counts = np.arange(1, len(ranked) + 1)
    best = int(np.argmax(2 * np.cumsum(ranked) / (counts + ranked.sum())))
    following = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + following) / 2)


def decision_risk(probability: np.ndarray, decided: np.ndarray) -> np.ndarray:
    """Return the probability that a decision between two classes is wrong, in [0, 1] [N].

    Args:
        probability: calibrated probability of class 1 [N].
        decided: the class that is said, 0 or 1 [N].
    """
    return np.where(np.asarray(decided) == 1, 1 - probability, probability)


@dataclass(frozen=True)
class CalibratedAlarm:
    """What says how likely a predicted class is wrong, and from where on it is doubted.

    Attributes:
        curves: a logistic curve for each class; of two classes one for class 1.
        threshold: risk above which a prediction is doubted, in [0, 1].
    """

    curves: tuple[Platt, ...]
    threshold: float

    def risk(self, probabilities: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the probability that each predicted class is wrong, in [0, 1] [N].

        Args:
            probabilities: of class 1 [N, 1], or of each of several classes [N, K].
            predicted: the classes that are said [N].
        """
        logits = _logits(probabilities)
        given = np.stack([curve.probability(logits[:, k]) for k, curve in enumerate(self.curves)], axis=1)
        if given.shape[1] == 1:
            return decision_risk(given[:, 0], predicted)
        return 1 - given[np.arange(len(given)), predicted] / given.sum(axis=1)

    def alarms(self, risk: np.ndarray) -> np.ndarray:
        """Return which predictions are doubted, bool [N]."""
        return risk > self.threshold


def fit_alarm(
    probabilities: np.ndarray, labels: np.ndarray, predicted: np.ndarray, *, abstain: float
) -> CalibratedAlarm:
    """Tune the calibrated alarm on validation samples.

    Args:
        probabilities: of class 1 [N, 1], or of each of several classes [N, K].
        labels: true classes [N].
        predicted: the classes that are said [N].
        abstain: share of validation samples, those of the largest risk, that are doubted, in [0, 1].

    Raises:
        UserError: a probability is not finite, or there is no sample.
    """
    logits = _logits(probabilities)
    of_class = [labels == 1] if logits.shape[1] == 1 else [labels == k for k in range(logits.shape[1])]
    curves = tuple(fit_platt(logits[:, k], target) for k, target in enumerate(of_class))
    risk = CalibratedAlarm(curves, 1.0).risk(probabilities, predicted)
    return CalibratedAlarm(curves, float(np.quantile(risk, 1 - abstain)))


def _logits(probabilities: np.ndarray) -> np.ndarray:
    """Return finite logits [N, K] of probabilities [N, K]; NaN stays and is refused by the fit."""
    return logit(np.clip(np.asarray(probabilities, np.float64), CLOSEST, 1 - CLOSEST))
