// The CUDA back end: activations NHWC in fp32, bf16 or fp16, masters and statistics in fp32, filters KRSC.
// Convolutions run on cuDNN, linear layers on cuBLASLt, everything else on the kernels of kernels/. No
// __global__ code lies here.
//
// Padding lanes of every map (leading dimension beyond the channels) hold zeros: kernels rely on it and keep
// it. A run repeats bit for bit on the same GPU, libraries and shapes.
#pragma once

namespace secateur {

// Registers kernels, primitives and devices of kind `cuda`. Throws Error when called twice.
void register_cuda_kernels();

namespace cuda {

void register_filter_kernels();         // conv2d, norm_act_conv2d, linear
void register_normalization_kernels();  // batch_norm, batch_norm_act
void register_elementwise_kernels();    // relu, add, dropout
void register_loss_kernels();           // softmax_cross_entropy
void register_pooling_kernels();        // max_pool, avg_pool, global_avg_pool
void register_channel_kernels();        // concat, pad_channels, gather_channels, scatter_add, flatten
void register_cuda_primitives();

}  // namespace cuda
}  // namespace secateur
