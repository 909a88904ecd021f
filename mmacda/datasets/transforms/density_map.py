"""The density map of an image's points, in a pipeline."""
from mmcv.transforms import BaseTransform
from mmengine.registry import TRANSFORMS

from mmacda.structures import density_map


@TRANSFORMS.register_module()
class GenerateDensityMap(BaseTransform):
    """Add the density map of the points, see :func:`density_map`.

    It follows every transform that moves points. The defaults are the window
    that most counting code uses; the paper says only "a fixed-size Gaussian
    kernel".

    Required Keys: img_shape, points. Added Keys: gt_density, (H, W) float32,
    whose sum is the number of points.

    Args:
        kernel_size (int): Odd side of the Gaussian's window in pixels.
            Default: 15.
        sigma (float): Standard deviation in pixels. Default: 4.
        stride (int): Pixels of the image per pixel of the map; the map is
            summed over blocks, never interpolated. Default: 1.

    Raises:
        ValueError: If an argument is out of range, or there are no points.
    """

    def __init__(self,
                 kernel_size: int = 15,
                 sigma: float = 4.,
                 stride: int = 1):
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError('kernel_size must be odd and positive, but got '
                             f'{kernel_size}')
        if not sigma > 0:
            raise ValueError(f'sigma must be positive, but got {sigma}')
        if stride < 1:
            raise ValueError(f'stride must be at least 1, but got {stride}')
        self.kernel_size = kernel_size
        self.sigma = sigma
        self.stride = stride

    def transform(self, results: dict) -> dict:
        if 'points' not in results:
            raise ValueError('GenerateDensityMap needs the points of '
                             f"{results.get('img_path', 'the image')}, but "
                             f'got only {sorted(results)}')
        results['gt_density'] = density_map(results['points'],
                                            results['img_shape'],
                                            self.kernel_size, self.sigma,
                                            self.stride)
        return results

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(kernel_size={self.kernel_size}, '
                f'sigma={self.sigma}, stride={self.stride})')
