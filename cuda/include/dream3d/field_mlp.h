// A network with one hidden layer on tiles of points, one point per lane:
//
//   hidden = max(W1 x + b1, 0),   output = W2 hidden + b2
//
// and its derivative. A tile is structure-of-arrays: row r of a buffer holds value r of up to kTilePoints points.
// Weights are packed so that the innermost loops read them in order; numbers of inputs and outputs are padded
// with zero weights. Loops keep 8 running sums, enough to hide the latency of an addition, in registers.
#pragma once

#include <cstdint>

#include "dream3d/hash_grid_lanes.h"
#include "dream3d/lanes.h"

namespace dream3d {

constexpr int kUnits = 8;  // hidden units, or inputs, handled together

struct MlpWeights {
  int hidden;         // H, a multiple of 8
  int inputs;         // D, padded to a multiple of 8
  int outputs;        // O, padded to 4 or 8
  const float* w1;    // [H / 8, D, 8] for W1 x
  const float* w1_t;  // [D / 8, H, 8] for the transposed product
  const float* b1;    // [H]
  const float* w2;    // [H, O]
  const float* b2;    // [O]
};

// Running sums of the gradients to the weights, one sum per lane: [H, D], [H], [H, O], [O], in this order.
struct MlpGradients {
  float *w1, *b1, *w2, *b2;
};

// Hidden units 8 group .. 8 group + 7 of the points at `i`.
template <class L>
inline void mlp_hidden(const MlpWeights& net, int group, const float* features, int i,
                       typename L::Float hidden[kUnits]) {
  using V = typename L::Float;
  V sum[kUnits];
  for (int u = 0; u < kUnits; ++u) sum[u] = broadcast<V>(net.b1[group * kUnits + u]);
  const float* weight = net.w1 + group * net.inputs * kUnits;
  for (int d = 0; d < net.inputs; ++d, weight += kUnits) {
    const V x = load_lanes<L>(features + d * kTilePoints + i);
    for (int u = 0; u < kUnits; ++u) sum[u] += weight[u] * x;
  }
  for (int u = 0; u < kUnits; ++u) hidden[u] = L::select(sum[u] < 0.0f, V{}, sum[u]);  // NaN stays NaN
}

// output: [O, tile].
template <class L, int O>
inline void mlp_forward(const MlpWeights& net, const float* features, int count, float* output) {
  using V = typename L::Float;
  for (int i = 0; i < count; i += L::kWidth) {
    V sum[O];
    for (int k = 0; k < O; ++k) sum[k] = broadcast<V>(net.b2[k]);
    for (int group = 0; group < net.hidden / kUnits; ++group) {
      V hidden[kUnits];
      mlp_hidden<L>(net, group, features, i, hidden);
      const float* weight = net.w2 + group * kUnits * O;
      for (int u = 0; u < kUnits; ++u) {
        for (int k = 0; k < O; ++k) sum[k] += weight[u * O + k] * hidden[u];
      }
    }
    for (int k = 0; k < O; ++k) store_lanes(output + k * kTilePoints + i, sum[k]);
  }
}

template <class L>
inline void add_lanes(float* sums, const typename L::Float& values) {
  store_lanes(sums, load_lanes<L>(sums) + values);
}

// From the hidden layer (recomputed into `hidden` [H, tile]) and grad_output [O, tile]: adds the gradients to W2, b2 and
// b1, and overwrites `hidden` with the gradient to W1 x + b1.
template <class L, int O>
inline void mlp_output_vjp(const MlpWeights& net, const float* features, int count, const float* grad_output,
                           float* hidden, const MlpGradients& grad) {
  using V = typename L::Float;
  for (int i = 0; i < count; i += L::kWidth) {
    for (int group = 0; group < net.hidden / kUnits; ++group) {
      V units[kUnits];
      mlp_hidden<L>(net, group, features, i, units);
      for (int u = 0; u < kUnits; ++u) store_lanes(hidden + (group * kUnits + u) * kTilePoints + i, units[u]);
    }
    for (int k = 0; k < O; ++k) {
      add_lanes<L>(grad.b2 + k * L::kWidth, load_lanes<L>(grad_output + k * kTilePoints + i));
    }
  }
  for (int h = 0; h < net.hidden; ++h) {
    float* row = hidden + h * kTilePoints;
    V sum_w2[O] = {}, sum_b1 = {};
    for (int i = 0; i < count; i += L::kWidth) {
      const V unit = load_lanes<L>(row + i);
      V upstream = {};
      for (int k = 0; k < O; ++k) {
        const V g = load_lanes<L>(grad_output + k * kTilePoints + i);
        sum_w2[k] += g * unit;
        upstream += net.w2[h * O + k] * g;
      }
      upstream = L::select(unit <= 0.0f, V{}, upstream);
      sum_b1 += upstream;
      store_lanes(row + i, upstream);
    }
    for (int k = 0; k < O; ++k) add_lanes<L>(grad.w2 + (h * O + k) * L::kWidth, sum_w2[k]);
    add_lanes<L>(grad.b1 + h * L::kWidth, sum_b1);
  }
}

// Adds grad_hidden features^T to the gradient of W1, four rows by two columns at a time.
template <class L>
inline void mlp_input_weight_vjp(const MlpWeights& net, const float* features, int count,
                                 const float* grad_hidden, const MlpGradients& grad) {
  using V = typename L::Float;
  for (int h = 0; h < net.hidden; h += 4) {
    for (int d = 0; d < net.inputs; d += 2) {
      V sum[4][2] = {};
      for (int i = 0; i < count; i += L::kWidth) {
        const V x[2] = {load_lanes<L>(features + d * kTilePoints + i),
                        load_lanes<L>(features + (d + 1) * kTilePoints + i)};
        for (int u = 0; u < 4; ++u) {
          const V g = load_lanes<L>(grad_hidden + (h + u) * kTilePoints + i);
          sum[u][0] += g * x[0];
          sum[u][1] += g * x[1];
        }
      }
      for (int u = 0; u < 4; ++u) {
        add_lanes<L>(grad.w1 + ((h + u) * net.inputs + d) * L::kWidth, sum[u][0]);
        add_lanes<L>(grad.w1 + ((h + u) * net.inputs + d + 1) * L::kWidth, sum[u][1]);
      }
    }
  }
}

// grad_features [D, tile] = W1^T grad_hidden.
template <class L>
inline void mlp_input_vjp(const MlpWeights& net, int count, const float* grad_hidden, float* grad_features) {
  using V = typename L::Float;
  for (int i = 0; i < count; i += L::kWidth) {
    for (int group = 0; group < net.inputs / kUnits; ++group) {
      V sum[kUnits] = {};
      const float* weight = net.w1_t + group * net.hidden * kUnits;
      for (int h = 0; h < net.hidden; ++h, weight += kUnits) {
        const V g = load_lanes<L>(grad_hidden + h * kTilePoints + i);
        for (int u = 0; u < kUnits; ++u) sum[u] += weight[u] * g;
      }
      for (int u = 0; u < kUnits; ++u) {
        store_lanes(grad_features + (group * kUnits + u) * kTilePoints + i, sum[u]);
      }
    }
  }
}

}  // namespace dream3d
