#include "backend/reference/reference_kernels.h"

namespace secateur {

void register_reference_kernels() {
  reference::register_filter_kernels();
  reference::register_normalization_kernels();
  reference::register_elementwise_kernels();
  reference::register_loss_kernels();
  reference::register_pooling_kernels();
  reference::register_channel_kernels();
  reference::register_reference_primitives();
}

}  // namespace secateur
