"""The network of the diffusion interpolator: a U-Net that knows two slices, a position and distances in mm."""

import torch
from monai.networks.nets import DiffusionModelUNet
from torch import nn

from due.errors import DueError

GROUPS = 8
"""Groups of the group normalisation; channels are multiples of it."""
TYPICAL_GAP_MM = 5.0


class ConditionalUNet(nn.Module):
    """A U-Net over the noisy slice, both contexts, a flag for each that is shown, and what `condition` adds.

    Contexts lie in [-1, 1] and hidden ones are zero, which is mid-grey there, hence the flags.

    Args:
        channels: channels per level, multiples of 8.

    Raises:
        DueError: channels that group normalisation cannot split.
    """

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        if not channels or any(count % GROUPS for count in channels):
            raise DueError(
                f"Setting `interpolate.channels` is {list(channels)}; expected multiples of {GROUPS}. "
                "Try the default, [16, 32, 32]."
            )
        self.unet = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=8,
            out_channels=1,
            num_res_blocks=1,
            channels=channels,
            attention_levels=(False,) * len(channels),
            norm_num_groups=GROUPS,
            num_head_channels=GROUPS,
        )

    def forward(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, known: torch.Tensor, shown: torch.Tensor
    ) -> torch.Tensor:
        """Predict the velocity [B, 1, S, S] of noisy slices.

        Args:
            noisy: slices with noise [B, 1, S, S], in [-1, 1] before the noise.
            timesteps: diffusion step of each, int64 [B].
            known: contexts and conditions of `condition` [B, 5, S, S].
            shown: which contexts are shown, bool [B, 2].
        """
        flags = shown[:, :, None, None].to(noisy.dtype).expand(-1, -1, *noisy.shape[2:])
        contexts = known[:, :2] * flags
        return self.unet(torch.cat([noisy, contexts, flags, known[:, 2:]], dim=1), timesteps).float()


def condition(contexts: torch.Tensor, t: torch.Tensor, gap_mm: torch.Tensor, pixel_mm: torch.Tensor) -> torch.Tensor:
    """Return what the U-Net knows, as channels [B, 5, S, S]: two contexts in [-1, 1], t, gap and pixel size.

    Args:
        contexts: the slices below and above [B, 2, S, S] in [0, 1].
        t: relative positions [B], strictly in (0, 1).
        gap_mm: distances between the contexts [B] in mm.
        pixel_mm: in-plane distances between pixels [B] in mm.
    """
    far = (t > 0.5)[:, None, None, None]
    nearer_first = torch.where(far, contexts.flip(1), contexts)
    nearness = 4 * torch.minimum(t, 1 - t) - 1
    numbers = torch.stack([nearness, (gap_mm / TYPICAL_GAP_MM).log(), pixel_mm.log()], dim=1)
    planes = numbers[:, :, None, None].expand(-1, -1, *contexts.shape[2:])
    return torch.cat([2 * nearer_first - 1, planes], dim=1)
