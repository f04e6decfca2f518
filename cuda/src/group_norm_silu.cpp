#include "dream3d/group_norm_silu.h"

#include <cmath>
#include <vector>

#include "dream3d/api.h"
#include "dream3d/parallel.h"
#include "dream3d/status.h"

namespace dream3d {
namespace {

constexpr int kStrip = 2;  // vectors of channels handled together: as many as stay in registers

// Calls body(std::integral_constant<int, K>, first channel) for strips that cover all channels.
template <class L, class Body>
inline void for_each_strip(int channels, const Body& body) {
  int c = 0;
  for (; c + kStrip * L::kWidth <= channels; c += kStrip * L::kWidth) {
    body(std::integral_constant<int, kStrip>{}, c);
  }
  for (; c < channels; c += L::kWidth) body(std::integral_constant<int, 1>{}, c);
}

// Values of groups [G] to their channels [C].
inline void spread(const float* of_group, int groups, int channels, float* of_channel) {
  const int size = channels / groups;
  for (int c = 0; c < channels; ++c) of_channel[c] = of_group[c / size];
}

// Mean and 1 / sqrt(variance + epsilon) of each group, from the sums of its channels about their first pixels.
inline void group_statistics(const D3dGroupNormSiluParams& p, const float* first, const float* sum,
                             const float* squares, float* mean, float* inverse_std) {
  const int size = p.num_channels / p.num_groups;
  const double n = static_cast<double>(p.num_pixels);
  for (int g = 0; g < p.num_groups; ++g) {
    double total = 0.0;
    for (int c = g * size; c < (g + 1) * size; ++c) total += first[c] + sum[c] / n;
    const double center = total / size;
    double variance = 0.0;
    for (int c = g * size; c < (g + 1) * size; ++c) {
      const double offset = first[c] + sum[c] / n - center;
      variance += (squares[c] - static_cast<double>(sum[c]) * sum[c] / n) / n + offset * offset;
    }
    variance = variance / size;
    mean[g] = static_cast<float>(center);
    inverse_std[g] = static_cast<float>(1.0 / std::sqrt((variance > 0.0 ? variance : 0.0) + p.epsilon));
  }
}

template <class T>
struct ForwardImage {
  const D3dGroupNormSiluParams& p;
  int64_t image;

  template <class L>
  inline void run() const {
    const int channels = p.num_channels;
    const int64_t pixels = p.num_pixels, at = image * pixels * channels;
    const T* input = static_cast<const T*>(p.input) + at;
    T* output = static_cast<T*>(p.output) + at;
    float* mean = p.mean + image * p.num_groups;
    float* inverse_std = p.inverse_std + image * p.num_groups;
    std::vector<float> scratch(5 * static_cast<size_t>(channels));
    float *first = scratch.data(), *sum = first + channels, *squares = sum + channels;
    float *means = squares + channels, *inverse_stds = means + channels;
    for_each_strip<L>(channels, [&](auto k, int c) {
      channel_sums<L, k>(input + c, pixels, channels, first + c, sum + c, squares + c);
    });
    group_statistics(p, first, sum, squares, mean, inverse_std);
    spread(mean, p.num_groups, channels, means);
    spread(inverse_std, p.num_groups, channels, inverse_stds);
    const float *gain = p.gain + image * channels, *bias = p.bias + image * channels;
    for_each_strip<L>(channels, [&](auto k, int c) {
      const ChannelStrip<L, k> strip(means + c, inverse_stds + c, gain + c, bias + c);
      normalize_strip<L, k>(input + c, pixels, channels, strip, output + c);
    });
  }
};

template <class T>
struct BackwardImage {
  const D3dGroupNormSiluBackwardParams& p;
  int64_t image;

  template <class L>
  inline void run() const {
    const int channels = p.num_channels;
    const int64_t pixels = p.num_pixels, at = image * pixels * channels;
    const T *input = static_cast<const T*>(p.input) + at,
            *grad_output = static_cast<const T*>(p.grad_output) + at;
    T* grad_input = static_cast<T*>(p.grad_input) + at;
    const float *gain = p.gain + image * channels, *bias = p.bias + image * channels;
    float *grad_gain = p.grad_gain + image * channels, *grad_bias = p.grad_bias + image * channels;
    std::vector<float> scratch(4 * static_cast<size_t>(channels));
    float *means = scratch.data(), *inverse_stds = means + channels;
    float *mean_grad = inverse_stds + channels, *mean_grad_x = mean_grad + channels;
    spread(p.mean + image * p.num_groups, p.num_groups, channels, means);
    spread(p.inverse_std + image * p.num_groups, p.num_groups, channels, inverse_stds);
    for_each_strip<L>(channels, [&](auto k, int c) {
      const ChannelStrip<L, k> strip(means + c, inverse_stds + c, gain + c, bias + c);
      gain_bias_vjp<L, k>(input + c, grad_output + c, pixels, channels, strip, grad_gain + c, grad_bias + c);
    });
    group_means(gain, grad_bias, mean_grad);
    group_means(gain, grad_gain, mean_grad_x);
    for_each_strip<L>(channels, [&](auto k, int c) {
      const ChannelStrip<L, k> strip(means + c, inverse_stds + c, gain + c, bias + c);
      input_vjp<L, k>(input + c, grad_output + c, pixels, channels, strip, mean_grad + c, mean_grad_x + c,
                      grad_input + c);
    });
  }

  // Mean over each group of the gain times a per-pixel quantity with these sums, for each of its channels.
  inline void group_means(const float* gain, const float* sums, float* of_channel) const {
    const int size = p.num_channels / p.num_groups;
    for (int g = 0; g < p.num_groups; ++g) {
      double total = 0.0;
      for (int c = g * size; c < (g + 1) * size; ++c) total += static_cast<double>(gain[c]) * sums[c];
      const float mean = static_cast<float>(total / (static_cast<double>(p.num_pixels) * size));
      for (int c = g * size; c < (g + 1) * size; ++c) of_channel[c] = mean;
    }
  }
};

template <template <class> class Image, class Params>
void run_images(const Params& p, int n_threads) {
  require(p.num_pixels >= 1, "images must have pixels");
  require(p.num_channels >= 16 && p.num_channels % 16 == 0, "channels must be a multiple of 16");
  require(p.num_groups >= 1 && p.num_channels % p.num_groups == 0, "groups must divide the channels");
  const InstructionSet instructions = instruction_set();
  parallel_for(p.num_images, n_threads, [&](int64_t image) {
    if (p.is_bfloat16) {
      run_lanes(instructions, Image<uint16_t>{p, image});
    } else {
      run_lanes(instructions, Image<float>{p, image});
    }
  });
}

}  // namespace
}  // namespace dream3d

extern "C" int32_t d3d_group_norm_silu(const D3dGroupNormSiluParams* params, size_t params_size,
                                       const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dGroupNormSiluParams& p) {
    run_images<ForwardImage>(p, launch->n_threads);
  });
}

extern "C" int32_t d3d_group_norm_silu_backward(const D3dGroupNormSiluBackwardParams* params,
                                                size_t params_size, const D3dLaunch* launch) {
  using namespace dream3d;
  return guarded_call(params, params_size, [&](const D3dGroupNormSiluBackwardParams& p) {
    run_images<BackwardImage>(p, launch->n_threads);
  });
}
