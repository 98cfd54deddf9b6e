"""Settings of adversarial smoothing: the `--smart` setting. Loads no TensorFlow."""

from dataclasses import dataclass
from typing import ClassVar

from tfglue.flags import setting
from tfglue.named_settings import NamedSettings, read_named
from tfglue.registry import Registry

TOKEN, ROW = "token", "row"
SAME, OWN = "same", "own"


@dataclass(frozen=True)
class SmartConfig(NamedSettings):
    """Settings of `tfglue.training.adversarial.Smoothing`; subclasses name the norm of the ball."""

    flag = "smart"
    name: ClassVar[str]

    weight: float = setting(1.0, "what the term is multiplied by; 0 leaves it out", kind=float,
                            least=0)
    bound: float = setting(5e-2, "radius of the ball that holds a perturbation", kind=float,
                           above=0)
    step: float = setting(5e-2, "length of a step along the gradient", kind=float, above=0)
    noise: float = setting(1e-3, "standard deviation of where a perturbation begins", kind=float,
                           above=0)
    steps: int = setting(1, "steps of a perturbation; 0 for noise alone", kind=int, least=0)
    divergence: str = setting(
        "symmetric_kl", "how far answers are apart; of scores it is the squared error",
        choices=("symmetric_kl", "kl", "jensen_shannon"),
    )
    per: str = setting(TOKEN, "what the norms are of: each token's vector, or the row's whole",
                       choices=(TOKEN, ROW))
    dropout: str = setting(
        SAME, "masks of dropout beside those of the plain pass", choices=(SAME, OWN)
    )


@dataclass(frozen=True)
class InfConfig(SmartConfig):
    """The largest absolute value."""

    name = "inf"


@dataclass(frozen=True)
class L2Config(SmartConfig):
    """Euclid's norm; the settings' lengths are of whole vectors, so they are larger."""

    name = "l2"
    bound: float = setting(3e-1, "radius of the ball that holds a perturbation", kind=float,
                           above=0)
    step: float = setting(3e-1, "length of a step along the gradient", kind=float, above=0)


SMART: Registry[type[SmartConfig]] = Registry("norm of --smart")
SMART.add(InfConfig.name, InfConfig)
SMART.add(L2Config.name, L2Config)

NONE = "none"


def read_smart(text: str | None) -> SmartConfig | None:
    """Reads a ``--smart`` setting: ``inf`` or ``l2``, with ``:key=value,...``; None for ``none``.

    Raises:
        UserError: for an unknown norm or key, with the nearest one, or a value out of place.
    """
    return None if text in (None, NONE) else read_named(text, SMART)
