// Group normalisation (Wu & He 2018) with a gain and a bias per image and channel, followed by SiLU:
//
//   x^ = (x - mean_g) / sqrt(variance_g + epsilon),   z = gain_c x^ + bias_c,   y = z sigmoid(z)
//
// over one image [P, C] with channels last. Channels go in lanes; statistics are in float, summed up in double.
#pragma once

#include <cstdint>
#include <cstring>

#include "dream3d/lanes.h"

namespace dream3d {

// Storage types: float, and bfloat16 as its 16 bits.
template <class L>
inline typename L::Float load_channels(const float* values) {
  return load_lanes<L>(values);
}

template <class L>
inline typename L::Float load_channels(const uint16_t* values) {
  typename L::Uint16 halves;
  std::memcpy(&halves, values, sizeof halves);
  return (typename L::Float)(__builtin_convertvector(halves, typename L::Uint) << 16);
}

template <class L>
inline void store_channels(float* values, const typename L::Float& x) {
  store_lanes(values, x);
}

// Rounds to nearest even; NaN stays NaN.
template <class L>
inline void store_channels(uint16_t* values, const typename L::Float& x) {
  using Uint = typename L::Uint;
  Uint bits = (Uint)x;
  bits += 0x7fff + ((bits >> 16) & 1);
  bits = x == x ? bits : Uint{} + 0x7fc00000u;
  const auto halves = __builtin_convertvector(bits >> 16, typename L::Uint16);
  std::memcpy(values, &halves, sizeof halves);
}

// exp(x) to a few units in the last place: 2^n times a polynomial on [-ln 2 / 2, ln 2 / 2]. Saturates at +-87.
template <class L>
inline typename L::Float exp_lanes(const typename L::Float& value) {
  using Float = typename L::Float;
  constexpr float kRound = 12582912.0f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  Float x = value > 87.0f ? Float{} + 87.0f : value;
  x = x < -87.0f ? Float{} - 87.0f : x;
  const Float shifted = x * 1.44269504f + kRound;
  const Float n = shifted - kRound;
  const Float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  Float sum = r * 1.9875691500e-4f + 1.3981999507e-3f;
  sum = sum * r + 8.3334519073e-3f;
  sum = sum * r + 4.1665795894e-2f;
  sum = sum * r + 1.6666665459e-1f;
  sum = sum * r + 5.0000001201e-1f;
  sum = sum * (r * r) + r + 1.0f;
  const auto exponent = (typename L::Int)shifted - 0x4b400000 + 127;
  return sum * (Float)(exponent << 23);
}

template <class L>
inline typename L::Float sigmoid_lanes(const typename L::Float& z) {
  return 1.0f / (1.0f + exp_lanes<L>(-z));
}

// What the lanes of K vectors of channels are normalised with.
template <class L, int K>
struct ChannelStrip {
  typename L::Float mean[K], inverse_std[K], gain[K], bias[K];

  inline ChannelStrip(const float* means, const float* inverse_stds, const float* gains,
                      const float* biases) {
    for (int k = 0; k < K; ++k) {
      mean[k] = load_lanes<L>(means + k * L::kWidth);
      inverse_std[k] = load_lanes<L>(inverse_stds + k * L::kWidth);
      gain[k] = load_lanes<L>(gains + k * L::kWidth);
      bias[k] = load_lanes<L>(biases + k * L::kWidth);
    }
  }

  inline typename L::Float normalized(const typename L::Float& x, int k) const {
    return (x - mean[k]) * inverse_std[k];
  }

  // Gradient to z, from the normalised input and the gradient to y.
  inline typename L::Float grad_z(const typename L::Float& x, const typename L::Float& grad_y, int k) const {
    const typename L::Float z = x * gain[k] + bias[k];
    const typename L::Float s = sigmoid_lanes<L>(z);
    return grad_y * s * (1.0f + z * (1.0f - s));
  }
};

// Sums over the pixels of x - x_0 and of its square, with x_0 the first pixel: exact where the mean is large.
template <class L, int K, class T>
inline void channel_sums(const T* image, int64_t pixels, int64_t channels, float* first, float* sum,
                         float* squares) {
  typename L::Float origin[K], total[K] = {}, square[K] = {};
  for (int k = 0; k < K; ++k) origin[k] = load_channels<L>(image + k * L::kWidth);
  for (int64_t i = 0; i < pixels; ++i) {
    for (int k = 0; k < K; ++k) {
      const typename L::Float x = load_channels<L>(image + i * channels + k * L::kWidth) - origin[k];
      total[k] += x;
      square[k] += x * x;
    }
  }
  for (int k = 0; k < K; ++k) {
    store_lanes(first + k * L::kWidth, origin[k]);
    store_lanes(sum + k * L::kWidth, total[k]);
    store_lanes(squares + k * L::kWidth, square[k]);
  }
}

template <class L, int K, class T>
inline void normalize_strip(const T* image, int64_t pixels, int64_t channels, const ChannelStrip<L, K>& strip,
                            T* output) {
  for (int64_t i = 0; i < pixels; ++i) {
    for (int k = 0; k < K; ++k) {
      const int64_t at = i * channels + k * L::kWidth;
      const typename L::Float x = strip.normalized(load_channels<L>(image + at), k);
      const typename L::Float z = x * strip.gain[k] + strip.bias[k];
      store_channels<L>(output + at, z * sigmoid_lanes<L>(z));
    }
  }
}

// Sums over the pixels of the gradient to z, and of it times the normalised input: gradients to bias and gain.
template <class L, int K, class T>
inline void gain_bias_vjp(const T* image, const T* grad_output, int64_t pixels, int64_t channels,
                          const ChannelStrip<L, K>& strip, float* grad_gain, float* grad_bias) {
  typename L::Float gain[K] = {}, bias[K] = {};
  for (int64_t i = 0; i < pixels; ++i) {
    for (int k = 0; k < K; ++k) {
      const int64_t at = i * channels + k * L::kWidth;
      const typename L::Float x = strip.normalized(load_channels<L>(image + at), k);
      const typename L::Float grad = strip.grad_z(x, load_channels<L>(grad_output + at), k);
      bias[k] += grad;
      gain[k] += grad * x;
    }
  }
  for (int k = 0; k < K; ++k) {
    store_lanes(grad_gain + k * L::kWidth, gain[k]);
    store_lanes(grad_bias + k * L::kWidth, bias[k]);
  }
}

// grad_x = inverse_std (gain grad_z - mean_g(gain grad_z) - x^ mean_g(gain grad_z x^)).
template <class L, int K, class T>
inline void input_vjp(const T* image, const T* grad_output, int64_t pixels, int64_t channels,
                      const ChannelStrip<L, K>& strip, const float* mean_grad, const float* mean_grad_x,
                      T* grad_input) {
  typename L::Float first[K], second[K];
  for (int k = 0; k < K; ++k) {
    first[k] = load_lanes<L>(mean_grad + k * L::kWidth);
    second[k] = load_lanes<L>(mean_grad_x + k * L::kWidth);
  }
  for (int64_t i = 0; i < pixels; ++i) {
    for (int k = 0; k < K; ++k) {
      const int64_t at = i * channels + k * L::kWidth;
      const typename L::Float x = strip.normalized(load_channels<L>(image + at), k);
      const typename L::Float grad = strip.grad_z(x, load_channels<L>(grad_output + at), k) * strip.gain[k];
      store_channels<L>(grad_input + at, strip.inverse_std[k] * (grad - first[k] - x * second[k]));
    }
  }
}

}  // namespace dream3d
