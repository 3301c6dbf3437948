// The CPU back end: float32, or bfloat16 maps with float32 parameters; activations NHWC, filters KRSC.
// Convolutions and linear layers run on oneDNN, everything else in own loops over channels.
//
// Work is cut into chunks whose borders depend on the sizes only, and partial sums are added in the order of
// the chunks: results are the same for any number of threads and any timing (oneDNN: for the same number of
// threads).
#pragma once

namespace secateur {

// Registers every kernel and the primitives of device kind `cpu`. Throws Error when called twice.
void register_cpu_kernels();

namespace cpu {

// Whether convolutions in bf16 have instructions of this processor's (AVX512_BF16, AMX_BF16), by oneDNN,
// which ONEDNN_MAX_CPU_ISA can keep from some.
[[nodiscard]] bool computes_bf16();

void register_filter_kernels();         // conv2d, linear
void register_folded_convolution();     // folded_conv2d
void register_normalization_kernels();  // batch_norm, batch_norm_act
void register_elementwise_kernels();    // relu, add, dropout
void register_loss_kernels();           // softmax_cross_entropy
void register_pooling_kernels();        // max_pool, avg_pool, global_avg_pool
void register_channel_kernels();        // concat, pad_channels, gather_channels, scatter_add, flatten
void register_cpu_primitives();

}  // namespace cpu
}  // namespace secateur
