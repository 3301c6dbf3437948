// Redundancy of filters (Eqs. 3-10): how strongly a filter's map correlates with those of the others, in
// linear time.
//
// With z[., c] the standardised map of channel c of one image (zero mean, unit length over the T positions;
// all zeros where it is constant), Pearson's rho(f, k) is z[., f] . z[., k], so that
//
//   sum over k != f of rho(f, k) = z[., f] . s - [f is not constant],   s[t] = sum over k of z[t, k]
//
// O(T C) work an image in place of O(T C^2), and no C x C matrix. The min-max scaling of Eqs. 5-8 cancels in
// rho. Exact for the signed mean only: absolute and squared correlations need pairwise_correlation.
//
//   redundancy_sum[f]  += sum over images of sum over k != f of rho(f, k)
//   constant_images[f] += number of images whose map of channel f is constant
//
// The caller zeroes both ([channels] fp64 on the device) before a sample, streams the sample through in
// batches of any size, and then S_PC(f) = redundancy_sum[f] / (images * (channels - 1)).
//
// A constant map (all values equal, so also T = 1; or a spread whose squares leave the normal range of fp32)
// has rho = 0 with every other map. One channel: its sum is 0. A NaN or infinity in any map of an image makes
// every sum NaN. Values are centred and multiplied in fp32, images are added in fp64, all in a fixed order.
// One read of the maps where an image fits into a block's shared memory; else two, with a row tile's second
// use from cache.
#pragma once

#include <cstdint>

#include "secateur/kernels/channel_moments.h"
#include "secateur/kernels/status.h"
#include "secateur/kernels/types.h"

namespace secateur::kernels {

// Bytes of scratch that redundancy needs for this shape; 0 where the shape is not valid. Aligned to 4 bytes
// or more.
[[nodiscard]] std::int64_t redundancy_workspace(const MapShape& shape);

[[nodiscard]] Status redundancy(double* redundancy_sum, double* constant_images, const void* maps,
                                const MapShape& shape, void* workspace, std::int64_t workspace_bytes,
                                StreamHandle stream);

}  // namespace secateur::kernels
