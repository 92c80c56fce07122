"""The explanation losses by name. A new loss is one module and one entry.

An entry is `module:function`. The function takes the cells of the feature map (d, h, w) and the grid (D, H, W) and
returns a module, which takes raw maps [B, d, h, w], annotation and weights [B, D, H, W], and the mask [B, D, H, W] if
its method has one (`config/recipe.py`), and returns a scalar; its own parameters are trained with the classifier.
Entries are imported by name, so that a training depends on its own loss alone.
"""

_LOSSES = "explainct.learning.losses"

LOSSES: dict[str, str] = {
    "weighted_cross_entropy": f"{_LOSSES}.due:build_weighted_cross_entropy",
    "due_published": f"{_LOSSES}.due_published:build_published_due",
    "gradia": f"{_LOSSES}.gradia:build_gradia",
    "gradia_published": f"{_LOSSES}.gradia:build_published_gradia",
    "haics": f"{_LOSSES}.haics:build_haics",
    "haics_published": f"{_LOSSES}.haics:build_published_haics",
    "res_g": f"{_LOSSES}.res:build_res_g",
    "res_g_published": f"{_LOSSES}.res:build_published_res_g",
    "res_l": f"{_LOSSES}.res:build_res_l",
    "res_l_published": f"{_LOSSES}.res:build_published_res_l",
    "res_l_deep": f"{_LOSSES}.res:build_deep_res_l",
    "res_l_deep_published": f"{_LOSSES}.res:build_published_deep_res_l",
}
"""All explanation losses."""
