"""The noise of a photograph, pixel by pixel: predicted and measured."""
import numpy as np
import torch
from mmengine.model import BaseModel

from ..models.losses import local_noise_variance


@torch.no_grad()
def predict_noise_level(model: BaseModel,
                        photograph: np.ndarray) -> np.ndarray:
    """What a VariationalDenoiser says of a noisy photograph.

    Args:
        model (BaseModel): A VariationalDenoiser.
        photograph (np.ndarray): uint8 BGR (H, W, 3).

    Returns:
        np.ndarray: Standard deviation of the noise (H, W), white at 1, the
        mean over channels.
    """
    from mmagic.structures import DataSample
    inputs = torch.from_numpy(
        np.ascontiguousarray(photograph.transpose(2, 0, 1)))
    sample = DataSample(metainfo=dict(img_channel_order='bgr'))
    batch = model.data_preprocessor(
        dict(inputs=[inputs], data_samples=[sample]))
    return model.noise_level(batch['inputs'])[0].mean(0).cpu().numpy()


def local_noise_level(noisy: np.ndarray, clean: np.ndarray) -> np.ndarray:
    """Root of :func:`mmacda.models.losses.local_noise_variance`.

    Args:
        noisy (np.ndarray): uint8 (H, W, C).
        clean (np.ndarray): The same.

    Returns:
        np.ndarray: Standard deviation (H, W), white at 1, of all channels.
    """
    pair = (torch.from_numpy(image / 255.).permute(2, 0, 1)[None]
            for image in (noisy, clean))
    return local_noise_variance(*pair).mean(1)[0].sqrt().numpy()
