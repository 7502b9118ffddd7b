"""What an array's name says of its role. Trainers' habits, no rule: shapes decide, these only confirm."""

from __future__ import annotations

import re

#: Arrays beside the weights that have their shapes: an optimiser's memory, statistics of a training run.
_BESIDES = re.compile(
    r"(^|[./:_ ])(optim\w*|opt|exp_avg\w*|momentum\w*|velocity|adam\w*|nadam|rmsprop\w*|adagrad\w*|adadelta\w*|sgd\w*"
    r"|moments?|slots?|scheduler\w*|beta[12]_power|exponentialmovingaverage|global_step|num_batches_tracked|history"
    r"|losses|train_loss\w*|seed_generator\w*|iterations?|learning_rate|epochs?)($|[./:_ 0-9])",
    re.IGNORECASE,
)
_NORMALISATION = re.compile(
    r"running_(mean|var)|moving_(mean|var)|(batch|layer|group|instance)_?norm|(^|[./_ ])gamma(:0|\d*)$"
    r"|(^|[./_ \d])(bn|norm)\d*([./_ ]|$)",
    re.IGNORECASE,
)
_BIAS = re.compile(r"(^|[./_ ])(bias(es)?|b|beta|shift|offset)(:0|\d*)$|^b\d+$|bias", re.IGNORECASE)
_FACTOR = re.compile(r"(^|[./_ ])(weights?|kernel|gamma|scale)(:0|\d*)$", re.IGNORECASE)
_ROLE = re.compile(r"(weights?|kernel|biases|bias|coefficients?|[wb])(:0)?(?=$|[_./\d])", re.IGNORECASE)


def is_beside_weights(name: str) -> bool:
    """Whether it is an optimiser's memory or a statistic."""
    return bool(_BESIDES.search(name))


def is_normalisation(name: str) -> bool:
    """Whether it belongs to batch normalisation or one of its kind."""
    return bool(_NORMALISATION.search(name))


def is_bias(name: str) -> bool:
    """Whether it is called a bias."""
    return bool(_BIAS.search(name))


def is_factor(name: str) -> bool:
    """Whether it is called something that values are multiplied with: as a vector, then, it is no bias."""
    return bool(_FACTOR.search(name))


def stem(name: str) -> str:
    """A name without the part that says weight or bias: what a layer's tensors share."""
    return _ROLE.sub("", name.lower().replace(":0", "")).strip("./_ ")
