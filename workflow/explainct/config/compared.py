"""The methods of the counterfactual study, as data: what each sees, what is added to its loss, and whose it is.

Settings, training, tables and figures follow from this table, which imports no torch.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A method of the counterfactual study.

    Attributes:
        name: its name in settings and paths.
        label: its name for readers.
        paper: whose it is.
        simplified: what differs from that paper; empty if nothing does.
        network: `smooth_cnn`, or a network that is the method.
        images: what is trained and tested on: whole images, or the box of the nodule alone (lesion). Swapped images
            are whole, and trained with the background of another training image.
        penalty: what is added to the cross-entropy: nothing, or a loss of `explainct.cfalign.penalties`, or `cf`, the
            alignment of counterfactuals.
        strength: factor of the penalty, alpha.
        space: where a counterfactual is looked for.
        measure: what alignment measures of the change outside: its share, or its sum (`l1`, published).
        bounded: keep the gradient of the penalty below that of the cross-entropy.
        joint: one step for both losses; else they alternate, as published.
        warm: train the first third of all epochs on images whose surroundings are grey.
    """

    name: str
    label: str
    paper: str
    simplified: str = ""
    network: Literal["smooth_cnn", "bagnet", "icnn", "attribute_cnn"] = "smooth_cnn"
    images: Literal["whole", "lesion", "swapped"] = "whole"
    penalty: Literal["none", "rrr", "rrr_grid", "cdep", "templates", "due", "res_g", "cf"] = "none"
    strength: float = 0.0
    space: Literal["grid", "latent"] = "grid"
    measure: Literal["share", "l1"] = "share"
    bounded: bool = False
    joint: bool = True
    warm: bool = False

    @property
    def recipe(self) -> dict[str, Any]:
        """Return what a training depends on, as plain values."""
        words = ("name", "label", "paper", "simplified")
        return {key: value for key, value in asdict(self).items() if key not in words}


CF_ALIGN = "CF-Align (anonymous, under review)"

COMPARED: dict[str, Compared] = {
    method.name: method
    for method in (
        Compared(name="vanilla", label="Vanilla", paper=CF_ALIGN),
        Compared(
            name="warm_start",
            label="Warm start alone",
            paper="control of ours: the first epochs of CF-Align, ours, and no alignment",
            warm=True,
        ),
        Compared(
            name="oracle",
            label="Oracle, nodule alone",
            paper=CF_ALIGN,
            simplified="the surroundings of the box are black, not cropped, so that the network is the same",
            images="lesion",
        ),
        Compared(
            name="swap",
            label="Background swap",
            paper="CIDG: Chang, Adam, Goldenberg, CVPR 2021",
            simplified="backgrounds of other training images in place of a generative infilling, and no images without "
            "a nodule",
            images="swapped",
        ),
        Compared(
            name="rrr",
            label="RRR, published",
            paper="Ross, Hughes, Doshi-Velez, IJCAI 2017",
            penalty="rrr",
            strength=10.0,
        ),
        Compared(
            name="rrr_grid",
            label="RRR on the grid",
            paper="of ours: the share outside of RRR's gradient, on the grid of CF-Align, ours",
            penalty="rrr_grid",
            strength=3.0,
            bounded=True,
            warm=True,
        ),
        Compared(
            name="cdep",
            label="CDEP",
            paper="Rieger et al., ICML 2020",
            simplified="SiLU in place of the published rectifiers",
            penalty="cdep",
            strength=1.0,
        ),
        Compared(
            name="bagnet",
            label="BagNet-17",
            paper="Brendel, Bethge, ICLR 2019",
            simplified="six convolutions with patches of 17 pixels, not a ResNet-50",
            network="bagnet",
        ),
        Compared(
            name="icnn",
            label="Interpretable CNN",
            paper="Zhang, Wu, Zhu, CVPR 2018",
            simplified="templates in the last layer, and no filters that belong to one class alone",
            network="icnn",
            penalty="templates",
            strength=1.0,
        ),
        Compared(
            name="due",
            label="DUE's loss",
            paper="of this project: cross-entropy of class activation maps on cells, with weights of 1",
            simplified="a slice is annotated as a whole, so nothing is interpolated",
            penalty="due",
            strength=1.0,
        ),
        Compared(
            name="res_g",
            label="RES-G's loss",
            paper="Gao et al., KDD 2022",
            penalty="res_g",
            strength=1.0,
        ),
        Compared(
            name="cfalign",
            label="CF-Align, ours",
            paper=CF_ALIGN,
            simplified="coarse grid, share of the change outside, bounded gradient and warm start in place of what is "
            "published",
            penalty="cf",
            strength=8.0,
            bounded=True,
            warm=True,
        ),
        Compared(
            name="cfalign_attributes",
            label="CF-Align, attributes",
            paper=CF_ALIGN,
            simplified="as CF-Align, ours; the attribute that is changed follows from the weights of a linear g, not "
            "from its conditional counterfactual causal effect",
            network="attribute_cnn",
            penalty="cf",
            strength=8.0,
            bounded=True,
            warm=True,
        ),
        Compared(
            name="cfalign_published",
            label="CF-Align, published",
            paper=CF_ALIGN,
            simplified="as many epochs as all others, not 300; a squared distance in the latent space, whose "
            "counterfactual is stationary, in place of one that is not named",
            penalty="cf",
            strength=0.01,
            space="latent",
            measure="l1",
            joint=False,
        ),
    )
}
"""All methods by name."""
