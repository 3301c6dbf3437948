// The reference back end: every op in float64 in the form of its equation, plain loops over plain indices. It
// is what the other back ends are checked against, so it shares no code with them and does nothing for speed
// but let the innermost loop run over neighbouring channels. Results do not depend on the number of threads:
// each output has one thread.
#pragma once

namespace secateur {

// Registers every kernel and the primitives of device kind `reference`. Throws Error when called twice.
void register_reference_kernels();

namespace reference {

void register_filter_kernels();         // conv2d, linear
void register_normalization_kernels();  // batch_norm, batch_norm_act
void register_elementwise_kernels();    // relu, add, dropout
void register_loss_kernels();           // softmax_cross_entropy
void register_pooling_kernels();        // max_pool, avg_pool, global_avg_pool
void register_channel_kernels();        // concat, pad_channels, gather_channels, scatter_add, flatten
void register_reference_primitives();

}  // namespace reference
}  // namespace secateur
