/* Forward and backward of the adaptive convolution for float32 on a CPU.
 *
 * Vectors run over neighbouring output pixels. Per tile of pixels the atoms
 * are composed, then CHANNEL_BLOCK input channels at a time pass the atom
 * convolution and at once the coefficient convolution, so that Z never leaves
 * the first cache. Backward recomputes; it takes the tiles in rounds, first
 * by tile (dZ, dD, dalpha), then by input channel (dA, dx), which leaves every
 * sum to one thread and in a fixed order.
 */
#include "backward.h"
#include "batch_backward.h"
#include "batch_forward.h"
#include "evaluated.h"
