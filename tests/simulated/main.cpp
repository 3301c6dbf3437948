// The tests of ops, primitives, networks and pruning with the CUDA back end on a simulated GPU.
#include <gtest/gtest.h>

#include "backend/cuda/cuda_kernels.h"
#include "secateur/backend/kernel.h"
#include "simt/executor.h"

int main(int argc, char** argv) {
  // The kernels' own tests run every order of threads; here the back end around them is what is looked at.
  secateur::simt::options().orders = {secateur::simt::Order::shuffled};
  secateur::register_builtin_kernels();
  secateur::register_cuda_kernels();
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
