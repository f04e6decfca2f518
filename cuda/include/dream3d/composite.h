// Emission-absorption compositing of one ray's samples, front to back (Max 1995; Mildenhall et al. 2020, eq.
// 3).
//
//   optical depth  tau_i = density_i (t_end_i - t_start_i)
//   transmittance  T_0 = 1,  T_{i+1} = T_i exp(-tau_i)
//   weight         w_i = T_i (1 - exp(-tau_i))     while T_i >= early_stop, else 0
//   outputs        values = sum w_i v_i,  opacity = sum w_i,  depth = sum w_i (t_start_i + t_end_i) / 2
//
// The derivative needs the light behind each sample: with s_i the derivative of the loss to w_i,
//   dL/dtau_i = T_{i+1} s_i - sum_{j > i} w_j s_j.
// It is gathered back to front from the stored T, which neither subtracts two near-equal sums nor divides
// by a transmittance that may be 0.
#pragma once

#include <cmath>
#include <cstdint>

#include "dream3d/api.h"
#include "dream3d/common.h"

namespace dream3d {

struct CompositeStep {
  float weight;
  float transmittance;  // behind the sample
};

D3D_HOST_DEVICE inline CompositeStep composite_step(float transmittance, float density, float t_start,
                                                    float t_end) {
  const float tau = density * (t_end - t_start);
  // expm1 keeps the weight of a thin sample from rounding to a multiple of epsilon.
  const float alpha = -expm1f(-tau);
  const float weight = transmittance * alpha;
  return {weight, transmittance * expf(-tau)};
}

D3D_HOST_DEVICE inline float composite_midpoint(float t_start, float t_end) {
  return 0.5f * (t_start + t_end);
}

// Derivative to density_i, and the running sum over later samples (`behind`) extended by this one.
D3D_HOST_DEVICE inline float composite_density_vjp(float grad_weight, float weight,
                                                   float transmittance_behind, float t_start, float t_end,
                                                   float& behind) {
  const float grad_tau = transmittance_behind * grad_weight - behind;
  behind += weight * grad_weight;
  return grad_tau * (t_end - t_start);
}

// One ray, front to back.
D3D_HOST_DEVICE inline void composite_ray(const D3dCompositeParams& p, int64_t ray) {
  const int64_t begin = p.packed_info[2 * ray];
  const int64_t end = begin + p.packed_info[2 * ray + 1];
  float* out = p.ray_values + ray * p.num_channels;
  for (int32_t c = 0; c < p.num_channels; ++c) out[c] = 0.0f;
  float transmittance = 1.0f, opacity = 0.0f, depth = 0.0f;
  int64_t i = begin;
  for (; i < end && !(transmittance < p.early_stop); ++i) {
    const CompositeStep step = composite_step(transmittance, p.density[i], p.t_starts[i], p.t_ends[i]);
    transmittance = step.transmittance;
    opacity += step.weight;
    depth += step.weight * composite_midpoint(p.t_starts[i], p.t_ends[i]);
    for (int32_t c = 0; c < p.num_channels; ++c) out[c] += step.weight * p.values[i * p.num_channels + c];
    p.weights[i] = step.weight;
    p.transmittance[i] = transmittance;
  }
  // Behind the stop nothing has a weight, and a stored 0 makes every derivative there 0 too.
  for (; i < end; ++i) {
    p.weights[i] = 0.0f;
    p.transmittance[i] = 0.0f;
  }
  p.opacity[ray] = opacity;
  p.depth[ray] = depth;
}

// One ray, back to front.
D3D_HOST_DEVICE inline void composite_ray_vjp(const D3dCompositeBackwardParams& p, int64_t ray) {
  const int64_t begin = p.packed_info[2 * ray];
  const float* grad_out = p.grad_ray_values == nullptr ? nullptr : p.grad_ray_values + ray * p.num_channels;
  const float grad_opacity = p.grad_opacity == nullptr ? 0.0f : p.grad_opacity[ray];
  const float grad_depth = p.grad_depth == nullptr ? 0.0f : p.grad_depth[ray];
  float behind = 0.0f;
  for (int64_t i = begin + p.packed_info[2 * ray + 1] - 1; i >= begin; --i) {
    const float t_start = p.t_starts[i], t_end = p.t_ends[i];
    float grad_weight = grad_opacity + grad_depth * composite_midpoint(t_start, t_end);
    if (p.grad_weights != nullptr) grad_weight += p.grad_weights[i];
    for (int32_t c = 0; c < p.num_channels; ++c) {
      const int64_t at = i * p.num_channels + c;
      if (grad_out != nullptr) grad_weight += grad_out[c] * p.values[at];
      if (p.grad_values != nullptr)
        p.grad_values[at] = grad_out == nullptr ? 0.0f : p.weights[i] * grad_out[c];
    }
    p.grad_density[i] =
        composite_density_vjp(grad_weight, p.weights[i], p.transmittance[i], t_start, t_end, behind);
  }
}

}  // namespace dream3d
