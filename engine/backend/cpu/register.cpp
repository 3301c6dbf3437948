#include "backend/cpu/cpu_kernels.h"

namespace secateur {

void register_cpu_kernels() {
  cpu::register_filter_kernels();
  cpu::register_folded_convolution();
  cpu::register_normalization_kernels();
  cpu::register_elementwise_kernels();
  cpu::register_loss_kernels();
  cpu::register_pooling_kernels();
  cpu::register_channel_kernels();
  cpu::register_cpu_primitives();
}

}  // namespace secateur
