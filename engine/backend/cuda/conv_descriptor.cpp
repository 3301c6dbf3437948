#include "backend/cuda/conv_descriptor.h"

#include "secateur/core/error.h"

namespace secateur {
namespace {

cudnnDataType_t cudnn_type(DType type) {
  switch (type) {
    case DType::f32:
      return CUDNN_DATA_FLOAT;
    case DType::f16:
      return CUDNN_DATA_HALF;
    case DType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      fail("cuDNN's convolutions take f32, f16 and bf16 here, not {}", name_of(type));
  }
}

}  // namespace

CudnnDescriptor channels_last(std::int64_t uid, DType type, std::array<std::int64_t, 4> nchw, bool passing) {
  const auto [n, c, h, w] = nchw;
  const std::array<std::int64_t, 4> strides{h * w * c, 1, w * c, c};
  CudnnDescriptor tensor(CUDNN_BACKEND_TENSOR_DESCRIPTOR, "tensor of a convolution");
  const cudnnDataType_t data_type = cudnn_type(type);
  tensor.set_raw(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &data_type);
  tensor.set(CUDNN_ATTR_TENSOR_DIMENSIONS, nchw);
  tensor.set(CUDNN_ATTR_TENSOR_STRIDES, strides);
  tensor.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
  tensor.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
  if (passing) {
    const bool is_virtual = true;
    tensor.set_raw(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &is_virtual);
  }
  tensor.finalize();
  return tensor;
}

CudnnDescriptor convolution_descriptor(const ConvProblem& problem) {
  CudnnDescriptor descriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, "convolution");
  const cudnnDataType_t compute = CUDNN_DATA_FLOAT;
  const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
  descriptor.set_raw(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &compute);
  descriptor.set_raw(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, problem.padding);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, problem.padding);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, problem.dilation);
  descriptor.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, problem.stride);
  descriptor.finalize();
  return descriptor;
}

const ConvPassNames& conv_pass_names(ConvPass pass) {
  static constexpr std::array<ConvPassNames, 3> kNames{
      {{CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
       {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
       {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
        CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA}}};
  return kNames.at(static_cast<std::size_t>(pass));
}

void set_convolution(CudnnDescriptor& operation, ConvPass pass, const CudnnDescriptor& convolution,
                     const CudnnDescriptor& input, const CudnnDescriptor& filter,
                     const CudnnDescriptor& output) {
  const ConvPassNames& names = conv_pass_names(pass);
  const float alpha = 1;
  const float beta = 0;
  operation.set(names.convolution, convolution);
  operation.set(names.input, input);
  operation.set(names.filter, filter);
  operation.set(names.output, output);
  operation.set_raw(names.alpha, CUDNN_TYPE_FLOAT, 1, &alpha);
  operation.set_raw(names.beta, CUDNN_TYPE_FLOAT, 1, &beta);
}

}  // namespace secateur
